/**
 * Reduce: adds the calls carried in, so that a call's ordinal becomes its cycle number, and sums each cycle.
 *
 *   reduce(user, calls carried in, calls in order) → cycles closed, calls carried out
 *
 * Every `callsPerCycle` calls of a user close a cycle; what is left over is the user's open cycle, carried to the next run.
 * A bucket is folded at a time, user by user (portion.ts).
 */
import type { BucketUsers } from './bucket-users.js';
import { Digest } from './digest.js';
import { CARRY, ExactSum } from './exact-sum.js';
import { grown } from './grown.js';
import { Hash64 } from './hash.js';
import { invariant } from './invariant.js';
import { Portion } from './portion.js';
import type { Segment } from './segment.js';

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
export type CycleSink = (users: BucketUsers, user: number, batch: CycleBatch) => void;

/** What users carry in, asked for in the order in which they come. */
export interface CarriedIn {
  next(): Readonly<OpenCycle> | undefined;
}

// An open cycle, in doubles; its usage is USAGE_CARRIES × 2^52 + USAGE_REST.
const CALLS = 0;
const USAGE_REST = 1;
const USAGE_CARRIES = 2;
const FIRST_ID_HI = 3;
const FIRST_ID_LO = 4;
const FIRST_CALLED_AT = 5;
const NEXT_CYCLE = 6;
/** The high half of its user's hash. */
const HASH_HI = 7;
const FIELDS = 8;

const USERS_MIN = 256;

export class BucketFold {
  readonly digest = new Digest();
  readonly usage = new ExactSum();
  readonly billedUsage = new ExactSum();
  calls = 0;
  cyclesClosed = 0;
  /** Of the bucket, so far. */
  readonly users: BucketUsers;

  readonly #callsPerCycle: number;
  readonly #sink: CycleSink;
  readonly #hash = new Hash64();
  readonly #portion = new Portion();
  #carriedIn: CarriedIn | undefined;
  #open = new Float64Array(USERS_MIN * FIELDS);
  /** Of how many users there is an open cycle. */
  #begun = 0;

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

  constructor(callsPerCycle: number, sink: CycleSink) {
    this.#callsPerCycle = callsPerCycle;
    this.#sink = sink;
    this.users = this.#portion.users;
  }

  /** Forgets the users of the bucket before. */
  clear(): void {
    this.users.clear();
    this.#begun = 0;
  }

  /**
   * Begins to fold what these segments, in the order of the log, have of a bucket. Users that it has already go on from where they
   * are; `carriedIn` is asked once for each new one.
   */
  begin(segments: readonly Segment[], bucket: number, carriedIn?: CarriedIn): void {
    this.#portion.begin(segments, bucket);
    this.#carriedIn = carriedIn;
  }

  /** Folds some of the calls that are left; false once there are none. */
  foldNext(): boolean {
    const calls = this.#portion.read();
    const { ends, users } = this.#portion;
    for (; this.#begun < users.count; this.#begun++) {
      this.#beginUser(this.#begun, this.#carriedIn?.next() ?? NOTHING_CARRIED_IN);
    }
    if (calls === 0) return false;
    for (let user = 0, from = 0; user < users.count; user++) {
      const end = ends[user];
      if (end > from) this.#foldUser(user, from, end);
      from = end;
    }
    this.calls += calls;
    return true;
  }

  /** What a user has left open. */
  leftOpen(user: number): OpenCycle {
    const open = this.#open;
    const at = user * FIELDS;
    const usageRest = open[at + USAGE_REST];
    const over = Math.floor(usageRest / 4294967296);
    return {
      nextCycle: open[at + NEXT_CYCLE],
      calls: open[at + CALLS],
      usageHi: open[at + USAGE_CARRIES] * CARRY_HI + over,
      usageLo: (usageRest - over * 4294967296) | 0,
      firstCallIdHi: open[at + FIRST_ID_HI],
      firstCallIdLo: open[at + FIRST_ID_LO],
      firstCalledAt: open[at + FIRST_CALLED_AT],
    };
  }

