/**
 * Reduce: adds the calls that a user carries in, which turns a call's ordinal into its cycle number, and sums each
 * cycle.
 *
 *   reduce(user, calls carried in, calls in order) → cycles closed, calls carried out
 *
 * Every `callsPerCycle` calls of a user close a cycle. The remaining calls are the user's open cycle, which the next
 * run carries in. Buckets are folded one after another, user by user; the kernel does the work (wasm/fold.ts).
 */

import { digestText } from '../billing/digest.js';
import { invariant } from '../invariant.js';
import { type Kernel, readSum } from './kernel.js';
import { USER } from './layout.js';
import type { Segment } from './segment.js';

/** An open cycle. The first-call fields are meaningful only when `calls > 0`. Times are microseconds since 2000. */
export interface OpenCycle {
  cycle: bigint;
  calls: number;
  usage: bigint;
  firstCallId: bigint;
  firstCalledAt: bigint;
}

/**
 * The open cycles that users carry in, in the order in which a bucket's users first appear; undefined for a user
 * without a history.
 */
export interface CarriedIn {
  next(): Readonly<OpenCycle> | undefined;
}

/**
 * A cursor over the bucket's users in the kernel's memory: the addresses of a user's fields. 64-bit integers are
 * little-endian.
 */
export class FoldedUser {
  bytes = Buffer.alloc(0);
  view = new DataView(this.bytes.buffer);
  #at = 0;

  /** Moves to the user at an address. */
  move(buffer: ArrayBuffer, at: number): void {
    if (buffer !== this.bytes.buffer) {
      this.bytes = Buffer.from(buffer);
      this.view = new DataView(buffer);
    }
    this.#at = at;
  }

  /** Moves to the next user of the bucket; false if there is none. */
  moveOn(): boolean {
    this.#at = this.view.getUint32(this.#at + USER.NEXT, true);
    return this.#at !== 0;
  }

