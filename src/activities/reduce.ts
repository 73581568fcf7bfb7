/**
 * Reduce: merges a shard's segments, adds what each user carried in, closes cycles, and writes billing records and tails.
 *
 * The shard is folded in passes of bounded memory (see cutPasses). Users with a history are looked up in blocks by a scout, a
 * second walk over the same segments that is one block ahead.
 */

import { copyIn } from '../db/copy-in.js';
import type { Client, Pool } from '../db/pool.js';
import { appendRecord, recordsCopy } from '../db/records.js';
import { RowBuffer } from '../db/row-buffer.js';
import { openPass, readSlices } from '../db/segments.js';
import { appendTail, readTails, tailsCopy } from '../db/tails.js';
import { cutPasses, type Pass } from '../domain/partitions.js';
import type { ReduceOutcome } from '../domain/proof.js';
import { CycleFold, type OpenCycle, SegmentMerge } from '../domain/reduce.js';
import { SegmentCursor } from '../domain/segment.js';
import { type ActivityDependencies, type DoneTask, runTask, type TaskInput, type TaskProgress } from './task.js';

const USERS_PER_LOOKUP = 4096;

export interface ReduceInput extends TaskInput {
  callsPerCycle: number;
  /** The published run before this one, whose tails are carried in; null for the first. */
  previousRunId: string | null;
}

export function createReduce(dependencies: ActivityDependencies) {
  async function reduceShard(input: ReduceInput): Promise<DoneTask<ReduceOutcome>> {
    return runTask<ReduceOutcome>(dependencies, 'reduce', input, async ({ client, task, schema, progress }) => {
      const shard = { first: task.first_bucket, end: task.end_bucket };
      const slices = await readSlices(client, BigInt(input.runId), shard);
      const reduction = new ShardReduction(client, dependencies.pool, schema, input, progress);
      for (const pass of cutPasses(slices, shard, dependencies.settings.passBytes)) await reduction.fold(pass);
      return reduction.outcome();
    });
  }

  return { reduceShard };
}

/** A user's bytes and what it leaves open, kept from one pass to the next of the same buckets. */
interface LeftOpen {
  bytes: Uint8Array;
  userStart: number;
  userLength: number;
  open: OpenCycle;
}

class ShardReduction {
  readonly #client: Client;
  readonly #pool: Pool;
  readonly #schema: string;
  readonly #input: ReduceInput;
  readonly #progress: TaskProgress;
  readonly #runId: number;
  readonly #records = new RowBuffer();
  readonly #tails = new RowBuffer();
  readonly #fold: CycleFold;
  /** Users of a bucket that is folded in several passes. */
  #leftOpen = new Map<string, LeftOpen>();
  #users = 0;
  #carriedInCalls = 0;
  #carriedInUsage = 0n;
  #carriedOutCalls = 0;
  #carriedOutUsage = 0n;

  constructor(client: Client, pool: Pool, schema: string, input: ReduceInput, progress: TaskProgress) {
    this.#client = client;
    this.#pool = pool;
    this.#schema = schema;
    this.#input = input;
    this.#progress = progress;
    this.#runId = Number(input.runId);
    this.#fold = new CycleFold(input.callsPerCycle, (user, batch) =>
      appendRecord(this.#records, this.#runId, user, batch),
    );
  }

