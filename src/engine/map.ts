/**
 * Map: turns each call of a partition into a key, (user, ordinal within the partition), and a value.
 *
 *   map(call) → (key: (user_id, ordinal), value: (id, usage, called_at))
 *
 * The ordinal is implicit: a user's calls lie in its segment in the order of the log. Reduce knows how many calls came
 * before the partition, and turns ordinals into cycle numbers.
 *
 * Memory is bounded. The kernel appends calls to buckets until its arena is full, and then packs the buckets into a
 * spill. Spills remain in memory until `full` asks the caller to store and clear them. Nothing is allocated per call.
 */

import type { Refusal } from '../billing/call.js';
import { digestText } from '../billing/digest.js';
import { invariant } from '../invariant.js';
import { ARENA_BYTES } from './cuts.js';
import { newKernel, readSum } from './kernel.js';
import { BUCKETS, SPAN_MAX, STOP } from './layout.js';
import { packSpill, type Spill } from './spill.js';

export const SPILL_CALLS_MAX = 2_000_000;
/**
 * Bytes of packed calls at which spills must be stored. Only logs of mostly distinct users with long names reach it.
 */
const PACKED_BYTES_MAX = 24 * 2 ** 20;
/** Packed calls take no more bytes than unpacked ones, except for the head of each bucket. */
const BUCKET_HEAD_BYTES_MAX = 8;

/** A call that violates a limit of src/billing/call.ts. */
export interface RefusedCall {
  id: bigint;
  /** The log's value, even outside the limits. */
  usage: bigint | null;
  refusal: Refusal;
}

export class PartitionMap {
  readonly callsMax: number;
  /** Between two partitions, other work may use the kernel and its arena. */
  readonly kernel = newKernel();
  readonly #arenaBytes: number;
  #basePosition = 0n;
  /** Calls of spills that clear() has removed. */
  #clearedCalls = 0;
  #spills: Spill[] = [];
  #packedBytes = 0;

  /**
   * An arena of the default size holds about 700,000 calls with names of usual length, so the largest partitions take
   * two spills.
   */
  constructor(callsMax: number, arenaBytes = ARENA_BYTES) {
    invariant(callsMax >= 1 && callsMax <= SPILL_CALLS_MAX, `a spill holds 1 to ${SPILL_CALLS_MAX} calls`);
    this.callsMax = callsMax;
    this.kernel.open(arenaBytes, PACKED_BYTES_MAX + arenaBytes + BUCKETS * BUCKET_HEAD_BYTES_MAX);
    this.#arenaBytes = arenaBytes;
  }

  /** Starts a partition of `positions` log positions, at most SPAN_MAX. */
  reset(basePosition: bigint, positions: bigint = SPAN_MAX): void {
    this.#basePosition = basePosition;
    this.kernel.begin(basePosition, positions);
    this.clear();
  }

  /** The arena as memory for a task that is not a map. The view is detached when the kernel's memory grows. */
  get arena(): Uint8Array {
    return new Uint8Array(this.kernel.memory.buffer, this.kernel.arena.value, this.#arenaBytes);
  }

  /** The number of calls taken since reset(). */
  get calls(): number {
    return this.kernel.calls.value >>> 0;
  }

  /** The usage of the calls taken since reset(). */
  get usage(): bigint {
    return readSum(this.kernel, this.kernel.usageTaken);
  }

  /** The digest of the calls taken since reset(), as in billing/digest.ts. */
  get digest(): string {
    return digestText(this.kernel.digest.value);
  }

  /** The log position of the last call that was taken or refused. */
  get lastPosition(): bigint {
    return this.#basePosition + this.kernel.lastOffset.value;
  }

  /** True when the spills must be stored and cleared before the next call. */
  get full(): boolean {
    return this.#callsLeft === 0;
  }

  get #callsLeft(): number {
    return this.#packedBytes >= PACKED_BYTES_MAX ? 0 : this.callsMax - (this.calls - this.#clearedCalls);
  }

  /** Why the last take() stopped: a number of STOP. */
  get stopped(): number {
    return this.kernel.stopped.value;
  }

  /** The id of the call at which the last take() stopped with FULL, REFUSED or DISORDER. */
  get stoppedId(): bigint {
    return this.kernel.stoppedId.value;
  }

  /** The call that the last take() refused; valid if it stopped with REFUSED. */
  get refused(): RefusedCall {
    const { refusedUsage, refusedUsageIsNull, refusal } = this.kernel;
    const usage = refusedUsageIsNull.value === 0 ? refusedUsage.value : null;
    return { id: this.stoppedId, usage, refusal: refusal.value as Refusal };
  }

  /**
   * Takes rows of a COPY of id, usage, called_at and user_id from bytes[at, end), each in a message of its own. Rows of
   * other partitions are skipped. Returns the index where it stopped, and sets `stopped`: FULL and DISORDER stop before
   * a call, REFUSED stops behind one, NO_ROW stops before an incomplete message or one that is not such a row.
   */
  take(bytes: Uint8Array, at: number, end: number): number {
    const kernel = this.kernel;
    const memory = new Uint8Array(kernel.memory.buffer);
    const input = kernel.input.value;
    for (;;) {
      const length = Math.min(end - at, kernel.INPUT_BYTES.value);
      memory.set(bytes.subarray(at, at + length), input);
      at += kernel.take(input, input + length, input + (end - at), this.#callsLeft) - input;
      if (this.stopped !== STOP.FULL || this.full) return at;
      this.#pack();
    }
  }

  /** The spills of all calls taken since clear(), in the order of the log. They are valid until the next clear(). */
  spills(): readonly Spill[] {
    if (this.kernel.held.value !== 0) this.#pack();
    return this.#spills;
  }

  /** Removes the spills and all calls. */
  clear(): void {
    this.#clearedCalls = this.calls;
    this.#spills = [];
    this.#packedBytes = 0;
    this.kernel.clear();
  }

  #pack(): void {
    const spill = packSpill(this.kernel, this.#basePosition, this.kernel.packed.value + this.#packedBytes);
    this.#packedBytes += spill.data.length;
    this.#spills.push(spill);
    this.kernel.clear();
  }
}