  get nameAt(): number {
    return this.#at + USER.NAME;
  }
  get nameLength(): number {
    return this.view.getUint32(this.#at + USER.NAME_LENGTH, true);
  }
  get calls(): number {
    return this.view.getUint32(this.#at + USER.CALLS, true);
  }
  get cycleAt(): number {
    return this.#at + USER.CYCLE;
  }
  get usageAt(): number {
    return this.#at + USER.USAGE;
  }
  get firstCallIdAt(): number {
    return this.#at + USER.FIRST_ID;
  }
  get firstCalledAtAt(): number {
    return this.#at + USER.FIRST_CALLED_AT;
  }
}

/** Consecutive closed cycles of one user. Valid only during the call of the sink. */
export interface ClosedCycles {
  firstCycle: number;
  cycles: number;
  /**
   * The address and size of five bit strings in COPY's binary format, in the user's memory: usages, ids of the first
   * calls, ids of the last calls, times of the first calls and times of the last calls. Times are microseconds since
   * 1970.
   */
  fieldsAt: number;
  fieldsBytes: number;
}

/** Receives closed cycles. It must copy what it keeps, and must not wait. */
export type CycleSink = (user: FoldedUser, closed: ClosedCycles) => void;

export class BucketFold {
  readonly #kernel: Kernel;
  readonly #callsPerCycle: number;
  readonly #sink: CycleSink;
  readonly #user = new FoldedUser();
  readonly #closed: ClosedCycles = { firstCycle: 1, cycles: 0, fieldsAt: 0, fieldsBytes: 0 };
  #carriedIn: CarriedIn | undefined;
  #bucket = 0;
  #segments: readonly Segment[] = [];
  /** The segment that is being read, and the index of the next one. */
  #segment: Segment | undefined;
  #next = 0;

  /** Takes over the kernel, whose previous work must be finished. */
  constructor(kernel: Kernel, callsPerCycle: number, sink: CycleSink) {
    this.#kernel = kernel;
    this.#callsPerCycle = callsPerCycle;
    this.#sink = sink;
    kernel.beginFold(callsPerCycle);
  }

  /** The number of calls folded, without those carried in. */
  get calls(): number {
    return Number(this.#kernel.foldedCalls.value);
  }
  /** Their usage. */
  get usage(): bigint {
    return readSum(this.#kernel, this.#kernel.foldedUsage);
  }
  /** Their digest, as in billing/digest.ts. */
  get digest(): string {
    return digestText(this.#kernel.foldedDigest.value);
  }
  get cyclesClosed(): bigint {
    return this.#kernel.cyclesClosed.value;
  }
  /** The usage of the closed cycles, calls carried in included. */
  get billedUsage(): bigint {
    return readSum(this.#kernel, this.#kernel.billedUsage);
  }
  /** The calls in the open cycles of the closed buckets. */
  get openCalls(): bigint {
    return this.#kernel.openCalls.value;
  }
  /** The usage in the open cycles of the closed buckets. */
  get openUsage(): bigint {
    return readSum(this.#kernel, this.#kernel.openUsage);
  }
  /** The number of users of the current bucket. */
  get users(): number {
    return this.#kernel.users.value;
  }

  /** Removes the users of the previous bucket. */
  clear(): void {
    this.#kernel.clearUsers();
  }

  /**
   * Adds the users of a bucket, and calls `see` for each new one, in the order in which the fold will ask what it
   * carries in. Folds nothing: begin() must follow before the fold continues.
   */
  listUsers(segments: readonly Segment[], bucket: number, see: (user: FoldedUser) => void): void {
    const kernel = this.#kernel;
    for (const segment of segments) this.#open(segment, bucket);
    if (kernel.newUser.value === 0) return;
    const user = this.#user;
    user.move(kernel.memory.buffer, kernel.newUser.value);
    do see(user);
    while (user.moveOn());
  }

  /**
   * Starts to fold a bucket from these segments, which are in the order of the log. Users that the fold already has
   * continue their open cycles; `carriedIn` is asked once for each new user.
   */
  begin(segments: readonly Segment[], bucket: number, carriedIn?: CarriedIn): void {
    this.#segments = segments;
    this.#bucket = bucket;
    this.#carriedIn = carriedIn;
    this.#segment = undefined;
    this.#next = 0;
  }

  /** Folds one batch of calls; false once all are folded. */
  foldNext(): boolean {
    const kernel = this.#kernel;
    this.#readBatch();
    if (this.#carriedIn === undefined) kernel.carryNothingIn();
    else this.#carryIn(this.#carriedIn);
    if (kernel.sortBatch() === 0) return false;
    const user = this.#user;
    const closed = this.#closed;
    while (kernel.foldNext() !== 0) {
      user.move(kernel.memory.buffer, kernel.closedUser.value);
      closed.firstCycle = Number(kernel.closedFirstCycle.value);
      closed.cycles = kernel.closedCycles.value;
      closed.fieldsAt = kernel.fields.value;
      closed.fieldsBytes = kernel.fieldsBytes.value;
      this.#sink(user, closed);
    }
    return true;
  }

  /** Closes the bucket: calls `see` for each user, in the order of first appearance, with its open cycle. */
  close(see: (user: FoldedUser) => void): void {
    const kernel = this.#kernel;
    const user = this.#user;
    kernel.countOpen();
    if (this.users === 0) return;
    user.move(kernel.memory.buffer, kernel.firstUser.value);
    do see(user);
    while (user.moveOn());
  }

  #readBatch(): void {
    const kernel = this.#kernel;
    while (kernel.batchIsFull() === 0) {
      if (this.#segment === undefined) {
        if (this.#next === this.#segments.length) return;
        const segment = this.#segments[this.#next++];
        if (!this.#open(segment, this.#bucket)) continue;
        this.#segment = segment;
      }
      if (kernel.readCalls() === 0) throw this.#segment.malformed();
      if (kernel.hasCallsLeft() === 0) this.#segment = undefined;
    }
  }

  /** Starts to read a bucket of a segment; false if it has no calls there. */
  #open(segment: Segment, bucket: number): boolean {
    const start = segment.startOf(bucket);
    const end = segment.startOf(bucket + 1);
    if (start === end) return false;
    if (this.#kernel.beginSegment(start, end, segment.basePosition) === 0) throw segment.malformed();
    return true;
  }

  #carryIn(carriedIn: CarriedIn): void {
    const kernel = this.#kernel;
    while (kernel.newUser.value !== 0) {
      const { cycle, calls, usage, firstCallId, firstCalledAt } = carriedIn.next() ?? NO_HISTORY;
      invariant(calls < this.#callsPerCycle, 'an open cycle has fewer calls than a closed one');
      kernel.carryIn(cycle, calls, usage, firstCallId, firstCalledAt);
    }
  }
}

const NO_HISTORY: Readonly<OpenCycle> = { cycle: 1n, calls: 0, usage: 0n, firstCallId: 0n, firstCalledAt: 0n };