  /** Folds one pass: all its records go out by one COPY, then all its tails by another. */
  async fold(pass: Pass): Promise<void> {
    const cursors = await openPass(this.#client, BigInt(this.#input.runId), pass);
    const carriedIn = new CarriedIn(this.#pool, this.#input.previousRunId, cursors);
    const merge = new SegmentMerge(cursors);
    const severalPasses = !pass.lastOfBuckets || this.#leftOpen.size > 0;
    const copy = await copyIn(this.#client, recordsCopy(this.#schema));
    while (this.#foldUsers(merge, carriedIn, severalPasses)) {
      this.#progress.calls = this.#fold.calls;
      if (carriedIn.needsLookup) await carriedIn.lookUp();
      if (this.#records.ready) await this.#records.drain(copy);
    }
    await this.#records.finish(copy);
    if (!pass.lastOfBuckets) return;
    for (const left of this.#leftOpen.values()) this.#closeUser(left, left.open);
    this.#leftOpen = new Map();
    await this.#tails.finish(await copyIn(this.#client, tailsCopy(this.#schema)));
  }

  /** Folds users until there is something to wait for; false at the end. Not a part of fold(): V8 compiles no loop of an async function while it runs. */
  #foldUsers(merge: SegmentMerge, carriedIn: CarriedIn, severalPasses: boolean): boolean {
    const fold = this.#fold;
    const records = this.#records;
    while (!carriedIn.needsLookup && !records.ready) {
      const at = merge.nextUser();
      if (at.length === 0) return false;
      const user = at[0];
      const known = severalPasses ? this.#leftOpen.get(nameOf(user)) : undefined;
      const before = carriedIn.next();
      if (known === undefined) this.#countIn(before);
      fold.beginUser(user, known?.open ?? before);
      for (let i = 0; i < at.length; i++) fold.take(at[i]);
      const open = fold.endUser();
      if (severalPasses) this.#keep(user, open);
      else this.#closeUser(user, open);
    }
    return true;
  }

  outcome(): ReduceOutcome {
    return {
      calls: String(this.#fold.calls),
      usage: String(this.#fold.usage.toBigInt()),
      digest: this.#fold.digest.toString(),
      users: String(this.#users),
      cycles: String(this.#fold.cyclesClosed),
      billedUsage: String(this.#fold.billedUsage.toBigInt()),
      carriedInCalls: String(this.#carriedInCalls),
      carriedInUsage: String(this.#carriedInUsage),
      carriedOutCalls: String(this.#carriedOutCalls),
      carriedOutUsage: String(this.#carriedOutUsage),
    };
  }

  #countIn(carriedIn: OpenCycle | undefined): void {
    this.#users++;
    if (carriedIn === undefined || carriedIn.calls === 0) return;
    this.#carriedInCalls += carriedIn.calls;
    this.#carriedInUsage += usageOf(carriedIn);
  }

  #keep(user: SegmentCursor, open: Readonly<OpenCycle>): void {
    const bytes = user.bytes.slice(user.userStart, user.userStart + user.userLength);
    this.#leftOpen.set(nameOf(user), { bytes, userStart: 0, userLength: bytes.length, open: { ...open } });
  }

  #closeUser(user: { bytes: Uint8Array; userStart: number; userLength: number }, open: Readonly<OpenCycle>): void {
    appendTail(this.#tails, this.#runId, user, open);
    if (open.calls === 0) return;
    this.#carriedOutCalls += open.calls;
    this.#carriedOutUsage += usageOf(open);
  }
}

/** What the users of a pass carry in, in the order of the merge. Without an earlier run there is nothing to look up. */
class CarriedIn {
  readonly #pool: Pool;
  readonly #previousRunId: bigint | undefined;
  readonly #scout: SegmentMerge | undefined;
  #block: (OpenCycle | undefined)[] = [];
  #ended = false;
  #at = 0;

  constructor(pool: Pool, previousRunId: string | null, cursors: readonly SegmentCursor[]) {
    this.#pool = pool;
    if (previousRunId === null) return;
    this.#previousRunId = BigInt(previousRunId);
    this.#scout = new SegmentMerge(cursors.map((cursor) => new SegmentCursor(cursor.bytes, cursor.basePosition)));
  }

  /** False, too, once the last block has been looked up: there is no user behind it. */
  get needsLookup(): boolean {
    return this.#scout !== undefined && !this.#ended && this.#at === this.#block.length;
  }

  /** Reads the tails of the next block of users, on a connection of its own: the run's own is in the middle of a COPY. */
  async lookUp(): Promise<void> {
    const users: string[] = [];
    while (users.length < USERS_PER_LOOKUP) {
      const at = this.#scout!.nextUser();
      if (at.length === 0) {
        this.#ended = true;
        break;
      }
      users.push(nameOf(at[0]));
    }
    this.#block = await readTails(this.#pool, users, this.#previousRunId!);
    this.#at = 0;
  }

  next(): OpenCycle | undefined {
    return this.#scout === undefined ? undefined : this.#block[this.#at++];
  }
}

// Without ignoreBOM it would drop U+FEFF at the start: another user's name.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function nameOf(user: SegmentCursor): string {
  return decoder.decode(user.bytes.subarray(user.userStart, user.userStart + user.userLength));
}

function usageOf(open: Readonly<OpenCycle>): bigint {
  return (BigInt(open.usageHi) << 32n) | BigInt(open.usageLo >>> 0);
}
