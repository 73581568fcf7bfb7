/**
 * Map: turns each call of a partition into the key (user, ordinal within the partition) and its usage.
 *
 *   map(call) → (key: (user_id, ordinal), value: (id, usage, called_at))
 *
 * Only reduce sees how many calls came before the partition, and makes the cycle number of the ordinal. The ordinal is not
 * written down: calls of a user lie in its segment in their order.
 *
 * Memory is bounded by `callsMax`: calls are taken in up to that many, then packed as one spill. Nothing is allocated per
 * call or per user. Users lie in one Int32Array, found by an open hash table; a counting sort brings the calls into the
 * order of users.
 */
import { endianness } from 'node:os';
import { Digest } from './digest.js';
import { ExactSum } from './exact-sum.js';
import { Hash64 } from './hash.js';
import { invariant } from './invariant.js';
import {
  BUCKETS,
  bucketOf,
  CALL_BYTES_MAX,
  USER_BYTES_MAX,
  USER_HEAD_BYTES_MAX,
  writeBucketIndex,
  writeVarint,
  zigzag,
} from './segment.js';

/** One memory-full of a partition, packed. `data` is only valid until the map is reset. */
export interface Spill {
  readonly basePosition: bigint;
  readonly data: Buffer;
  readonly bucketIndex: Buffer;
}

export class CallOrderError extends Error {
  override name = 'CallOrderError';
}

// A user's entry in the arena: calls, hash (two halves), length in bytes, then the bytes, padded to words.
const CALLS = 0;
const HASH_HI = 1;
const HASH_LO = 2;
const LENGTH = 3;
const BYTES = 4;

// A call's fields in the table of calls.
const FIELDS = 3;
const OFFSET = 0;
const USAGE = 1;
const CALLED_AT = 2;

const INDEX_RANGE = 2 ** 21;
export const SPILL_CALLS_MAX = 2_000_000;
/** Words of user entries that fill a spill before its calls do; keeps an entry's place within 24 bits. */
const ARENA_WORDS_MAX = 2 ** 22;
const ENTRY_WORDS_MAX = BYTES + USER_BYTES_MAX / 4;

export class PartitionMap {
  readonly callsMax: number;
  readonly digest = new Digest();
  readonly usage = new ExactSum();
  calls = 0;

  #basePosition = 0n;
  #baseHi = 0;
  #baseLo = 0;
  #lastOffset = -1;
  #spilled = 0;
  readonly #rows: Float64Array;
  readonly #rowUser: Int32Array;
  readonly #order: Int32Array;
  #users = 0;
  #arena = new Int32Array(2 ** 16);
  #arenaBytes = new Uint8Array(this.#arena.buffer);
  #arenaEnd = 1;
  #slots = new Int32Array(2 ** 14);
  readonly #hash = new Hash64();
  #out = Buffer.alloc(0);

  constructor(callsMax: number) {
    invariant(callsMax >= 1 && callsMax <= SPILL_CALLS_MAX, `a spill holds 1 to ${SPILL_CALLS_MAX} calls`);
    invariant(endianness() === 'LE', 'users are compared as little-endian words');
    this.callsMax = callsMax;
    this.#rows = new Float64Array(callsMax * FIELDS);
    this.#rowUser = new Int32Array(callsMax);
    this.#order = new Int32Array(callsMax);
  }

  /** Begins a partition; its calls must lie within 2^52 positions from `basePosition` on. */
  reset(basePosition: bigint): void {
    this.#basePosition = basePosition;
    this.#baseHi = Number(basePosition >> 32n);
    this.#baseLo = Number(basePosition & 0xffffffffn);
    this.#lastOffset = -1;
    this.#spilled = 0;
    this.calls = 0;
    this.digest.reset();
    this.usage.reset();
    this.#empty();
  }

  /** The log position of the call taken last. */
  get lastPosition(): bigint {
    return this.#basePosition + BigInt(this.#lastOffset);
  }

  /** True when the calls taken since the last spill must be spilled before the next one. */
  get full(): boolean {
    return this.calls - this.#spilled === this.callsMax || this.#arenaEnd + ENTRY_WORDS_MAX > ARENA_WORDS_MAX;
  }

