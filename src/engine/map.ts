/**
 * Map: turns each call of a partition into the key (user, ordinal within the partition) and its usage.
 *
 *   map(call) → (key: (user_id, ordinal), value: (id, usage, called_at))
 *
 * Only reduce sees how many calls came before the partition, and makes the cycle number of the ordinal. The ordinal is not
 * written down: calls of a user lie in its segment in their order.
 *
 * Memory is bounded: the kernel (src/engine/wasm) takes calls in by bucket and packs them, one spill after the other, whenever that
 * memory is full. After `callsMax` calls all spills are to be taken away. Nothing is allocated per call.
 */

import { digestText } from '../billing/digest.js';
import { invariant } from '../invariant.js';
import { ARENA_BYTES, SPAN_MAX } from './cuts.js';
import { newKernel, readSum } from './kernel.js';
import { BUCKETS } from './segment.js';
import { packSpill, type Spill } from './spill.js';

/** Why take() came no further; undefined: it has taken what there was. */
export type Stop = 'bad call' | 'disorder' | 'full' | undefined;

/** By the numbers that the kernel has for them (src/engine/wasm/take.ts). */
const STOPS: readonly Stop[] = [undefined, 'full', 'bad call', 'disorder'];

export const SPILL_CALLS_MAX = 2_000_000;
/** Of packed calls, beyond which no more are taken: more than there are, unless most calls have a user of their own with a long name. */
const PACKED_BYTES_MAX = 24 * 2 ** 20;
/** Calls take no more when they are packed, but for the head of each bucket. */
const BUCKET_HEAD_BYTES_MAX = 8;

export class PartitionMap {
  readonly callsMax: number;
  readonly #arenaBytes: number;
  #basePosition = 0n;
  /** Calls whose spills have been taken away. */
  #cleared = 0;
  #spills: Spill[] = [];
  /** Free for other work between two partitions, and so is its arena. */
  readonly kernel = newKernel();
  #packedBytes = 0;

  /** Some 700,000 calls fit into the arena, with names of usual length: the largest partitions take two spills. */
  constructor(callsMax: number, arenaBytes = ARENA_BYTES) {
    invariant(callsMax >= 1 && callsMax <= SPILL_CALLS_MAX, `a spill holds 1 to ${SPILL_CALLS_MAX} calls`);
    this.callsMax = callsMax;
    this.kernel.open(arenaBytes, PACKED_BYTES_MAX + arenaBytes + BUCKETS * BUCKET_HEAD_BYTES_MAX);
    this.#arenaBytes = arenaBytes;
  }

  /** Begins a partition of so many positions, SPAN_MAX at most. */
  reset(basePosition: bigint, positions: bigint = SPAN_MAX): void {
    this.#basePosition = basePosition;
    this.kernel.begin(basePosition, positions);
    this.clear();
  }

  /** Where a task that is no map may have what it likes; a view that is lost when the kernel's memory grows. */
  get arena(): Uint8Array {
    return new Uint8Array(this.kernel.memory.buffer, this.kernel.arena.value, this.#arenaBytes);
  }

  /** Of the calls taken. */
  get calls(): number {
    return this.kernel.calls.value >>> 0;
  }

  get usage(): bigint {
    return readSum(this.kernel, this.kernel.usageTaken);
  }

  /** As digest.ts has it. */
  get digest(): string {
    return digestText(this.kernel.digest.value);
  }

  /** The log position of the call taken, or passed over, last. */
  get lastPosition(): bigint {
    return this.#basePosition + this.kernel.lastOffset.value;
  }

  /** True when spills must be taken away before the next call. */
  get full(): boolean {
    return this.#callsLeft === 0;
  }

  get #callsLeft(): number {
    return this.#packedBytes >= PACKED_BYTES_MAX ? 0 : this.callsMax - (this.calls - this.#cleared);
  }

  /** Of the last take(). */
  get stopped(): Stop {
    return STOPS[this.kernel.stopped.value];
  }

  /**
   * Takes rows of a COPY of id, user_id, usage and called_at that lie whole in bytes[at, end), each in a message of its own, and the first
   * one does. Those of other partitions are passed over. Returns where it has stopped; `stopped` tells why, if there is a reason.
   */
  take(bytes: Uint8Array, at: number, end: number): number {
    const kernel = this.kernel;
    const memory = new Uint8Array(kernel.memory.buffer);
    const input = kernel.input.value;
    for (;;) {
      const length = Math.min(end - at, kernel.INPUT_BYTES.value);
      memory.set(bytes.subarray(at, at + length), input);
      at += kernel.take(input, input + length, this.#callsLeft) - input;
      if (this.stopped !== 'full' || this.full) return at;
      this.#pack();
    }
  }

  /** Passes over a call that is not to be taken. */
  pass(position: bigint): void {
    this.kernel.pass(position);
  }

  /** The calls taken since the map was cleared, in their order; valid until it is again. */
  spills(): readonly Spill[] {
    if (this.kernel.held.value !== 0) this.#pack();
    return this.#spills;
  }

  /** Forgets the calls that have been spilled, and makes room for more. */
  clear(): void {
    this.#cleared = this.calls;
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
