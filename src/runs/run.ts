/**
 * Runs. PostgreSQL is the lock: at most one run is active, and an activity that works on a run first locks its row and
 * checks that it is still active.
 *
 *              open                       publish              revert
 *   (nothing) ──────► active ────────────────────────────► published ──────► reverted
 *                        │     discard (cancelled, failed,
 *                        └──── owner gone) ──────────────► discarded
 *
 * The row decides between publish and discard: the one that locks it first wins, and the other one finds the new state.
 * Only the newest published run can be reverted.
 */

import type { CallSum } from '../billing/proof.js';
import { type BadCalls, type BillingTerms, termsIn } from '../billing/terms.js';
import { type Client, one, prepared, type Queryable } from '../postgres/pool.js';
import { TERMS_SQL } from '../schema/terms.js';

/** The run is no longer active: it was published or discarded, or the database was restored to a moment before it. */
export class RunGoneError extends Error {
  override name = 'RunGoneError';
}

/** The workflow that owns a run. */
export interface Owner {
  temporalAddress: string;
  temporalNamespace: string;
  workflowId: string;
  firstExecutionRunId: string;
}

export type RunState = 'active' | 'published' | 'discarded' | 'reverted';

export interface Run {
  runId: bigint;
  state: RunState;
  owner: Owner;
  terms: BillingTerms;
  badCalls: BadCalls;
  previousRunId: bigint | undefined;
  watermark: bigint;
  /** Undefined until the run is sealed and planned. */
  sealedEnd: bigint | undefined;
  /** Milliseconds since the lease was last renewed, or since the run was opened. */
  leaseAgeMs: number;
}

export interface RunRow extends BillingTerms {
  run_id: string;
  state: RunState;
  temporal_address: string;
  temporal_namespace: string;
  workflow_id: string;
  first_execution_run_id: string;
  bad_calls: BadCalls;
  previous_run_id: string | null;
  watermark: string;
  sealed_end: string | null;
  lease_age_ms: string;
}

export const RUN_COLUMNS = `
  run.run_id, run.state, run.temporal_address, run.temporal_namespace, run.workflow_id, run.first_execution_run_id,
  ${TERMS_SQL}, run.bad_calls, run.previous_run_id, run.watermark, run.sealed_end`;

const SELECT_RUN = `
  select ${RUN_COLUMNS}, extract(epoch from clock_timestamp() - coalesce(lease.renewed_at, run.opened_at)) * 1000 as lease_age_ms
    from meterfold.runs run
    left join meterfold.leases lease on lease.run_id = run.run_id`;

export async function readActiveRun(db: Queryable): Promise<Run | undefined> {
  const { rows } = await db.query<RunRow>(`${SELECT_RUN} where run.state = 'active'`);
  return rows[0] === undefined ? undefined : toRun(rows[0]);
}

export async function readRun(db: Queryable, runId: bigint): Promise<Run> {
  const run = await readRunIfAny(db, runId);
  if (run === undefined) throw new RunGoneError(`run ${runId} is unknown to this database`);
  return run;
}

export async function readRunIfAny(db: Queryable, runId: bigint): Promise<Run | undefined> {
  const { rows } = await db.query<RunRow>(`${SELECT_RUN} where run.run_id = $1`, [runId.toString()]);
  return rows[0] === undefined ? undefined : toRun(rows[0]);
}

export interface OwnRun {
  runId: bigint;
  state: RunState;
  /** The workflow execution that opened the run. */
  executionRunId: string;
  reason: string;
}

/**
 * The newest run that the workflow has opened in any of its executions, with its state; undefined if it has opened
 * none.
 */
