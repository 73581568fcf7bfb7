/**
 * The users of a spill: found by an open hash table, kept in one Int32Array. Nothing is allocated per user; separate objects, or
 * records of a fixed size, cost two to three times as much a call.
 */
import { endianness } from 'node:os';
import { Hash64 } from './hash.js';
import { invariant } from './invariant.js';
import { USER_BYTES_MAX } from './segment.js';

// An entry in the arena: a number that belongs to the user, its hash (two halves), its length in bytes, then the bytes, padded to words.
const VALUE = 0;
const HASH_HI = 1;
const HASH_LO = 2;
const LENGTH = 3;
const BYTES = 4;

/** Words of entries that fill the table; keeps the place of an entry within 24 bits. */
const ARENA_WORDS_MAX = 2 ** 22;
const ENTRY_WORDS_MAX = BYTES + USER_BYTES_MAX / 4;
/** More than there can be entries. */
const INDEX_RANGE = 2 ** 21;

export class UserTable {
  #size = 0;
  #arena = new Int32Array(2 ** 16);
  #bytes = new Uint8Array(this.#arena.buffer);
  #end = 1;
  /** A slot holds an entry's place and 8 bits of its hash; 0 is empty. */
  #slots = new Int32Array(2 ** 14);
  readonly #hash = new Hash64();

  constructor() {
    invariant(endianness() === 'LE', 'users are compared as little-endian words');
  }

  /** True when the table might not hold one more user. */
  get full(): boolean {
    return this.#end + ENTRY_WORDS_MAX > ARENA_WORDS_MAX;
  }

  /** Upper bound of the bytes of all users together. */
  get bytes(): number {
    return this.#end * 4;
  }

  clear(): void {
    this.#size = 0;
    this.#end = 1;
    this.#slots.fill(0);
  }

  /** The entry of the user whose bytes lie in `view`, made with value 0 if it is new. */
  find(view: DataView, start: number, length: number): number {
    const hash = this.#hash;
    hash.bytes(view, start, length);
    const mask = this.#slots.length - 1;
    const tag = hash.lo >>> 24;
    let slot = hash.lo & mask;
    for (;;) {
      const taken = this.#slots[slot];
      if (taken === 0) return this.#insert(view, start, length, slot);
      if ((taken & 255) === tag && this.#equals(taken >>> 8, view, start, length)) return taken >>> 8;
      slot = (slot + 1) & mask;
    }
  }

  value(entry: number): number {
    return this.#arena[entry + VALUE];
  }

  setValue(entry: number, value: number): void {
    this.#arena[entry + VALUE] = value;
  }

  /** Adds one to the user's value; returns what it was. */
  increment(entry: number): number {
    return this.#arena[entry + VALUE]++;
  }

  hashHi(entry: number): number {
    return this.#arena[entry + HASH_HI];
  }

  hashLo(entry: number): number {
    return this.#arena[entry + HASH_LO];
  }

  /** The user's bytes; valid until the table is cleared or grows. */
  bytesOf(entry: number): Uint8Array {
    const start = (entry + BYTES) * 4;
    return this.#bytes.subarray(start, start + this.#arena[entry + LENGTH]);
  }

  /** All entries in the order of (hash, bytes). Sorting doubles is native; equal hashes are rare and mended after it. */
  sorted(): Int32Array {
    const arena = this.#arena;
    const entries = new Int32Array(this.#size);
    const keys = new Float64Array(this.#size);
    for (let entry = 1, i = 0; entry < this.#end; entry = this.#after(entry), i++) {
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
    if (this.#arena[a + HASH_HI] !== this.#arena[b + HASH_HI]) return 0;
    return Buffer.compare(this.bytesOf(a), this.bytesOf(b));
  }

  #equals(entry: number, view: DataView, start: number, length: number): boolean {
    const arena = this.#arena;
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

  #insert(view: DataView, start: number, length: number, slot: number): number {
    const words = BYTES + ((length + 3) >>> 2);
    const entry = this.#end;
    if (entry + words > this.#arena.length) this.#growArena();
    const arena = this.#arena;
    arena[entry + VALUE] = 0;
    arena[entry + HASH_HI] = this.#hash.hi;
    arena[entry + HASH_LO] = this.#hash.lo;
    arena[entry + LENGTH] = length;
    this.#bytes.set(new Uint8Array(view.buffer, view.byteOffset + start, length), (entry + BYTES) * 4);
    this.#end += words;
    this.#slots[slot] = (entry << 8) | (this.#hash.lo >>> 24);
    this.#size++;
    if (this.#size * 2 > this.#slots.length) this.#growSlots();
    return entry;
  }

  #growArena(): void {
    const grown = new Int32Array(this.#arena.length * 2);
    grown.set(this.#arena);
    this.#arena = grown;
    this.#bytes = new Uint8Array(grown.buffer);
  }

  #growSlots(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let entry = 1; entry < this.#end; entry = this.#after(entry)) {
      const lo = this.#arena[entry + HASH_LO];
      let slot = lo & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = (entry << 8) | (lo >>> 24);
    }
    this.#slots = slots;
  }

  #after(entry: number): number {
    return entry + BYTES + ((this.#arena[entry + LENGTH] + 3) >>> 2);
  }
}
