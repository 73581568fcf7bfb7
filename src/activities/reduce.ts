/**
 * Reduce: folds a shard's segments, adds what each user carried in, closes cycles, and writes billing records and open cycles.
 *
 * The shard is folded bucket by bucket, in passes of bounded memory (see cutPasses). Users with a history are looked up in blocks by a
 * scout, which reads the names in the buckets that come next.
 */

import type { ApplicationFailure } from '@temporalio/common';
import type { ReduceOutcome } from '../billing/proof.js';
import type { DoneTask, SegmentsLost } from '../contract/activities.js';
import { type Buckets, cutPasses, type Pass } from '../engine/cuts.js';
import { BucketFold, type OpenCycle } from '../engine/reduce.js';
import type { Segment } from '../engine/segment.js';
import { appendOpenCycle, OPEN_CYCLES_COPY, openCycleAt, readOpenCycles } from '../ledger/open-cycles.js';
import { appendRecord, RECORDS_COPY } from '../ledger/records.js';
import { copyIn } from '../postgres/copy/copy-in.js';
import type { RowBuffer } from '../postgres/copy/row-buffer.js';
import type { Client, Pool } from '../postgres/pool.js';
import type { LockedRun } from '../runs/run.js';
import { type PassReader, readSlices } from '../runs/segments.js';
import type { TaskMemories, TaskMemory } from './memory.js';
import { type ActivityDependencies, doneBy, runTask, type TaskProgress, type TaskRequest } from './task.js';

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
      const slices = await readSlices(client, run.runId, shard);
      return memories.lend(async (memory) => {
        const reduction = new ShardReduction(memory, client, dependencies.pool, run, progress);
        for (const pass of cutPasses(slices, shard, passBytes)) await reduction.fold(pass);
        return reduction.outcome();
      });
    });
  }

  return { reduceShard };
}

class ShardReduction {
  readonly #client: Client;
  readonly #run: LockedRun;
  readonly #progress: TaskProgress;
  readonly #runId: number;
  readonly #passes: PassReader;
  readonly #records: RowBuffer;
  readonly #openCycles: RowBuffer;
  readonly #fold: BucketFold;
  /** Undefined without an earlier run: there is nothing to look up. */
  readonly #carriedIn: CarriedIn | undefined;
  #segments: readonly Segment[] = [];
  #bucket = 0;
  #begun = false;
  /** The pass before has folded other calls of the same bucket. */
  #goesOn = false;
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
    if (run.previousRunId !== undefined) this.#carriedIn = new CarriedIn(pool, run.previousRunId);
    this.#fold = new BucketFold(map.kernel, run.callsPerCycle, (user, batch) =>
      appendRecord(this.#records, this.#runId, user, batch),
    );
  }

  /** Folds one pass: all its records go out by one COPY, then all its open cycles by another. */
  async fold(pass: Pass): Promise<void> {
    this.#segments = await this.#passes.open(this.#client, this.#run.runId, pass);
    this.#bucket = pass.buckets.first;
    this.#carriedIn?.begin(this.#segments, pass.buckets, this.#goesOn);
    const copy = await copyIn(this.#client, RECORDS_COPY);
    while (this.#foldBuckets(pass)) {
      this.#progress.calls = this.#fold.calls;
      if (this.#carriedIn?.has(this.#bucket) === false) await this.#carriedIn.lookUp();
      if (this.#records.ready) await this.#records.drain(copy);
    }
    await this.#records.finish(copy);
    this.#goesOn = !pass.lastOfBuckets;
    if (pass.lastOfBuckets) await this.#openCycles.finish(await copyIn(this.#client, OPEN_CYCLES_COPY));
  }

  /** Folds buckets until there is something to wait for; false at the end. Not a part of fold(): V8 compiles no loop of an async function while it runs. */
  #foldBuckets({ buckets, lastOfBuckets }: Pass): boolean {
    const fold = this.#fold;
    while (!this.#records.ready) {
      if (!this.#begun) {
        if (this.#bucket === buckets.end) return false;
        if (this.#carriedIn?.has(this.#bucket) === false) return true;
        if (!this.#goesOn) fold.clear();
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

/** What users carry in, looked up for the buckets of a pass some thousand users at a time. */
class CarriedIn {
  calls = 0;
  usage = 0n;
  readonly #pool: Pool;
  readonly #previousRunId: bigint;
  /** Users of the bucket whose users were looked up last. */
  readonly #users = new Set<string>();
  #segments: readonly Segment[] = [];
  #goesOn = false;
  /** The bucket whose users are looked up next. */
  #bucket = 0;
  #end = 0;
  /** Of the users that were looked up last, and which of them comes next. */
  #openCycles: BigInt64Array = new BigInt64Array(0);
  #user = 0;

  constructor(pool: Pool, previousRunId: bigint) {
    this.#pool = pool;
    this.#previousRunId = previousRunId;
  }

  /** Begins a pass. If the bucket goes on, its users so far have been looked up. */
  begin(segments: readonly Segment[], { first, end }: Buckets, goesOn: boolean): void {
    this.#segments = segments;
    this.#bucket = first;
    this.#end = end;
    this.#goesOn = goesOn;
  }

  /** Whether the users of a bucket have been looked up. */
  has(bucket: number): boolean {
    return bucket < this.#bucket || bucket === this.#end;
  }

  /** Reads the open cycles of the users that come next, on a connection of its own: the run's own is in the middle of a COPY. */
  async lookUp(): Promise<void> {
    const users = this.#users;
    const names: string[] = [];
    while (names.length < USERS_PER_LOOKUP && this.#bucket < this.#end) {
      if (!this.#goesOn) users.clear();
      for (const segment of this.#segments) {
        segment.seeNames(this.#bucket, (bytes, at, end) => {
          const name = bytes.toString('utf8', at, end);
          if (users.has(name)) return;
          users.add(name);
          names.push(name);
        });
      }
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
