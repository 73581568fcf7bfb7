/**
 * Runs: PostgreSQL is the lock. At most one run is active; whatever works on a run first locks its row and sees that it still is.
 *
 *              open                       publish
 *   (nothing) ──────► active ────────────────────────────► published
 *                        │     discard (cancelled, failed,
 *                        └──── owner gone) ──────────────► discarded
 *
 * The row decides between publish and discard: whichever locks it first wins, and the other is told.
 */
import type { OpenCalls, Proof } from '../domain/proof.js';
import type { BillingTerms } from '../domain/terms.js';
import { attempt, endAttempts } from './attempts.js';
import { type Client, one, type Pool, type Queryable, transaction } from './pool.js';

/** The run is not active any more: published, discarded, or gone with a database that was restored. */
export class RunGoneError extends Error {
  override name = 'RunGoneError';
}

export class AlreadyPublishedError extends Error {
  override name = 'AlreadyPublishedError';
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

export interface ActiveRun {
  runId: bigint;
  owner: Owner;
  terms: BillingTerms;
  previousRunId: bigint | undefined;
  watermark: bigint;
  /** Undefined until the run is sealed and planned. */
  sealedEnd: bigint | undefined;
  /** Milliseconds since somebody last worked on it. */
  leaseAgeMs: number;
}

interface RunRow {
  run_id: string;
  temporal_address: string;
  temporal_namespace: string;
  workflow_id: string;
  first_execution_run_id: string;
  calls_per_cycle: number;
  price_per_unit: string;
  currency: string;
  previous_run_id: string | null;
  watermark: string;
  sealed_end: string | null;
  lease_age_ms: string;
}

const SELECT_RUN = `
  select run.*, extract(epoch from clock_timestamp() - coalesce(lease.renewed_at, run.opened_at)) * 1000 as lease_age_ms
    from meterfold.runs run
    left join meterfold.leases lease on lease.run_id = run.run_id`;

export async function readActiveRun(db: Queryable): Promise<ActiveRun | undefined> {
  const { rows } = await db.query<RunRow>(`${SELECT_RUN} where run.state = 'active'`);
  return rows[0] === undefined ? undefined : toActiveRun(rows[0]);
}

/** The run that a workflow has opened, whatever became of it; a workflow opens one at most. */
export async function readRunOf(db: Queryable, owner: Owner): Promise<bigint | undefined> {
  const { rows } = await db.query<{ run_id: string }>(
    `select run_id from meterfold.runs
      where workflow_id = $1 and first_execution_run_id = $2 and temporal_namespace = $3`,
    [owner.workflowId, owner.firstExecutionRunId, owner.temporalNamespace],
  );
  return rows[0] === undefined ? undefined : BigInt(rows[0].run_id);
}

function toActiveRun(row: RunRow): ActiveRun {
  return {
    runId: BigInt(row.run_id),
    owner: {
      temporalAddress: row.temporal_address,
      temporalNamespace: row.temporal_namespace,
      workflowId: row.workflow_id,
      firstExecutionRunId: row.first_execution_run_id,
    },
    terms: { callsPerCycle: row.calls_per_cycle, pricePerUnit: row.price_per_unit, currency: row.currency },
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

/** Throws FrozenTermError if the number of calls per cycle is not the one that earlier runs have billed by. */
export async function checkFrozenTerms(db: Queryable, terms: Pick<BillingTerms, 'callsPerCycle'>): Promise<void> {
  const frozen = await frozenCallsPerCycle(db);
  if (frozen === undefined || frozen === terms.callsPerCycle) return;
  throw new FrozenTermError(
    `CALLS_PER_CYCLE is ${terms.callsPerCycle}, but the first run has frozen it at ${frozen}: set CALLS_PER_CYCLE=${frozen}, or unset it`,
  );
}

/**
 * Opens a run at the watermark; undefined if another one is active. The row goes in first and is completed by a second
 * statement: once it is in, no other run can be published, so what that statement reads is the end of the chain.
 */
export async function openRun(pool: Pool, owner: Owner, terms: BillingTerms): Promise<ActiveRun | undefined> {
  return transaction(pool, async (client) => {
    const inserted = await client.query<{ run_id: string }>(
      `insert into meterfold.runs (temporal_address, temporal_namespace, workflow_id, first_execution_run_id,
                                   watermark, calls_per_cycle, price_per_unit, currency)
       values ($1, $2, $3, $4, 0, $5, $6, $7)
       on conflict ((true)) where state = 'active' do nothing
       returning run_id`,
      [
        owner.temporalAddress,
        owner.temporalNamespace,
        owner.workflowId,
        owner.firstExecutionRunId,
        terms.callsPerCycle,
        terms.pricePerUnit,
        terms.currency,
      ],
    );
    const runId = inserted.rows[0]?.run_id;
    if (runId === undefined) return undefined;
    await checkFrozenTerms(client, terms);
    await client.query(
      `update meterfold.runs run
          set previous_run_id = last.run_id, watermark = last.sealed_end
         from (select run_id, sealed_end from meterfold.runs
                where state = 'published' order by run_id desc limit 1) last
        where run.run_id = $1`,
      [runId],
    );
    await client.query('insert into meterfold.leases (run_id) values ($1)', [runId]);
    return toActiveRun(one(await client.query<RunRow>(`${SELECT_RUN} where run.run_id = $1`, [runId])));
  });
}

/** Keeps the run's row from being published or discarded until the transaction ends. Throws RunGoneError. */
export async function fence(client: Client, runId: bigint): Promise<void> {
  const { rows } = await client.query<{ state: string }>({
    name: 'fence',
    text: 'select state from meterfold.runs where run_id = $1 for share',
    values: [runId.toString()],
  });
  if (rows[0]?.state !== 'active')
    throw new RunGoneError(`run ${runId} is ${rows[0]?.state ?? 'unknown to this database'}`);
}

export async function renewLease(db: Queryable, runId: bigint): Promise<void> {
  await db.query('update meterfold.leases set renewed_at = clock_timestamp() where run_id = $1', [runId.toString()]);
}

const NEVER = new AbortController().signal;
const LOCK_WAIT_MS = 2000;
const LOCK_NOT_AVAILABLE = '55P03';
/** Publish and discard in the table of attempts: a later one ends a frozen earlier one. */
const TAKE = 'take-run';

/**
 * Takes the run's row for good. Attempts that still work on it, frozen ones above all, would keep it: their server processes
 * are ended first, again and again, since one may have begun in between.
 */
async function takeRun(
  pool: Pool,
  runId: bigint,
  signal: AbortSignal,
  work: (client: Client, state: string | undefined) => Promise<void>,
): Promise<void> {
  for (;;) {
    try {
      return await attempt(pool, { runId, activityId: TAKE }, signal, async (client, backendPid) => {
        await endAttempts(pool, runId, backendPid);
        await client.query(`set local lock_timeout = ${LOCK_WAIT_MS}`);
        const { rows } = await client.query<{ state: string }>(
          'select state from meterfold.runs where run_id = $1 for update',
          [runId.toString()],
        );
        await client.query('set local lock_timeout = 0');
        await work(client, rows[0]?.state);
      });
    } catch (error) {
      if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
    }
  }
}

/** Open calls after the run before, from which this run's proof begins. */
export async function carriedInOf(db: Queryable, runId: bigint): Promise<OpenCalls> {
  const row = one(
    await db.query<{ calls: string; usage: string }>(
      `select coalesce(previous.carried_out_calls, 0) as calls, coalesce(previous.carried_out_usage, 0) as usage
         from meterfold.runs run
         left join meterfold.runs previous on previous.run_id = run.previous_run_id
        where run.run_id = $1`,
      [runId.toString()],
    ),
  );
  return { calls: BigInt(row.calls), usage: BigInt(row.usage) };
}

/**
 * Makes the run's records visible, by one row. `prove` is called with the row locked, and throws if the run does not add up.
 * Publishing a published run again does nothing.
 */
export async function publishRun(
  pool: Pool,
  runId: bigint,
  signal: AbortSignal,
  prove: (client: Client) => Promise<Proof>,
): Promise<void> {
  await takeRun(pool, runId, signal, async (client, state) => {
    if (state === 'published') return;
    if (state !== 'active') throw new RunGoneError(`run ${runId} is ${state ?? 'unknown to this database'}`);
    const { totals } = await prove(client);
    await client.query(
      `update meterfold.runs
          set state = 'published', published_at = clock_timestamp(), proof = $2,
              calls = $3, users = $4, cycles = $5, usage = $6, billed_usage = $7, amount = $7::numeric * price_per_unit,
              carried_in_calls = $8, carried_in_usage = $9, carried_out_calls = $10, carried_out_usage = $11
        where run_id = $1`,
      [
        runId.toString(),
        JSON.stringify({
          digest: totals.digest,
          touchedIn: { calls: String(totals.touchedIn.calls), usage: String(totals.touchedIn.usage) },
          touchedOut: { calls: String(totals.touchedOut.calls), usage: String(totals.touchedOut.usage) },
        }),
        ...[totals.calls, totals.users, totals.cycles, totals.usage, totals.billedUsage].map(String),
        ...[totals.carriedIn.calls, totals.carriedIn.usage, totals.carriedOut.calls, totals.carriedOut.usage].map(
          String,
        ),
      ],
    );
  });
}

/**
 * Gives a run up: deletes all it has written, and says why in its row. Discarding a discarded run does nothing; a published one
 * is refused by AlreadyPublishedError.
 */
export async function discardRun(pool: Pool, runId: bigint, reason: string, signal = NEVER): Promise<void> {
  await takeRun(pool, runId, signal, async (client, state) => {
    if (state === 'published') throw new AlreadyPublishedError(`run ${runId} is already published`);
    if (state === undefined) throw new RunGoneError(`run ${runId} is unknown to this database`);
    if (state === 'discarded') return;
    for (const table of ['records', 'tails', 'segments', 'tasks', 'attempts', 'leases']) {
      await client.query(`delete from meterfold.${table} where run_id = $1`, [runId.toString()]);
    }
    await client.query(
      `update meterfold.runs set state = 'discarded', discarded_at = clock_timestamp(), discard_reason = $2 where run_id = $1`,
      [runId.toString(), reason],
    );
  });
}

/**
 * Removes what nobody needs after the run is published: its segments, and the tails that the run before it had superseded.
 * Those that this run itself superseded stay until the next one, so that it could still be taken back.
 */
export async function sweepRun(pool: Pool, runId: bigint): Promise<void> {
  await pool.query('delete from meterfold.segments where run_id = $1', [runId.toString()]);
  await pool.query('delete from meterfold.leases where run_id = $1', [runId.toString()]);
  await pool.query('delete from meterfold.attempts where run_id = $1', [runId.toString()]);
  await pool.query(
    `delete from meterfold.tails superseded
      using meterfold.tails newer
      where newer.run_id = (select previous_run_id from meterfold.runs where run_id = $1 and state = 'published')
        and superseded.user_id = newer.user_id and superseded.run_id < newer.run_id`,
    [runId.toString()],
  );
}