  /**
   * Takes one call. The user's bytes lie in `view`; id and usage come as the halves of their 64 bits, calledAt in
   * microseconds since 2000. Throws CallOrderError if ids do not ascend.
   */
  add(
    view: DataView,
    userStart: number,
    userLength: number,
    idHi: number,
    idLo: number,
    usageHi: number,
    usageLo: number,
    calledAt: number,
  ): void {
    const offset = (idHi - this.#baseHi) * 4294967296 + ((idLo >>> 0) - this.#baseLo);
    if (offset <= this.#lastOffset) {
      throw new CallOrderError(`call ${this.#basePosition + BigInt(offset)} came after one with a larger id`);
    }
    this.#lastOffset = offset;
    const usage = usageHi * 4294967296 + (usageLo >>> 0);
    const user = this.#find(view, userStart, userLength);
    const arena = this.#arena;
    arena[user + CALLS]++;

    const row = this.calls - this.#spilled;
    this.#rowUser[row] = user;
    this.#rows[row * FIELDS + OFFSET] = offset;
    this.#rows[row * FIELDS + USAGE] = usage;
    this.#rows[row * FIELDS + CALLED_AT] = calledAt;

    this.calls++;
    this.usage.add(usage);
    this.digest.add(arena[user + HASH_HI], arena[user + HASH_LO], idHi, idLo, usageHi, usageLo);
  }

  /** Packs the calls taken since the last spill, and makes room for more. */
  spill(): Spill {
    const calls = this.calls - this.#spilled;
    const users = this.#sortedUsers();
    this.#orderCalls(users, calls);
    const bytesMax =
      calls * CALL_BYTES_MAX + users.length * (USER_HEAD_BYTES_MAX - USER_BYTES_MAX) + this.#arenaEnd * 4;
    if (this.#out.length < bytesMax) this.#out = Buffer.allocUnsafeSlow(bytesMax);

    const out = this.#out;
    const starts = new Uint32Array(BUCKETS + 1);
    let bucket = 0;
    let at = 0;
    let firstCall = 0;
    for (const user of users) {
      const ownBucket = bucketOf(this.#arena[user + HASH_HI]);
      while (bucket < ownBucket) starts[++bucket] = at;
      // The counting sort has turned the count of calls into the end of the user's calls.
      const endCall = this.#arena[user + CALLS];
      at = this.#writeUser(out, at, user, firstCall, endCall);
      firstCall = endCall;
    }
    while (bucket < BUCKETS) starts[++bucket] = at;

    const data = out.subarray(0, at);
    const spill = { basePosition: this.#basePosition, data, bucketIndex: writeBucketIndex(data, starts) };
    this.#spilled = this.calls;
    this.#empty();
    return spill;
  }

  #empty(): void {
    this.#users = 0;
    this.#arenaEnd = 1;
    this.#slots.fill(0);
  }

  /** The user's entry, made if it is new. A slot holds the entry's place and 8 bits of the hash. */
  #find(view: DataView, start: number, length: number): number {
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

  #equals(user: number, view: DataView, start: number, length: number): boolean {
    const arena = this.#arena;
    if (arena[user + LENGTH] !== length) return false;
    const words = length >>> 2;
    const entry = user + BYTES;
    for (let word = 0; word < words; word++) {
      if (view.getInt32(start + word * 4, true) !== arena[entry + word]) return false;
    }
    const bytes = this.#arenaBytes;
    for (let byte = words * 4; byte < length; byte++) {
      if (view.getUint8(start + byte) !== bytes[entry * 4 + byte]) return false;
    }
    return true;
  }

  #insert(view: DataView, start: number, length: number, slot: number): number {
    const words = BYTES + ((length + 3) >>> 2);
    const user = this.#arenaEnd;
    if (user + words > this.#arena.length) this.#growArena();
    const arena = this.#arena;
    arena[user + CALLS] = 0;
    arena[user + HASH_HI] = this.#hash.hi;
    arena[user + HASH_LO] = this.#hash.lo;
    arena[user + LENGTH] = length;
    this.#arenaBytes.set(new Uint8Array(view.buffer, view.byteOffset + start, length), (user + BYTES) * 4);
    this.#arenaEnd += words;
    this.#slots[slot] = (user << 8) | (this.#hash.lo >>> 24);
    this.#users++;
    if (this.#users * 2 > this.#slots.length) this.#growSlots();
    return user;
  }

  #growArena(): void {
    const grown = new Int32Array(this.#arena.length * 2);
    grown.set(this.#arena);
    this.#arena = grown;
    this.#arenaBytes = new Uint8Array(grown.buffer);
  }

  #growSlots(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let user = 1; user < this.#arenaEnd; user = this.#entryAfter(user)) {
      const lo = this.#arena[user + HASH_LO];
      let slot = lo & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = (user << 8) | (lo >>> 24);
    }
    this.#slots = slots;
  }

  #entryAfter(user: number): number {
    return user + BYTES + ((this.#arena[user + LENGTH] + 3) >>> 2);
  }

  /** Entries in the order of (hash, bytes). Sorting doubles is native; equal hashes are rare and mended after it. */
  #sortedUsers(): Int32Array {
    const arena = this.#arena;
    const entries = new Int32Array(this.#users);
    const keys = new Float64Array(this.#users);
    for (let user = 1, i = 0; user < this.#arenaEnd; user = this.#entryAfter(user), i++) {
      entries[i] = user;
      keys[i] = (arena[user + HASH_HI] >>> 0) * INDEX_RANGE + i;
    }
    keys.sort();
    const sorted = new Int32Array(this.#users);
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
    return Buffer.compare(this.#userBytes(a), this.#userBytes(b));
  }

  #userBytes(user: number): Uint8Array {
    const start = (user + BYTES) * 4;
    return this.#arenaBytes.subarray(start, start + this.#arena[user + LENGTH]);
  }

  /** Counting sort: rows in the order of users, each user's in the order of the log. */
  #orderCalls(users: Int32Array, calls: number): void {
    const arena = this.#arena;
    let next = 0;
    for (const user of users) {
      const own = arena[user + CALLS];
      arena[user + CALLS] = next;
      next += own;
    }
    const rowUser = this.#rowUser;
    for (let row = 0; row < calls; row++) this.#order[arena[rowUser[row] + CALLS]++] = row;
  }

  #writeUser(out: Buffer, at: number, user: number, firstCall: number, endCall: number): number {
    const bytes = this.#userBytes(user);
    at = writeVarint(out, at, bytes.length);
    out.set(bytes, at);
    at = writeVarint(out, at + bytes.length, endCall - firstCall);
    const body = at + 4;
    at = body;
    const rows = this.#rows;
    let offset = 0;
    let calledAt = 0;
    for (let call = firstCall; call < endCall; call++) {
      const row = this.#order[call] * FIELDS;
      at = writeVarint(out, at, rows[row + OFFSET] - offset);
      at = writeVarint(out, at, rows[row + USAGE]);
      at = writeVarint(out, at, zigzag(rows[row + CALLED_AT] - calledAt));
      offset = rows[row + OFFSET];
      calledAt = rows[row + CALLED_AT];
    }
    out.writeUInt32LE(at - body, body - 4);
    return at;
  }
}
