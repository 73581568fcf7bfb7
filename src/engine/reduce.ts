/**
 * Reduce: adds the calls carried in, so that a call's ordinal becomes its cycle number, and sums each cycle.
 *
 *   reduce(user, calls carried in, calls in order) → cycles closed, calls carried out
 *
 * Every `callsPerCycle` calls of a user close a cycle; what is left over is the user's open cycle, carried to the next run.
 * A bucket is folded at a time, user by user: by the kernel (src/engine/wasm/fold.ts).
 */

import { digestText } from '../billing/digest.js';
import { invariant } from '../invariant.js';
import { type Kernel, readSum } from './kernel.js';
import type { Segment } from './segment.js';

/** An open cycle; what is its first call's counts if it has any. Times are microseconds since 2000. */
export interface OpenCycle {
  cycle: bigint;
  calls: number;
  usage: bigint;
  firstCallId: bigint;
  firstCalledAt: bigint;
}

/** What users carry in, asked for in the order in which they come. */
export interface CarriedIn {
  next(): Readonly<OpenCycle> | undefined;
}

// A user in the kernel's memory, as assembly/users.ts has it.
const NEXT = 0;
const NAME_LENGTH = 4;
const CALLS = 24;
const USAGE = 32;
const FIRST_ID = 40;
const FIRST_CALLED_AT = 48;
const CYCLE = 56;
const NAME = 64;

/** A user of the bucket, and the cycle that it has open: where these lie in memory, 64-bit integers as little-endian. */
export class FoldedUser {
  bytes = Buffer.alloc(0);
  view = new DataView(this.bytes.buffer);
  #at = 0;

  /** Another one, or another memory. */
  move(buffer: ArrayBuffer, at: number): void {
    if (buffer !== this.bytes.buffer) {
      this.bytes = Buffer.from(buffer);
      this.view = new DataView(buffer);
    }
    this.#at = at;
  }

  /** To the user that came next; false if there is none. */
  moveOn(): boolean {
    this.#at = this.view.getUint32(this.#at + NEXT, true);
    return this.#at !== 0;
  }

