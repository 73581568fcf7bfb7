/**
 * Tasks: a run's units of work. Only the plan creates them. Each has one outcome, which is stored in the transaction of
 * the work.
 */

import type { MapOutcome, RecountOutcome, ReduceOutcome } from '../billing/proof.js';
import type { DoneBy } from '../contract/activities.js';
import type { Writer } from '../contract/writer.js';
import type { BucketRange, PositionRange } from '../engine/cuts.js';
import { deleteQuarantined } from '../ledger/quarantine.js';
import { queryWalState } from '../log/replica.js';
import { type Client, one, type Pool, prepared, type Queryable, transaction } from '../postgres/pool.js';
import {
  fence,
  LOCKED_RUN_COLUMNS,
  type LockedRun,
  type LockedRunRow,
  type Run,
  RunGoneError,
  readRun,
  toLockedRun,
} from './run.js';
import { dropSealsUpTo, type Seal, SealOvertakenError } from './seal.js';

export type TaskKind = 'map' | 'reduce' | 'recount';

export interface TaskKey {
  kind: TaskKind;
  number: number;
}

export interface Plan {
  sealedEnd: bigint;
  blockedBy: Writer[];
  partitions: PositionRange[];
  shards: BucketRange[];
}

/** An outcome, with the worker and the attempt that stored it. */
export interface StoredOutcome<Outcome> extends DoneBy {
  outcome: Outcome;
}

/**
 * Stores a plan: the end of the run and all its tasks. The first attempt to store a plan wins; every attempt returns
 * the stored plan. Throws RunGoneError if the run is not active, and SealOvertakenError if the seal is no longer valid.
 */
export async function storePlan(
  pool: Pool,
  { runId, watermark }: Pick<Run, 'runId' | 'watermark'>,
  { sealedEnd, blockedBy, version }: Seal,
  partitions: PositionRange[],
  shards: BucketRange[],
  readsReplica: boolean,
): Promise<Plan> {
  // Some managed servers refuse this function, so it is called only if there is a replica.
  const lsn = readsReplica ? 'pg_current_wal_insert_lsn()' : 'null';
  return transaction(pool, async (client) => {
    const store = () =>
      client.query(
        prepared(
          `update meterfold.runs set sealed_end = $2, blocked_by = $3, sealed_lsn = ${lsn}, seal_id = gen_random_uuid()
          where run_id = $1 and state = 'active' and sealed_end is null and xmin = $4::xid`,
          [runId.toString(), sealedEnd.toString(), blockedBy.length === 0 ? null : JSON.stringify(blockedBy), version],
        ),
      );
    const first = await (readsReplica ? queryWalState('DATABASE_URL', store) : store());
    if (first.rowCount === 0) {
      await fence(client, runId);
      if ((await readRun(client, runId)).sealedEnd === undefined) throw new SealOvertakenError(runId);
      return readPlan(client, runId);
    }
    await client.query(
      prepared(
        `insert into meterfold.tasks (run_id, kind, number, first_position, last_position, first_bucket, end_bucket)
         select $1::bigint, 'map', number - 1, first, last, null, null
           from unnest($2::bigint[], $3::bigint[]) with ordinality as partition (first, last, number)
          union all
         select $1, 'reduce', number - 1, null, null, first, "end"
           from unnest($4::integer[], $5::integer[]) with ordinality as shard (first, "end", number)
          union all
         select $1, 'recount', 0, $6, $7, null, null
          where $6::bigint <= $7::bigint`,
        [
          runId.toString(),
          partitions.map((partition) => String(partition.first)),
          partitions.map(({ last }) => String(last)),
          shards.map((shard) => shard.first),
          shards.map(({ end }) => end),
          (watermark + 1n).toString(),
          sealedEnd.toString(),
        ],
      ),
    );
    await dropSealsUpTo(client, sealedEnd);
    return { sealedEnd, blockedBy, partitions, shards };
  });
}

/** Reads the stored plan of a run. */
export async function readPlan(db: Queryable, runId: bigint): Promise<Plan> {
  const run = one(
    await db.query<{ sealed_end: string; blocked_by: Writer[] | null }>(
      'select sealed_end, blocked_by from meterfold.runs where run_id = $1',
      [runId.toString()],
    ),
  );
  const tasks = await db.query<{ kind: TaskKind; first: string; last: string; bucket: number; end: number }>(
    `select kind, first_position as first, last_position as last, first_bucket as bucket, end_bucket as end
       from meterfold.tasks where run_id = $1 order by kind, number`,
    [runId.toString()],
  );
  const of = (kind: TaskKind) => tasks.rows.filter((task) => task.kind === kind);
  return {
    sealedEnd: BigInt(run.sealed_end),
    blockedBy: run.blocked_by ?? [],
    partitions: of('map').map((task) => ({ first: BigInt(task.first), last: BigInt(task.last) })),
    shards: of('reduce').map((task) => ({ first: task.bucket, end: task.end })),
  };
}

