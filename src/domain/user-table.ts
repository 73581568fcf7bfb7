/**
 * The users of a spill: found by an open hash table, kept in one arena of words. Nothing is allocated per user; separate objects, or
 * records of a fixed size, cost two to three times as much a call.
 *
 * What map keeps of a user lies in the user's own entry, so that a call finds all of it in one or two lines of the processor's cache.
 */
import { endianness } from 'node:os';
import { invariant } from './invariant.js';
import { USER_BYTES_MAX } from './segment.js';

/** Words of an entry that are its owner's to use, zero at first. */
export const FIELD_WORDS = 10;
// Then its hash (two halves), its length in bytes, the bytes, and padding: an entry begins at an even word, so that doubles can lie in it.
const HASH_HI = FIELD_WORDS;
const HASH_LO = FIELD_WORDS + 1;
const LENGTH = FIELD_WORDS + 2;
const BYTES = FIELD_WORDS + 3;
const FIRST_ENTRY = 2;

/** Words of entries that fill the table; keeps half the place of an entry, which is even, within 24 bits. */
const ARENA_WORDS_MAX = 2 ** 22;
const ENTRY_WORDS_MAX = BYTES + USER_BYTES_MAX / 4 + 1;
/** More than there can be entries. */
const INDEX_RANGE = 2 ** 21;

export class UserTable {
  /** The arena; a field of an entry lies at the entry's place plus its own. Valid until a user is added. */
  words = new Int32Array(2 ** 16);
  /** The same memory: a field that begins at an even word lies at half its place. */
  doubles = new Float64Array(this.words.buffer);
  #size = 0;
  #bytes = new Uint8Array(this.words.buffer);
  #end = FIRST_ENTRY;
  /** A slot holds half an entry's place and 8 bits of its hash; 0 is empty. */
  #slots = new Int32Array(2 ** 14);

  constructor() {
    invariant(endianness() === 'LE', 'users are compared as little-endian words');
  }

  /** True if the table holds so many users more, whoever they are. */
  hasRoomFor(users: number): boolean {
    return this.#end + users * ENTRY_WORDS_MAX <= ARENA_WORDS_MAX;
  }

  clear(): void {
    this.#size = 0;
    this.#end = FIRST_ENTRY;
    this.#slots.fill(0);
  }

  /** What lies in the first slot of a hash: asked for before find() is, it is fetched beside others. */
  slotOf(hashLo: number): number {
    return this.#slots[hashLo & (this.#slots.length - 1)];
  }

  /** The entry that a slot leads to, which may be another user's. */
  entryAt(slot: number): number {
    return (slot >>> 8) * 2;
  }

  /** The entry of the user with this hash whose bytes lie in `view`, made if it is new. */
  find(view: DataView, start: number, length: number, hashHi: number, hashLo: number): number {
    const mask = this.#slots.length - 1;
    const tag = hashLo >>> 24;
    let slot = hashLo & mask;
    for (;;) {
      const taken = this.#slots[slot];
      if (taken === 0) return this.#insert(view, start, length, hashHi, hashLo, slot);
      if ((taken & 255) === tag) {
        const entry = this.entryAt(taken);
        if (this.#equals(entry, view, start, length)) return entry;
      }
      slot = (slot + 1) & mask;
    }
  }

  hashHi(entry: number): number {
    return this.words[entry + HASH_HI];
  }

  /** How many bytes its name has. */
  lengthOf(entry: number): number {
    return this.words[entry + LENGTH];
  }

  /** Writes its name to `out` at `at`; returns the place behind it. */
  writeBytes(entry: number, out: Uint8Array, at: number): number {
    const start = (entry + BYTES) * 4;
    const length = this.words[entry + LENGTH];
    for (let i = 0; i < length; i++) out[at + i] = this.#bytes[start + i];
    return at + length;
  }

  /** All entries in the order of (hash, bytes). Sorting doubles is native; equal hashes are rare and mended after it. */
  sorted(): Int32Array {
    const arena = this.words;
    const entries = new Int32Array(this.#size);
    const keys = new Float64Array(this.#size);
    for (let entry = FIRST_ENTRY, i = 0; entry < this.#end; entry = this.#after(entry), i++) {
      entries[i] = entry;
      keys[i] = (arena[entry + HASH_HI] >>> 0) * INDEX_RANGE + i;
    }
    keys.sort();
    const sorted = new Int32Array(this.#size);
    for (let i = 0; i < sorted.length; i++) {
      sorted[i] = entries[keys[i] % INDEX_RANGE];
      for (let j = i; j > 0 && this.#compareEqualHashes(sorted[j - 1], sorted[j]) > 0; j--) {
        const later = sorted[j - 1];
        sorted[j - 1] = sorted[j];
        sorted[j] = later;
      }
    }
    return sorted;
  }

  /** Order by bytes of two users with the same hash; 0 for those with different ones, which are in order already. */
  #compareEqualHashes(a: number, b: number): number {
    if (this.words[a + HASH_HI] !== this.words[b + HASH_HI]) return 0;
    return Buffer.compare(this.#bytesOf(a), this.#bytesOf(b));
  }

  #bytesOf(entry: number): Uint8Array {
    const start = (entry + BYTES) * 4;
    return this.#bytes.subarray(start, start + this.words[entry + LENGTH]);
  }

  #equals(entry: number, view: DataView, start: number, length: number): boolean {
    const arena = this.words;
    if (arena[entry + LENGTH] !== length) return false;
    const words = length >>> 2;
    const first = entry + BYTES;
    for (let word = 0; word < words; word++) {
      if (view.getInt32(start + word * 4, true) !== arena[first + word]) return false;
    }
    const bytes = this.#bytes;
    for (let byte = words * 4; byte < length; byte++) {
      if (view.getUint8(start + byte) !== bytes[first * 4 + byte]) return false;
    }
    return true;
  }

  #insert(view: DataView, start: number, length: number, hashHi: number, hashLo: number, slot: number): number {
    const entry = this.#end;
    const words = entryWords(length);
    if (entry + words > this.words.length) this.#growArena();
    const arena = this.words;
    arena.fill(0, entry, entry + FIELD_WORDS);
    arena[entry + HASH_HI] = hashHi;
    arena[entry + HASH_LO] = hashLo;
    arena[entry + LENGTH] = length;
    this.#bytes.set(new Uint8Array(view.buffer, view.byteOffset + start, length), (entry + BYTES) * 4);
    this.#end += words;
    this.#slots[slot] = (entry << 7) | (hashLo >>> 24);
    this.#size++;
    if (this.#size * 2 > this.#slots.length) this.#growSlots();
    return entry;
  }

  #growArena(): void {
    const grown = new Int32Array(this.words.length * 2);
    grown.set(this.words);
    this.words = grown;
    this.doubles = new Float64Array(grown.buffer);
    this.#bytes = new Uint8Array(grown.buffer);
  }

  #growSlots(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let entry = FIRST_ENTRY; entry < this.#end; entry = this.#after(entry)) {
      const lo = this.words[entry + HASH_LO];
      let slot = lo & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = (entry << 7) | (lo >>> 24);
    }
    this.#slots = slots;
  }

  #after(entry: number): number {
    return entry + entryWords(this.words[entry + LENGTH]);
  }
}

function entryWords(length: number): number {
  const words = BYTES + ((length + 3) >>> 2);
  return words + (words & 1);
}