export async function readRunOf(db: Queryable, owner: Owner): Promise<OwnRun | undefined> {
  const { rows } = await db.query<{ run_id: string; state: RunState; execution_run_id: string; reason: string | null }>(
    prepared(
      `select run_id, state, execution_run_id, coalesce(discard_reason, revert_reason) as reason from meterfold.runs
        where first_execution_run_id = $1 and workflow_id = $2 and temporal_namespace = $3
        order by run_id desc limit 1`,
      [owner.firstExecutionRunId, owner.workflowId, owner.temporalNamespace],
    ),
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  return {
    runId: BigInt(row.run_id),
    state: row.state,
    executionRunId: row.execution_run_id,
    reason: row.reason ?? '',
  };
}

export function toRun(row: RunRow): Run {
  return {
    runId: BigInt(row.run_id),
    state: row.state,
    owner: {
      temporalAddress: row.temporal_address,
      temporalNamespace: row.temporal_namespace,
      workflowId: row.workflow_id,
      firstExecutionRunId: row.first_execution_run_id,
    },
    terms: termsIn(row) as BillingTerms,
    badCalls: row.bad_calls,
    previousRunId: row.previous_run_id === null ? undefined : BigInt(row.previous_run_id),
    watermark: BigInt(row.watermark),
    sealedEnd: row.sealed_end === null ? undefined : BigInt(row.sealed_end),
    leaseAgeMs: Number(row.lease_age_ms),
  };
}

/** What a task needs to know about its run. It is read by the statement that locks the run's row. */
export interface LockedRun {
  runId: bigint;
  badCalls: BadCalls;
  callsPerCycle: number;
  /** The published run before this one, whose open cycles are carried in; undefined for the first run. */
  previousRunId: bigint | undefined;
}

export interface LockedRunRow {
  state: RunState | null;
  bad_calls: BadCalls;
  calls_per_cycle: number;
  previous_run_id: string | null;
}

/** The columns of a LockedRunRow. */
export const LOCKED_RUN_COLUMNS = 'state, bad_calls, calls_per_cycle, previous_run_id';

/**
 * Locks the run's row, so that the run is not published or discarded before the transaction ends. Throws RunGoneError
 * if it is not active.
 */
export async function fence(client: Client, runId: bigint): Promise<LockedRun> {
  const { rows } = await client.query<LockedRunRow>(
    prepared(`select ${LOCKED_RUN_COLUMNS} from meterfold.runs where run_id = $1 for share`, [runId.toString()]),
  );
  return toLockedRun(runId, rows[0]);
}

/** Throws RunGoneError if the run is not active, or has no row. */
export function toLockedRun(runId: bigint, row: LockedRunRow | undefined): LockedRun {
  checkActive(runId, row?.state ?? undefined);
  const { bad_calls, calls_per_cycle, previous_run_id } = row!;
  return {
    runId,
    badCalls: bad_calls,
    callsPerCycle: calls_per_cycle,
    previousRunId: previous_run_id === null ? undefined : BigInt(previous_run_id),
  };
}

/** Throws RunGoneError unless the state is active; undefined means that the run has no row. */
function checkActive(runId: bigint, state: RunState | undefined): void {
  if (state !== 'active') throw new RunGoneError(`run ${runId} is ${state ?? 'unknown to this database'}`);
}

export async function renewLease(db: Queryable, runId: bigint): Promise<void> {
  await db.query('update meterfold.leases set renewed_at = clock_timestamp() where run_id = $1', [runId.toString()]);
}

/** What the proof of a run needs beside the outcomes of its tasks. */
export interface ProofTerms {
  callsPerCycle: number;
  /** The calls in all open cycles at the end of the previous run, and their usage. */
  carriedIn: CallSum;
}

export async function readProofTerms(db: Queryable, runId: bigint): Promise<ProofTerms> {
  const row = one(
    await db.query<{ calls_per_cycle: number; calls: string; usage: string }>(
      prepared(
        `select run.calls_per_cycle,
                coalesce(previous.carried_out_calls, 0) as calls,
                coalesce(previous.carried_out_usage, 0) as usage
           from meterfold.runs run
           left join meterfold.runs previous on previous.run_id = run.previous_run_id
          where run.run_id = $1`,
        [runId.toString()],
      ),
    ),
  );
  return {
    callsPerCycle: row.calls_per_cycle,
    carriedIn: { calls: BigInt(row.calls), usage: BigInt(row.usage) },
  };
}
