/**
 * The reduce activity: folds the segments of a shard, adds the calls that users carry in, closes cycles, and writes
 * billing records and open cycles.
 *
 * A shard is folded bucket by bucket, in passes of bounded memory (cutPasses in engine/cuts.ts). The open cycles that
 * users carry in are looked up for several buckets at a time, before these are folded.
 */

import type { ApplicationFailure } from '@temporalio/common';
import type { ReduceOutcome } from '../billing/proof.js';
import type { DoneTask, SegmentsLost } from '../contract/activities.js';
import { type BucketRange, cutPasses, type Pass } from '../engine/cuts.js';
import { BucketFold, type OpenCycle } from '../engine/reduce.js';
import type { Segment } from '../engine/segment.js';
import { appendOpenCycle, OPEN_CYCLES_COPY, openCycleAt, readOpenCycles } from '../ledger/open-cycles.js';
import { appendRecord, RECORDS_COPY } from '../ledger/records.js';
import { copyIn } from '../postgres/copy/copy-in.js';
import type { RowBuffer } from '../postgres/copy/row-buffer.js';
import { TextArray } from '../postgres/copy/text-array.js';
import type { Client, Pool } from '../postgres/pool.js';
import type { LockedRun } from '../runs/run.js';
import { type PassReader, readSpillIndexes } from '../runs/segments.js';
import type { TaskProgress } from './heartbeat.js';
import type { TaskMemories, TaskMemory } from './memory.js';
import { type ActivityDependencies, doneBy, runTask, type TaskRequest } from './task.js';

const USERS_PER_LOOKUP = 4096;

export function createReduce(dependencies: ActivityDependencies, memories: TaskMemories) {
  const { passBytes } = dependencies.settings;

  async function reduceShard(input: TaskRequest): Promise<DoneTask<ReduceOutcome> | SegmentsLost> {
    try {
      return await reduce(input);
    } catch (error) {
      if ((error as ApplicationFailure).type !== 'SegmentsLostError') throw error;
      return { ...doneBy(), segmentsLost: (error as ApplicationFailure).message };
    }
  }

  function reduce(input: TaskRequest): Promise<DoneTask<ReduceOutcome>> {
    return runTask<ReduceOutcome>(dependencies, 'reduce', input, async ({ client, run, task, progress }) => {
      const shard = { first: task.first_bucket, end: task.end_bucket };
      const spills = await readSpillIndexes(client, run.runId, shard);
      return memories.lend(async (memory) => {
        const reduction = new ShardReduction(memory, client, dependencies.pool, run, progress);
        for (const pass of cutPasses(spills, shard, passBytes)) await reduction.fold(pass);
        return reduction.outcome();
      });
    });
  }

  return { reduceShard };
}

/** Reduces one shard, in the transaction of its task. */
class ShardReduction {
  readonly #client: Client;
  readonly #run: LockedRun;
  readonly #progress: TaskProgress;
  readonly #runId: number;
  readonly #passes: PassReader;
  readonly #records: RowBuffer;
  readonly #openCycles: RowBuffer;
  readonly #fold: BucketFold;
  /** Undefined in the first run, which has nothing to look up. */
  readonly #carriedIn: CarriedIn | undefined;
  #segments: readonly Segment[] = [];
  #bucket = 0;
  /** True while the bucket is being folded. */
  #begun = false;
  /** True if the previous pass folded other calls of the same bucket. */
  #continues = false;
  #users = 0;

  constructor(
    { map, passes, rows, openCycles }: TaskMemory,
    client: Client,
    pool: Pool,
    run: LockedRun,
    progress: TaskProgress,
  ) {
    this.#passes = passes;
    this.#records = rows;
    this.#openCycles = openCycles;
    this.#client = client;
    this.#run = run;
    this.#progress = progress;
    this.#runId = Number(run.runId);
    this.#fold = new BucketFold(map.kernel, run.callsPerCycle, (user, closed) =>
      appendRecord(this.#records, this.#runId, user, closed),
    );
    if (run.previousRunId !== undefined) this.#carriedIn = new CarriedIn(pool, run.previousRunId, this.#fold);
  }

