/**
 * Reduce: adds the calls carried in, so that a call's ordinal becomes its cycle number, and sums each cycle.
 *
 *   reduce(user, calls carried in, calls in order) → cycles closed, calls carried out
 *
 * Every `callsPerCycle` calls of a user close a cycle; what is left over is the user's open cycle, carried to the next run.
 * Segments are merged by (hash, bytes) of the user; within a user by partition and spill, which is the order of the log.
 */
import { Digest } from './digest.js';
import { CARRY, ExactSum } from './exact-sum.js';
import { invariant } from './invariant.js';
import { compareUsers, type SegmentCursor, SegmentError, unzigzag } from './segment.js';

/** Cycles of one packed billing record: five arrays of it and a user of usual length are just under half a page. */
export const RECORD_CYCLES_MAX = 96;

/** An open cycle. 64-bit values as halves; first call and time are those of its first call, if it has any. */
export interface OpenCycle {
  nextCycle: number;
  calls: number;
  usageHi: number;
  usageLo: number;
  firstCallIdHi: number;
  firstCallIdLo: number;
  firstCalledAt: number;
}

const NOTHING_CARRIED_IN: Readonly<OpenCycle> = {
  nextCycle: 1,
  calls: 0,
  usageHi: 0,
  usageLo: 0,
  firstCallIdHi: 0,
  firstCallIdLo: 0,
  firstCalledAt: 0,
};

/** Up to RECORD_CYCLES_MAX closed cycles of one user. 64-bit values as pairs of halves, high first; times in µs since 2000. */
export interface CycleBatch {
  firstCycle: number;
  cycles: number;
  readonly usages: Int32Array;
  readonly firstCallIds: Int32Array;
  readonly lastCallIds: Int32Array;
  readonly firstCalledAts: Float64Array;
  readonly lastCalledAts: Float64Array;
}

/** 2^52, the unit of carries, in the high half of a 64-bit integer. */
const CARRY_HI = CARRY / 4294967296;

/** Takes closed cycles; must copy what it keeps, and must not wait. */
export type CycleSink = (user: SegmentCursor, batch: CycleBatch) => void;

// Where an open cycle has what; its usage is USAGE_CARRIES × 2^52 + USAGE_REST.
const CALLS = 0;
const USAGE_REST = 1;
const USAGE_CARRIES = 2;
const FIRST_ID_HI = 3;
const FIRST_ID_LO = 4;
const FIRST_CALLED_AT = 5;

export class CycleFold {
  readonly digest = new Digest();
  readonly usage = new ExactSum();
  readonly billedUsage = new ExactSum();
  calls = 0;
  cyclesClosed = 0;

  readonly #callsPerCycle: number;
  readonly #sink: CycleSink;
  #user: SegmentCursor | undefined;

  /** The open cycle of the current user, as doubles; fields that are whole numbers first, and others later, V8 reads slowly. */
  readonly #open = new Float64Array(6);

