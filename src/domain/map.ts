/**
 * Map: turns each call of a partition into the key (user, ordinal within the partition) and its usage.
 *
 *   map(call) → (key: (user_id, ordinal), value: (id, usage, called_at))
 *
 * Only reduce sees how many calls came before the partition, and makes the cycle number of the ordinal. The ordinal is not
 * written down: calls of a user lie in its segment in their order.
 *
 * Memory is bounded: calls are taken in by bucket (bucket-calls.ts) and packed, one spill after the other, whenever that memory is full
 * (spill.ts). After `callsMax` calls all spills are to be taken away. Nothing is allocated per call.
 */
import { BucketCalls } from './bucket-calls.js';
import { Digest } from './digest.js';
import { ExactSum } from './exact-sum.js';
import { Hash64 } from './hash.js';
import { invariant } from './invariant.js';
import { bucketOf } from './segment.js';
import { type Spill, SpillPacker } from './spill.js';

export class CallOrderError extends Error {
  override name = 'CallOrderError';
}

export const SPILL_CALLS_MAX = 2_000_000;
/** Of calls that are not packed yet: some 700,000, with names of usual length; the largest partitions take two spills. */
const ARENA_BYTES = 20 * 2 ** 20;
/** Of packed calls: more than there are, unless most calls have a user of their own with a long name. */
const PACKED_BYTES_MAX = 24 * 2 ** 20;

export class PartitionMap {
  readonly callsMax: number;
  readonly digest = new Digest();
  readonly usage = new ExactSum();
  calls = 0;

  #basePosition = 0n;
  #baseHi = 0;
  #baseLo = 0;
  #lastOffset = -1;
  /** Calls whose spills have been taken away. */
  #cleared = 0;
  #spills: Spill[] = [];
  readonly #hash = new Hash64();
  readonly #bucketCalls: BucketCalls;
  readonly #packer = new SpillPacker();

  constructor(callsMax: number, arenaBytes = ARENA_BYTES) {
    invariant(callsMax >= 1 && callsMax <= SPILL_CALLS_MAX, `a spill holds 1 to ${SPILL_CALLS_MAX} calls`);
    this.callsMax = callsMax;
    this.#bucketCalls = new BucketCalls(arenaBytes);
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

  /** Free for other work between two partitions. */
  get arena(): Uint8Array {
    return this.#bucketCalls.bytes;
  }

  /** The log position of the call taken, or passed over, last. */
  get lastPosition(): bigint {
    return this.#basePosition + BigInt(this.#lastOffset);
  }

  /** True when spills must be taken away before the next call. */
  get full(): boolean {
    return this.calls - this.#cleared === this.callsMax || this.#packer.bytes >= PACKED_BYTES_MAX;
  }

  /**
   * Takes one call. The user's bytes lie in `view`; id, usage and calledAt, in microseconds since 2000, come as the halves of their
   * 64 bits: V8 allocates a number that is not a small integer wherever it is handed on. Throws CallOrderError if ids do not ascend.
   */
  add(
    view: DataView,
    userStart: number,
    userLength: number,
    idHi: number,
    idLo: number,
    usageHi: number,
    usageLo: number,
    calledAtHi: number,
    calledAtLo: number,
  ): void {
    const offset = this.#nextOffset(idHi, idLo);
    this.#lastOffset = offset;
    const usage = usageHi * 4294967296 + (usageLo >>> 0);
    this.#hash.bytes(view, userStart, userLength);
    const { hi, lo } = this.#hash;
    const calls = this.#bucketCalls;
    if (!calls.hasRoom) this.#pack();
    calls.append(bucketOf(hi), lo, view, userStart, userLength, offset, usage, calledAtHi, calledAtLo);

    this.calls++;
    this.usage.add(usage);
    this.digest.add(hi, lo, idHi, idLo, usageHi, usageLo);
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

  /** The calls taken since the map was cleared, in their order; valid until it is again. */
  spills(): readonly Spill[] {
    if (this.#bucketCalls.calls > 0) this.#pack();
    return this.#spills;
  }

  /** Forgets the calls that have been spilled, and makes room for more. */
  clear(): void {
    this.#cleared = this.calls;
    this.#spills = [];
    this.#packer.reset();
    this.#bucketCalls.clear();
  }

  #pack(): void {
    this.#spills.push(this.#packer.pack(this.#basePosition, this.#bucketCalls));
    this.#bucketCalls.clear();
  }
}