export interface TaskRow<Outcome> extends StoredOutcome<Outcome | null> {
  first_position: string;
  last_position: string;
  first_bucket: number;
  end_bucket: number;
}

/** The outcome that a task has stored; undefined if it has none. */
export function storedOutcome<Outcome>({ outcome, worker, attempt }: TaskRow<Outcome>) {
  return outcome === null ? undefined : { outcome, worker, attempt };
}

/** A task and its run, as an attempt at the task receives them. */
export interface LockedTask<Outcome> {
  run: LockedRun;
  task: TaskRow<Outcome>;
}

const SELECT_TASK = `
  select outcome, worker, attempt, first_position, last_position, first_bucket, end_bucket,
         kind = 'map' and (outcome->>'spills')::integer > 0
           and not exists (select from meterfold.spills where run_id = $1 and partition = $3) as lost
    from meterfold.tasks where run_id = $1 and kind = $2 and number = $3`;

/**
 * Locks the run's row (share), then the task's row, which is the order in which a discard locks them: the scan of tasks
 * begins only after the subselect on `run` has locked the run's row. Returns no row if the run does not exist.
 */
const LOCK_TASK = `
  with run as materialized (
         select ${LOCKED_RUN_COLUMNS} from meterfold.runs where run_id = $1 for share
       ), task as materialized (
         select number from meterfold.tasks
          where run_id = $1 and kind = $2 and number = $3 and (select state from run) = 'active'
            for update
       )
  select run.*, (select count(*) from task) as tasks from run`;

/**
 * Locks the run's row as `fence` does, and one of its tasks. The task is read by a second statement: the snapshot of
 * the first one is older than the lock that it waited for, and would combine the new outcome with old spills. A task
 * whose segments were lost is returned without an outcome, and its quarantined calls are deleted. Throws RunGoneError
 * if the run is not active or has no such task.
 */
export async function lockTask<Outcome>(client: Client, runId: bigint, task: TaskKey): Promise<LockedTask<Outcome>> {
  const { rows } = await client.query<LockedRunRow>(prepared(LOCK_TASK, [runId.toString(), task.kind, task.number]));
  const run = toLockedRun(runId, rows[0]);
  const { lost, ...row } = await selectTask<Outcome>(client, runId, task);
  if (lost) {
    await deleteQuarantined(client, runId, { first: BigInt(row.first_position), last: BigInt(row.last_position) });
  }
  return { run, task: row };
}

/** Reads a task without locking it. Throws RunGoneError if the run has no such task. */
export function readTask<Outcome>(client: Client, runId: bigint, task: TaskKey): Promise<TaskRow<Outcome>> {
  return selectTask(client, runId, task);
}

interface SelectedTask<Outcome> extends TaskRow<Outcome> {
  /** True if the task's segments were lost; the outcome is null then. */
  lost: boolean | null;
}

async function selectTask<Outcome>(
  client: Client,
  runId: bigint,
  { kind, number }: TaskKey,
): Promise<SelectedTask<Outcome>> {
  const { rows } = await client.query<SelectedTask<Outcome>>(prepared(SELECT_TASK, [runId.toString(), kind, number]));
  const row = rows[0];
  if (row === undefined) throw new RunGoneError(`run ${runId} has no ${kind} task ${number}`);
  return row.lost ? { ...row, outcome: null } : row;
}

/** Stores the outcome of a task, whose row must be locked. */
export async function storeOutcome(
  client: Client,
  runId: bigint,
  { kind, number }: TaskKey,
  { outcome, worker, attempt }: StoredOutcome<unknown>,
): Promise<void> {
  await client.query(
    prepared(
      `update meterfold.tasks set outcome = $4, worker = $5, attempt = $6, finished_at = clock_timestamp()
        where run_id = $1 and kind = $2 and number = $3`,
      [runId.toString(), kind, number, JSON.stringify(outcome), worker, attempt],
    ),
  );
}

/** The outcomes of a run's tasks of each kind, by number; null if a task has none. */
export interface StoredOutcomes {
  map: (MapOutcome | null)[];
  reduce: (ReduceOutcome | null)[];
  recount: (RecountOutcome | null)[];
}

export async function readOutcomes(db: Queryable, runId: bigint): Promise<StoredOutcomes> {
  const { rows } = await db.query<{ kind: TaskKind; outcome: unknown }>(
    prepared('select kind, outcome from meterfold.tasks where run_id = $1 order by number', [runId.toString()]),
  );
  const of = (kind: TaskKind) => rows.filter((row) => row.kind === kind).map(({ outcome }) => outcome);
  return { map: of('map'), reduce: of('reduce'), recount: of('recount') } as StoredOutcomes;
}
