/**
 * Map: turns each call of a partition into the key (user, ordinal within the partition) and its usage.
 *
 *   map(call) → (key: (user_id, ordinal), value: (id, usage, called_at))
 *
 * Only reduce sees how many calls came before the partition, and makes the cycle number of the ordinal. The ordinal is not
 * written down: calls of a user lie in its segment in their order.
 *
 * Memory is bounded by `callsMax`: calls are taken in up to that many, then packed as one spill. Nothing is allocated per call; a
 * counting sort brings the calls into the order of users.
 */
import { Digest } from './digest.js';
import { ExactSum } from './exact-sum.js';
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
import { UserTable } from './user-table.js';

/** One memory-full of a partition, packed. `data` is only valid until the map is reset. */
export interface Spill {
  readonly basePosition: bigint;
  readonly data: Buffer;
  readonly bucketIndex: Buffer;
}

export class CallOrderError extends Error {
  override name = 'CallOrderError';
}

// A call's fields in the table of calls.
const FIELDS = 3;
const OFFSET = 0;
const USAGE = 1;
const CALLED_AT = 2;

export const SPILL_CALLS_MAX = 2_000_000;
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
  /** A user's value counts its calls. */
  readonly #users = new UserTable();
  #out = Buffer.alloc(0);

  constructor(callsMax: number) {
    invariant(callsMax >= 1 && callsMax <= SPILL_CALLS_MAX, `a spill holds 1 to ${SPILL_CALLS_MAX} calls`);
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
    this.#users.clear();
  }

  /** The log position of the call taken, or passed over, last. */
  get lastPosition(): bigint {
    return this.#basePosition + BigInt(this.#lastOffset);
  }

  /** True when the calls taken since the last spill must be spilled before the next one. */
  get full(): boolean {
    return this.calls - this.#spilled === this.callsMax || this.#users.full;
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
    const offset = this.#nextOffset(idHi, idLo);
    this.#lastOffset = offset;
    const usage = usageHi * 4294967296 + (usageLo >>> 0);
    const users = this.#users;
    const user = users.find(view, userStart, userLength);
    users.increment(user);

    const row = this.calls - this.#spilled;
    this.#rowUser[row] = user;
    this.#rows[row * FIELDS + OFFSET] = offset;
    this.#rows[row * FIELDS + USAGE] = usage;
    this.#rows[row * FIELDS + CALLED_AT] = calledAt;

    this.calls++;
    this.usage.add(usage);
    this.digest.add(users.hashHi(user), users.hashLo(user), idHi, idLo, usageHi, usageLo);
  }

  /** Passes over a call that is not taken. Throws CallOrderError if ids do not ascend. */
  pass(idHi: number, idLo: number): void {
    this.#lastOffset = this.#nextOffset(idHi, idLo);
  }

  #nextOffset(idHi: number, idLo: number): number {
    const offset = (idHi - this.#baseHi) * 4294967296 + ((idLo >>> 0) - this.#baseLo);
    if (offset > this.#lastOffset) return offset;
    throw new CallOrderError(`call ${this.#basePosition + BigInt(offset)} came after one with a larger id`);
  }

  /** Packs the calls taken since the last spill, and makes room for more. */
  spill(): Spill {
    const calls = this.calls - this.#spilled;
    const users = this.#users.sorted();
    this.#orderCalls(users, calls);
    const bytesMax = calls * CALL_BYTES_MAX + users.length * (USER_HEAD_BYTES_MAX - USER_BYTES_MAX) + this.#users.bytes;
    if (this.#out.length < bytesMax) this.#out = Buffer.allocUnsafeSlow(bytesMax);

    const out = this.#out;
    const starts = new Uint32Array(BUCKETS + 1);
    let bucket = 0;
    let at = 0;
    let firstCall = 0;
    for (const user of users) {
      const ownBucket = bucketOf(this.#users.hashHi(user));
      while (bucket < ownBucket) starts[++bucket] = at;
      // The counting sort has turned the count of calls into the end of the user's calls.
      const endCall = this.#users.value(user);
      at = this.#writeUser(out, at, user, firstCall, endCall);
      firstCall = endCall;
    }
    while (bucket < BUCKETS) starts[++bucket] = at;

    const data = out.subarray(0, at);
    const spill = { basePosition: this.#basePosition, data, bucketIndex: writeBucketIndex(data, starts) };
    this.#spilled = this.calls;
    this.#users.clear();
    return spill;
  }

  /** Counting sort: rows in the order of users, each user's in the order of the log. */
  #orderCalls(users: Int32Array, calls: number): void {
    let next = 0;
    for (const user of users) {
      const own = this.#users.value(user);
      this.#users.setValue(user, next);
      next += own;
    }
    const rowUser = this.#rowUser;
    for (let row = 0; row < calls; row++) this.#order[this.#users.increment(rowUser[row])] = row;
  }

  #writeUser(out: Buffer, at: number, user: number, firstCall: number, endCall: number): number {
    const bytes = this.#users.bytesOf(user);
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
