/**
 * Map: turns each call of a partition into the key (user, ordinal within the partition) and its usage.
 *
 *   map(call) → (key: (user_id, ordinal), value: (id, usage, called_at))
 *
 * Only reduce sees how many calls came before the partition, and makes the cycle number of the ordinal. The ordinal is not
 * written down: calls of a user lie in its segment in their order.
 *
 * Memory is bounded by `callsMax`: calls are taken in up to that many, then handed over as one spill. Nothing is allocated per call:
 * it is packed behind its user's last one (packed-calls.ts), and a spill puts the users in order.
 */
import { Digest } from './digest.js';
import { ExactSum } from './exact-sum.js';
import { Hash64 } from './hash.js';
import { invariant } from './invariant.js';
import { PackedCalls } from './packed-calls.js';
import { ChunkBuffer, Spill } from './spill.js';
import { UserTable } from './user-table.js';
import { WaitingCalls } from './waiting-calls.js';

export class CallOrderError extends Error {
  override name = 'CallOrderError';
}

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
  readonly #hash = new Hash64();
  readonly #waiting = new WaitingCalls();
  readonly #users = new UserTable();
  readonly #packed = new PackedCalls(this.#users);
  readonly #chunk = new ChunkBuffer();

  constructor(callsMax: number) {
    invariant(callsMax >= 1 && callsMax <= SPILL_CALLS_MAX, `a spill holds 1 to ${SPILL_CALLS_MAX} calls`);
    this.callsMax = callsMax;
  }

  /** Begins a partition; its calls must lie within 2^52 positions from `basePosition` on. */
  reset(basePosition: bigint): void {
    this.#basePosition = basePosition;
    this.#baseHi = Number(basePosition >> 32n);
    this.#baseLo = Number(basePosition & 0xffffffffn);
    this.#lastOffset = -1;
    this.calls = 0;
    this.digest.reset();
    this.usage.reset();
    this.clear();
  }

  /** The log position of the call taken, or passed over, last. */
  get lastPosition(): bigint {
    return this.#basePosition + BigInt(this.#lastOffset);
  }

  /** True when the calls taken since the last spill must be spilled before the next one. */
  get full(): boolean {
    const waiting = this.#waiting.calls + 1;
    return (
      this.calls - this.#spilled === this.callsMax ||
      !this.#users.hasRoomFor(waiting) ||
      !this.#packed.hasRoomFor(waiting)
    );
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
    this.#hash.bytes(view, userStart, userLength);
    const { hi, lo } = this.#hash;
    this.#waiting.push(view, userStart, userLength, hi, lo, offset, usage, calledAt);

    this.calls++;
    this.usage.add(usage);
    this.digest.add(hi, lo, idHi, idLo, usageHi, usageLo);
    if (this.#waiting.full) this.#waiting.settle(this.#users, this.#packed);
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

  /** The calls taken since the map was cleared; valid until it is again. */
  spill(): Spill {
    this.#waiting.settle(this.#users, this.#packed);
    return new Spill(this.#basePosition, this.#users, this.#packed, this.#chunk);
  }

  /** Forgets the calls that have been spilled, and makes room for more. */
  clear(): void {
    this.#spilled = this.calls;
    this.#waiting.clear();
    this.#users.clear();
    this.#packed.clear();
  }
}
