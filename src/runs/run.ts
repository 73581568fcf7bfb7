/**
 * Runs: PostgreSQL is the lock. At most one run is active; whatever works on a run first locks its row and sees that it still is.
 *
 *              open                       publish              revert
 *   (nothing) ──────► active ────────────────────────────► published ──────► reverted
 *                        │     discard (cancelled, failed,
 *                        └──── owner gone) ──────────────► discarded
 *
 * The row decides between publish and discard: whichever locks it first wins, and the other is told. Only the newest published
 * run is reverted.
 */
import type { CallSum } from '../billing/proof.js';
import type { BadCalls, BillingTerms } from '../billing/terms.js';
import { type Client, one, type Pool, prepared, type Queryable, transaction } from '../postgres/pool.js';
import { BILLING_TABLES, HIDDEN_TABLE, RowSecurityError } from '../postgres/row-security.js';

/** The run is not active any more: published, discarded, or gone with a database that was restored. */
export class RunGoneError extends Error {
  override name = 'RunGoneError';
}

/** A term of billing that the first run has frozen. */
export class FrozenTermError extends Error {
  override name = 'FrozenTermError';
}

/** Who works on a run, in Temporal's terms. */
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
  /** Milliseconds since somebody last worked on it. */
  leaseAgeMs: number;
}

interface RunRow {
  run_id: string;
  state: RunState;
  temporal_address: string;
  temporal_namespace: string;
  workflow_id: string;
  first_execution_run_id: string;
  calls_per_cycle: number;
  price_per_unit: string;
  currency: string;
  bad_calls: BadCalls;
  previous_run_id: string | null;
  watermark: string;
  sealed_end: string | null;
  lease_age_ms: string;
}

const RUN_COLUMNS = `
  run.run_id, run.state, run.temporal_address, run.temporal_namespace, run.workflow_id, run.first_execution_run_id,
  run.calls_per_cycle, run.price_per_unit, run.currency, run.bad_calls, run.previous_run_id, run.watermark, run.sealed_end`;

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
  /** The execution of the workflow that opened it. */
  executionRunId: string;
  reason: string;
}

/** The newest run that a workflow has opened, in whichever of its executions, and what became of it. */
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

function toRun(row: RunRow): Run {
  return {
    runId: BigInt(row.run_id),
    state: row.state,
    owner: {
      temporalAddress: row.temporal_address,
      temporalNamespace: row.temporal_namespace,
      workflowId: row.workflow_id,
      firstExecutionRunId: row.first_execution_run_id,
    },
    terms: { callsPerCycle: row.calls_per_cycle, pricePerUnit: row.price_per_unit, currency: row.currency },
    badCalls: row.bad_calls,
    previousRunId: row.previous_run_id === null ? undefined : BigInt(row.previous_run_id),
    watermark: BigInt(row.watermark),
    sealedEnd: row.sealed_end === null ? undefined : BigInt(row.sealed_end),
    leaseAgeMs: Number(row.lease_age_ms),
  };
}

/** CALLS_PER_CYCLE as the first published run has frozen it; undefined before that. */
export async function frozenCallsPerCycle(db: Queryable): Promise<number | undefined> {
  const { rows } = await db.query<{ calls_per_cycle: number }>(
    `select calls_per_cycle from meterfold.runs where state = 'published' order by run_id limit 1`,
  );
  return rows[0]?.calls_per_cycle;
}

/** Throws FrozenTermError if the number of calls per cycle is not the one that earlier runs have billed by, if there were any. */
export function checkFrozenTerms(frozen: number | undefined, terms: Pick<BillingTerms, 'callsPerCycle'>): void {
  if (frozen === undefined || frozen === terms.callsPerCycle) return;
  throw new FrozenTermError(
    `CALLS_PER_CYCLE is ${terms.callsPerCycle}, but the first run has frozen it at ${frozen}: set CALLS_PER_CYCLE=${frozen}, or unset it`,
  );
}

/** "openrun" in ASCII. */
const OPENING_LOCK = '31367303361885550';

/** What is known of a run before it is opened. */
export interface NewRun {
  owner: Owner;
  /** The execution of the workflow that opens it. */
  executionRunId: string;
  terms: BillingTerms;
  badCalls: BadCalls;
}