  #beginUser(user: number, carriedIn: Readonly<OpenCycle>): void {
    invariant(carriedIn.calls < this.#callsPerCycle, 'an open cycle has fewer calls than a closed one');
    if ((user + 1) * FIELDS > this.#open.length) {
      this.#open = grown(new Float64Array(2 * this.#open.length), this.#open);
    }
    const open = this.#open;
    const at = user * FIELDS;
    open[at + CALLS] = carriedIn.calls;
    open[at + USAGE_CARRIES] = Math.floor(carriedIn.usageHi / CARRY_HI);
    open[at + USAGE_REST] = (carriedIn.usageHi % CARRY_HI) * 4294967296 + (carriedIn.usageLo >>> 0);
    open[at + FIRST_ID_HI] = carriedIn.firstCallIdHi;
    open[at + FIRST_ID_LO] = carriedIn.firstCallIdLo;
    open[at + FIRST_CALLED_AT] = carriedIn.firstCalledAt;
    open[at + NEXT_CYCLE] = carriedIn.nextCycle;
    const { users } = this;
    this.#hash.bytes(users.view, users.startOf(user), users.lengthOf(user));
    open[at + HASH_HI] = this.#hash.hi;
  }

  #foldUser(user: number, from: number, end: number): void {
    const { digest, usage: usageSum } = this;
    const callsPerCycle = this.#callsPerCycle;
    const { order, usage: usageOf, idHi: idHiOf, idLo: idLoOf, calledAt } = this.#portion;
    const open = this.#open;
    const at = user * FIELDS;
    const hashHi = open[at + HASH_HI];
    const hashLo = this.users.hashLo(user);
    this.#closed.firstCycle = open[at + NEXT_CYCLE];
    let openCalls = open[at + CALLS];
    let usageRest = open[at + USAGE_REST];
    for (let i = from; i < end; i++) {
      const call = order[i];
      const usage = usageOf[call];
      const idHi = idHiOf[call];
      const idLo = idLoOf[call];
      const usageHi = usage < 4294967296 ? 0 : Math.floor(usage / 4294967296);
      digest.add(hashHi, hashLo, idHi, idLo, usageHi, (usage - usageHi * 4294967296) | 0);
      usageSum.add(usage);

      if (openCalls === 0) {
        open[at + FIRST_ID_HI] = idHi;
        open[at + FIRST_ID_LO] = idLo;
        open[at + FIRST_CALLED_AT] = calledAt[call];
      }
      usageRest += usage;
      if (usageRest >= CARRY) {
        usageRest -= CARRY;
        open[at + USAGE_CARRIES]++;
      }
      if (++openCalls === callsPerCycle) {
        this.#closeCycle(user, usageRest, call);
        openCalls = 0;
        usageRest = 0;
      }
    }
    open[at + CALLS] = openCalls;
    open[at + USAGE_REST] = usageRest;
    this.#flush(user);
    open[at + NEXT_CYCLE] = this.#closed.firstCycle;
  }

  #closeCycle(user: number, usageRest: number, lastCall: number): void {
    const { idHi, idLo, calledAt } = this.#portion;
    const open = this.#open;
    const at = user * FIELDS;
    const closed = this.#closed;
    const cycle = closed.cycles++;
    const over = Math.floor(usageRest / 4294967296);
    closed.usages[2 * cycle] = open[at + USAGE_CARRIES] * CARRY_HI + over;
    closed.usages[2 * cycle + 1] = usageRest - over * 4294967296;
    closed.firstCallIds[2 * cycle] = open[at + FIRST_ID_HI];
    closed.firstCallIds[2 * cycle + 1] = open[at + FIRST_ID_LO];
    closed.lastCallIds[2 * cycle] = idHi[lastCall];
    closed.lastCallIds[2 * cycle + 1] = idLo[lastCall];
    closed.firstCalledAts[cycle] = open[at + FIRST_CALLED_AT];
    closed.lastCalledAts[cycle] = calledAt[lastCall];

    this.cyclesClosed++;
    this.billedUsage.add(usageRest);
    for (; open[at + USAGE_CARRIES] > 0; open[at + USAGE_CARRIES]--) this.billedUsage.carry();
    if (closed.cycles === RECORD_CYCLES_MAX) this.#flush(user);
  }

  #flush(user: number): void {
    const closed = this.#closed;
    if (closed.cycles === 0) return;
    this.#sink(this.users, user, closed);
    closed.firstCycle += closed.cycles;
    closed.cycles = 0;
  }
}
