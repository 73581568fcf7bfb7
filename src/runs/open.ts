/** Opens a run at the watermark, and checks the terms that the first published run has frozen. */
import { type BadCalls, type BillingTerms, TERM_FIELDS } from '../billing/terms.js';
import { one, type Pool, prepared, type Queryable, transaction } from '../postgres/pool.js';
import { HIDDEN_TABLE, RowSecurityError } from '../postgres/row-security.js';
import { BILLING_TABLES } from '../schema/tables.js';
import { TERM_COLUMNS } from '../schema/terms.js';
import { type Owner, RUN_COLUMNS, type Run, type RunRow, toRun } from './run.js';

/** A setting differs from the value that the first published run has frozen. */
export class FrozenTermError extends Error {
  override name = 'FrozenTermError';
}

const termColumns = TERM_FIELDS.map((field) => TERM_COLUMNS[field]);

/** "openrun" in ASCII. */
const OPENING_LOCK = '31367303361885550';

/** A run before it is opened. */
export interface NewRun {
  owner: Owner;
  /** The workflow execution that opens the run. */
  executionRunId: string;
  terms: BillingTerms;
  badCalls: BadCalls;
}

/**
 * Opens a run at the watermark; undefined if another run is active, or if this execution has opened one before. The row
 * is inserted first and completed by a second statement: once it exists, no other run can be published or reverted, so
 * the second statement reads the end of the chain. `checkOwner` is called right before the insert, with the opening
 * lock held, and throws if the owner no longer waits for the run. Throws RowSecurityError before anything is written.
 */
export async function openRun(
  pool: Pool,
  { owner, executionRunId, terms, badCalls }: NewRun,
  checkOwner: () => Promise<void>,
): Promise<Run | undefined> {
  return transaction(pool, async (client) => {
    // Starts take turns. One that finds an active run inserts nothing, so it uses no run number.
    const { hidden } = one(
      await client.query<{ hidden: string | null }>(
        prepared(`select pg_advisory_xact_lock(${OPENING_LOCK}), ${HIDDEN_TABLE} as hidden`, [BILLING_TABLES]),
      ),
    );
    if (hidden !== null) throw new RowSecurityError(hidden);
    await checkOwner();
    const inserted = await client.query<{ run_id: string }>(
      prepared(
        // clock_timestamp(), because the transaction may have waited for its turn.
        `insert into meterfold.runs (temporal_address, temporal_namespace, workflow_id, first_execution_run_id,
                                     execution_run_id, bad_calls, watermark, opened_at, ${termColumns.join(', ')})
         select $1, $2, $3, $4, $5, $6, 0, clock_timestamp(), ${termColumns.map((_, index) => `$${7 + index}`).join(', ')}
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
          ...TERM_FIELDS.map((field) => terms[field]),
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

/** The CALLS_PER_CYCLE that the first published run has frozen; undefined before that run. */
export async function frozenCallsPerCycle(db: Queryable): Promise<number | undefined> {
  const { rows } = await db.query<{ calls_per_cycle: number }>(
    `select calls_per_cycle from meterfold.runs where state = 'published' order by run_id limit 1`,
  );
  return rows[0]?.calls_per_cycle;
}

/** Throws FrozenTermError if `frozen` is given and differs from the number of calls per cycle. */
export function checkFrozenTerms(frozen: number | undefined, terms: Pick<BillingTerms, 'callsPerCycle'>): void {
  if (frozen === undefined || frozen === terms.callsPerCycle) return;
  throw new FrozenTermError(
    `CALLS_PER_CYCLE is ${terms.callsPerCycle}, but the first run has frozen it at ${frozen}: set CALLS_PER_CYCLE=${frozen}, or unset it`,
  );
}