/**
 * Opens a run at the watermark; undefined if another one is active, or this execution has opened one before. The row goes in
 * first and is completed by a second statement: once it is in, no other run can be published or reverted, so what that
 * statement reads is the end of the chain. `checkWanted` is asked last of all, with the lock on opening held, and throws if nobody
 * waits for the run any more. Throws RowSecurityError before anything is written.
 */
export async function openRun(
  pool: Pool,
  { owner, executionRunId, terms, badCalls }: NewRun,
  checkWanted: () => Promise<void>,
): Promise<Run | undefined> {
  return transaction(pool, async (client) => {
    // One after the other, and only where no run is active: a start that opens none uses up no number.
    const { hidden } = one(
      await client.query<{ hidden: string | null }>(
        prepared(`select pg_advisory_xact_lock(${OPENING_LOCK}), ${HIDDEN_TABLE} as hidden`, [BILLING_TABLES]),
      ),
    );
    if (hidden !== null) throw new RowSecurityError(hidden);
    await checkWanted();
    const inserted = await client.query<{ run_id: string }>(
      prepared(
        // The transaction may have waited for its turn for a while.
        `insert into meterfold.runs (temporal_address, temporal_namespace, workflow_id, first_execution_run_id,
                                     execution_run_id, bad_calls, watermark, calls_per_cycle, price_per_unit, currency, opened_at)
         select $1, $2, $3, $4, $5, $6, 0, $7, $8, $9, clock_timestamp()
          where not exists (select from meterfold.runs where state = 'active')
         on conflict do nothing
         returning run_id`,
        [
          owner.temporalAddress,
          owner.temporalNamespace,
          owner.workflowId,
          owner.firstExecutionRunId,
          executionRunId,
          badCalls,
          terms.callsPerCycle,
          terms.pricePerUnit,
          terms.currency,
        ],
      ),
    );
    const runId = inserted.rows[0]?.run_id;
    if (runId === undefined) return undefined;
    const completed = one(
      await client.query<RunRow & { frozen: number | null }>(
        prepared(
          `with lease as (
             insert into meterfold.leases (run_id) values ($1)
           )
           update meterfold.runs run
              set previous_run_id = last.run_id, watermark = coalesce(last.sealed_end, 0)
             from (select max(run_id) as run_id, min(run_id) as first_run_id from meterfold.runs where state = 'published') chain
             left join meterfold.runs last on last.run_id = chain.run_id
             left join meterfold.runs first on first.run_id = chain.first_run_id
            where run.run_id = $1
           returning ${RUN_COLUMNS}, 0 as lease_age_ms, first.calls_per_cycle as frozen`,
          [runId],
        ),
      ),
    );
    checkFrozenTerms(completed.frozen ?? undefined, terms);
    return toRun(completed);
  });
}

/** Keeps the run's row from being published or discarded until the transaction ends. Throws RunGoneError. */
export async function fence(client: Client, runId: bigint): Promise<{ badCalls: BadCalls }> {
  const { rows } = await client.query<{ state: RunState; badCalls: BadCalls }>(
    prepared('select state, bad_calls as "badCalls" from meterfold.runs where run_id = $1 for share', [
      runId.toString(),
    ]),
  );
  checkActive(runId, rows[0]?.state);
  return rows[0]!;
}

/** Throws RunGoneError unless the run's state is active; undefined stands for a run without a row. */
export function checkActive(runId: bigint, state: RunState | undefined): void {
  if (state !== 'active') throw new RunGoneError(`run ${runId} is ${state ?? 'unknown to this database'}`);
}

export async function renewLease(db: Queryable, runId: bigint): Promise<void> {
  await db.query('update meterfold.leases set renewed_at = clock_timestamp() where run_id = $1', [runId.toString()]);
}

/** Open calls after the run before, from which this run's proof begins. */
export async function carriedInOf(db: Queryable, runId: bigint): Promise<CallSum> {
  const row = one(
    await db.query<{ calls: string; usage: string }>(
      prepared(
        `select coalesce(previous.carried_out_calls, 0) as calls, coalesce(previous.carried_out_usage, 0) as usage
           from meterfold.runs run
           left join meterfold.runs previous on previous.run_id = run.previous_run_id
          where run.run_id = $1`,
        [runId.toString()],
      ),
    ),
  );
  return { calls: BigInt(row.calls), usage: BigInt(row.usage) };
}