  /** Closed cycles of the current user that the sink has not seen yet. */
  readonly #closed: CycleBatch = {
    firstCycle: 1,
    cycles: 0,
    usages: new Int32Array(2 * RECORD_CYCLES_MAX),
    firstCallIds: new Int32Array(2 * RECORD_CYCLES_MAX),
    lastCallIds: new Int32Array(2 * RECORD_CYCLES_MAX),
    firstCalledAts: new Float64Array(RECORD_CYCLES_MAX),
    lastCalledAts: new Float64Array(RECORD_CYCLES_MAX),
  };
  readonly #carriedOut: OpenCycle = { ...NOTHING_CARRIED_IN };

  constructor(callsPerCycle: number, sink: CycleSink) {
    this.#callsPerCycle = callsPerCycle;
    this.#sink = sink;
  }

  /** Begins the user at which the cursor stands, with what was carried in. */
  beginUser(user: SegmentCursor, carriedIn: Readonly<OpenCycle> = NOTHING_CARRIED_IN): void {
    invariant(carriedIn.calls < this.#callsPerCycle, 'an open cycle has fewer calls than a closed one');
    this.#user = user;
    this.#closed.firstCycle = carriedIn.nextCycle;
    const open = this.#open;
    open[CALLS] = carriedIn.calls;
    open[USAGE_CARRIES] = Math.floor(carriedIn.usageHi / CARRY_HI);
    open[USAGE_REST] = (carriedIn.usageHi % CARRY_HI) * 4294967296 + (carriedIn.usageLo >>> 0);
    open[FIRST_ID_HI] = carriedIn.firstCallIdHi;
    open[FIRST_ID_LO] = carriedIn.firstCallIdLo;
    open[FIRST_CALLED_AT] = carriedIn.firstCalledAt;
  }

  /** Folds the calls of the cursor's current user, which must be the one begun. */
  take(cursor: SegmentCursor): void {
    const { reader, baseHi, hashHi, hashLo } = cursor;
    const { digest, usage: usageSum } = this;
    const callsPerCycle = this.#callsPerCycle;
    const open = this.#open;
    let openCalls = open[CALLS];
    let usageRest = open[USAGE_REST];
    let offset = cursor.baseLo;
    let calledAt = 0;
    for (let left = cursor.calls; left > 0; left--) {
      offset += reader.next();
      const usage = reader.next();
      calledAt += unzigzag(reader.next());

      let idHi = baseHi;
      let idLo = offset;
      if (offset >= 4294967296) {
        const over = Math.floor(offset / 4294967296);
        idHi += over;
        idLo = offset - over * 4294967296;
      }
      idLo |= 0;
      const usageHi = usage < 4294967296 ? 0 : Math.floor(usage / 4294967296);
      digest.add(hashHi, hashLo, idHi, idLo, usageHi, (usage - usageHi * 4294967296) | 0);
      usageSum.add(usage);

      if (openCalls === 0) {
        open[FIRST_ID_HI] = idHi;
        open[FIRST_ID_LO] = idLo;
        open[FIRST_CALLED_AT] = calledAt;
      }
      usageRest += usage;
      if (usageRest >= CARRY) {
        usageRest -= CARRY;
        open[USAGE_CARRIES]++;
      }
      if (++openCalls === callsPerCycle) {
        this.#closeCycle(usageRest, idHi, idLo, calledAt);
        openCalls = 0;
        usageRest = 0;
      }
    }
    open[CALLS] = openCalls;
    open[USAGE_REST] = usageRest;
    this.calls += cursor.calls;
    if (reader.at !== cursor.bodyEnd)
      throw new SegmentError('the calls of a user do not fill its place in the segment');
  }

  /** Ends the user: hands over its last closed cycles. What is left open is valid until the next user ends. */
  endUser(): Readonly<OpenCycle> {
    this.#flush();
    const open = this.#open;
    const out = this.#carriedOut;
    const usageRest = open[USAGE_REST];
    const over = Math.floor(usageRest / 4294967296);
    out.nextCycle = this.#closed.firstCycle;
    out.calls = open[CALLS];
    out.usageHi = open[USAGE_CARRIES] * CARRY_HI + over;
    out.usageLo = (usageRest - over * 4294967296) | 0;
    out.firstCallIdHi = open[FIRST_ID_HI];
    out.firstCallIdLo = open[FIRST_ID_LO];
    out.firstCalledAt = open[FIRST_CALLED_AT];
    return out;
  }

  #closeCycle(usageRest: number, lastIdHi: number, lastIdLo: number, lastCalledAt: number): void {
    const open = this.#open;
    const closed = this.#closed;
    const cycle = closed.cycles++;
    const over = Math.floor(usageRest / 4294967296);
    closed.usages[2 * cycle] = open[USAGE_CARRIES] * CARRY_HI + over;
    closed.usages[2 * cycle + 1] = usageRest - over * 4294967296;
    closed.firstCallIds[2 * cycle] = open[FIRST_ID_HI];
    closed.firstCallIds[2 * cycle + 1] = open[FIRST_ID_LO];
    closed.lastCallIds[2 * cycle] = lastIdHi;
    closed.lastCallIds[2 * cycle + 1] = lastIdLo;
    closed.firstCalledAts[cycle] = open[FIRST_CALLED_AT];
    closed.lastCalledAts[cycle] = lastCalledAt;

    this.cyclesClosed++;
    this.billedUsage.add(usageRest);
    for (; open[USAGE_CARRIES] > 0; open[USAGE_CARRIES]--) this.billedUsage.carry();
    if (closed.cycles === RECORD_CYCLES_MAX) this.#flush();
  }

  #flush(): void {
    const closed = this.#closed;
    if (closed.cycles === 0) return;
    this.#sink(this.#user!, closed);
    closed.firstCycle += closed.cycles;
    closed.cycles = 0;
  }
}

/**
 * Merges segments: yields each user once, in the order of (hash, bytes), with the cursors that stand at it, in the order in
 * which they were given. A binary heap of cursors, so that thousands of segments cost log2 of it a user.
 */
export class SegmentMerge {
  readonly #heap: SegmentCursor[] = [];
  readonly #rank = new Map<SegmentCursor, number>();
  readonly #group: SegmentCursor[] = [];

  constructor(cursors: readonly SegmentCursor[]) {
    for (const cursor of cursors) {
      this.#rank.set(cursor, this.#rank.size);
      if (!cursor.done) this.#push(cursor);
    }
  }

  /** The cursors at the next user, or an empty list at the end. They may be read until the next call, which moves them on. */
  nextUser(): readonly SegmentCursor[] {
    for (const cursor of this.#group) {
      cursor.nextUser();
      if (!cursor.done) this.#push(cursor);
    }
    this.#group.length = 0;
    let cursor = this.#pop();
    while (cursor !== undefined) {
      this.#group.push(cursor);
      const next = this.#heap[0];
      if (next === undefined || compareUsers(next, cursor) !== 0) break;
      cursor = this.#pop();
    }
    return this.#group;
  }

  #before(a: SegmentCursor, b: SegmentCursor): boolean {
    const order = compareUsers(a, b);
    return order === 0 ? this.#rank.get(a)! < this.#rank.get(b)! : order < 0;
  }

  #push(cursor: SegmentCursor): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(cursor);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!this.#before(cursor, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = cursor;
  }

  #pop(): SegmentCursor | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1], heap[child])) child++;
      if (!this.#before(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