  get nameAt(): number {
    return this.#at + NAME;
  }
  get nameLength(): number {
    return this.view.getUint32(this.#at + NAME_LENGTH, true);
  }
  get calls(): number {
    return this.view.getUint32(this.#at + CALLS, true);
  }
  get cycleAt(): number {
    return this.#at + CYCLE;
  }
  get usageAt(): number {
    return this.#at + USAGE;
  }
  get firstCallIdAt(): number {
    return this.#at + FIRST_ID;
  }
  get firstCalledAtAt(): number {
    return this.#at + FIRST_CALLED_AT;
  }
}

/** Consecutive cycles of one user, closed. Valid until the next ones are. */
export interface CycleBatch {
  firstCycle: number;
  cycles: number;
  /** In the user's memory: five bit strings as COPY takes them: the usages, the ids of first and last calls, and the times of both since 1970. */
  fieldsAt: number;
  fieldsBytes: number;
}

/** Takes closed cycles; must copy what it keeps, and must not wait. */
export type CycleSink = (user: FoldedUser, batch: CycleBatch) => void;

export class BucketFold {
  readonly #kernel: Kernel;
  readonly #callsPerCycle: number;
  readonly #sink: CycleSink;
  readonly #user = new FoldedUser();
  readonly #batch: CycleBatch = { firstCycle: 1, cycles: 0, fieldsAt: 0, fieldsBytes: 0 };
  #carriedIn: CarriedIn | undefined;
  /** What there is of the bucket, and of it the segment that is read, and the next one. */
  #segments: readonly Segment[] = [];
  #bucket = 0;
  #segment: Segment | undefined;
  #next = 0;

  /** Takes the kernel for itself, which must not be in the middle of anything. */
  constructor(kernel: Kernel, callsPerCycle: number, sink: CycleSink) {
    this.#kernel = kernel;
    this.#callsPerCycle = callsPerCycle;
    this.#sink = sink;
    kernel.beginFold(callsPerCycle);
  }

  get calls(): number {
    return Number(this.#kernel.foldedCalls.value);
  }
  get usage(): bigint {
    return readSum(this.#kernel, this.#kernel.foldedUsage);
  }
  get digest(): string {
    return digestText(this.#kernel.foldedDigest.value);
  }
  get cyclesClosed(): bigint {
    return this.#kernel.cyclesClosed.value;
  }
  get billedUsage(): bigint {
    return readSum(this.#kernel, this.#kernel.billedUsage);
  }
  /** Of the buckets that were closed. */
  get openCalls(): bigint {
    return this.#kernel.openCalls.value;
  }
  get openUsage(): bigint {
    return readSum(this.#kernel, this.#kernel.openUsage);
  }
  /** Of the bucket, so far. */
  get users(): number {
    return this.#kernel.users.value;
  }

  /** Forgets the users of the bucket before. */
  clear(): void {
    this.#kernel.clearUsers();
  }

  /**
   * Begins to fold what these segments, in the order of the log, have of a bucket. Users that it has already go on from where they
   * are; `carriedIn` is asked once for each new one.
   */
  begin(segments: readonly Segment[], bucket: number, carriedIn?: CarriedIn): void {
    this.#segments = segments;
    this.#bucket = bucket;
    this.#carriedIn = carriedIn;
    this.#segment = undefined;
    this.#next = 0;
  }

  /** Folds some of the calls that are left; false once there are none. */
  foldNext(): boolean {
    const kernel = this.#kernel;
    this.#readPortion();
    if (this.#carriedIn === undefined) kernel.carryNothingIn();
    else this.#carryIn(this.#carriedIn);
    if (kernel.beginPortion() === 0) return false;
    const user = this.#user;
    const batch = this.#batch;
    while (kernel.foldNext() !== 0) {
      user.move(kernel.memory.buffer, kernel.batchUser.value);
      batch.firstCycle = Number(kernel.batchFirstCycle.value);
      batch.cycles = kernel.batchCycles.value;
      batch.fieldsAt = kernel.fields.value;
      batch.fieldsBytes = kernel.fieldsBytes.value;
      this.#sink(user, batch);
    }
    return true;
  }

  /** Shows each user of the bucket, in the order in which they came, with what it leaves open. */
  close(see: (user: FoldedUser) => void): void {
    const kernel = this.#kernel;
    const user = this.#user;
    kernel.countOpen();
    if (this.users === 0) return;
    user.move(kernel.memory.buffer, kernel.firstUser.value);
    do see(user);
    while (user.moveOn());
  }

  #readPortion(): void {
    const kernel = this.#kernel;
    while (kernel.portionIsFull() === 0) {
      if (this.#segment === undefined) {
        if (this.#next === this.#segments.length) return;
        const segment = this.#segments[this.#next++];
        const start = segment.startOf(this.#bucket);
        const end = segment.startOf(this.#bucket + 1);
        if (start === end) continue;
        if (kernel.beginSegment(start, end, segment.basePosition) === 0) throw segment.malformed();
        this.#segment = segment;
      }
      if (kernel.readCalls() === 0) throw this.#segment.malformed();
      if (kernel.hasCallsLeft() === 0) this.#segment = undefined;
    }
  }

  #carryIn(carriedIn: CarriedIn): void {
    const kernel = this.#kernel;
    while (kernel.hasNewUser() !== 0) {
      const { cycle, calls, usage, firstCallId, firstCalledAt } = carriedIn.next() ?? NOTHING;
      invariant(calls < this.#callsPerCycle, 'an open cycle has fewer calls than a closed one');
      kernel.carryIn(cycle, calls, usage, firstCallId, firstCalledAt);
    }
  }
}

const NOTHING: Readonly<OpenCycle> = { cycle: 1n, calls: 0, usage: 0n, firstCallId: 0n, firstCalledAt: 0n };