  /** Folds one pass. Writes all its records by one COPY, then all its open cycles by another. */
  async fold(pass: Pass): Promise<void> {
    this.#segments = await this.#passes.open(this.#client, this.#run.runId, pass);
    this.#bucket = pass.buckets.first;
    this.#carriedIn?.begin(this.#segments, pass.buckets, this.#continues);
    const copy = await copyIn(this.#client, RECORDS_COPY);
    while (this.#foldBuckets(pass)) {
      this.#progress.calls = this.#fold.calls;
      if (this.#carriedIn?.has(this.#bucket) === false) await this.#carriedIn.lookUp();
      if (this.#records.ready) await this.#records.drain(copy);
    }
    await this.#records.finish(copy);
    this.#continues = !pass.lastOfBuckets;
    if (pass.lastOfBuckets) await this.#openCycles.finish(await copyIn(this.#client, OPEN_CYCLES_COPY));
  }

  /**
   * Folds buckets until a lookup or the socket must be awaited; false at the end of the pass. Separate from fold(),
   * because V8 does not optimise a loop in an async function while it runs.
   */
  #foldBuckets({ buckets, lastOfBuckets }: Pass): boolean {
    const fold = this.#fold;
    while (!this.#records.ready) {
      if (!this.#begun) {
        if (this.#bucket === buckets.end) return false;
        if (this.#carriedIn?.has(this.#bucket) === false) return true;
        if (!this.#continues) fold.clear();
        fold.begin(this.#segments, this.#bucket, this.#carriedIn);
        this.#begun = true;
      }
      if (fold.foldNext()) continue;
      if (lastOfBuckets) this.#closeUsers();
      this.#begun = false;
      this.#bucket++;
    }
    return true;
  }

  outcome(): ReduceOutcome {
    return {
      calls: String(this.#fold.calls),
      usage: String(this.#fold.usage),
      digest: this.#fold.digest,
      users: String(this.#users),
      cycles: String(this.#fold.cyclesClosed),
      billedUsage: String(this.#fold.billedUsage),
      carriedInCalls: String(this.#carriedIn?.calls ?? 0),
      carriedInUsage: String(this.#carriedIn?.usage ?? 0n),
      carriedOutCalls: String(this.#fold.openCalls),
      carriedOutUsage: String(this.#fold.openUsage),
    };
  }

  #closeUsers(): void {
    this.#users += this.#fold.users;
    this.#fold.close((user) => appendOpenCycle(this.#openCycles, this.#runId, user));
  }
}

/** Looks up what users carry in, for the next buckets of a pass, about USERS_PER_LOOKUP users at a time. */
class CarriedIn {
  calls = 0;
  usage = 0n;
  readonly #pool: Pool;
  readonly #previousRunId: bigint;
  readonly #fold: BucketFold;
  readonly #names = new TextArray();
  #segments: readonly Segment[] = [];
  /** True if the fold already has users of the pass's first bucket, which were looked up in the previous pass. */
  #continues = false;
  /** The first bucket that is not looked up yet, and the end of the pass. */
  #bucket = 0;
  #end = 0;
  /** The results of the last lookup, and the index of the next user in them. */
  #openCycles: BigInt64Array = new BigInt64Array(0);
  #user = 0;

  constructor(pool: Pool, previousRunId: bigint, fold: BucketFold) {
    this.#pool = pool;
    this.#previousRunId = previousRunId;
    this.#fold = fold;
  }

  /** Starts a pass. A pass that continues a bucket has no other bucket. */
  begin(segments: readonly Segment[], { first, end }: BucketRange, continues: boolean): void {
    this.#segments = segments;
    this.#bucket = first;
    this.#end = end;
    this.#continues = continues;
  }

  /** True if the users of a bucket are looked up. */
  has(bucket: number): boolean {
    return bucket < this.#bucket || bucket === this.#end;
  }

  /**
   * Reads the open cycles of the next users, on a connection of its own: the task's connection is in the middle of a
   * COPY. No bucket may be in progress, because the fold lists the users.
   */
  async lookUp(): Promise<void> {
    const names = this.#names;
    names.clear();
    while (names.length < USERS_PER_LOOKUP && this.#bucket < this.#end) {
      if (!this.#continues) this.#fold.clear();
      this.#fold.listUsers(this.#segments, this.#bucket, ({ bytes, nameAt, nameLength }) =>
        names.push(bytes, nameAt, nameLength),
      );
      this.#bucket++;
    }
    this.#openCycles = await readOpenCycles(this.#pool, names, this.#previousRunId);
    this.#user = 0;
  }

  next(): OpenCycle | undefined {
    const open = openCycleAt(this.#openCycles, this.#user++);
    if (open !== undefined && open.calls > 0) {
      this.calls += open.calls;
      this.usage += open.usage;
    }
    return open;
  }
}
