/**
 * How a run ends: published or discarded. Whoever ends it takes its row for good; the first to do so decides, and the other is
 * told. Neither can be held up by an attempt that is frozen. A published run can be reverted: revert.ts.
 */
import type { Proof } from '../domain/proof.js';
import { attempt, endAttempts } from './attempts.js';
import { type Client, type Pool, prepared } from './pool.js';
import { RunGoneError } from './runs.js';
import { deleteSuperseded } from './tails.js';

export class AlreadyPublishedError extends Error {
  override name = 'AlreadyPublishedError';
}

const NEVER = new AbortController().signal;
const LOCK_WAIT_MS = 2000;
const LOCK_NOT_AVAILABLE = '55P03';

/** Who ends a run, and may be told to stop. */
export interface Ender {
  /** Of Temporal, where the activity may have begun other things, with which this is to be ended. */
  activityId?: string;
  signal: AbortSignal;
}

/**
 * Takes the run's row for good. Attempts that still work on it, frozen ones above all, would keep it: their server processes
 * are ended first, again and again, since one may have begun in between.
 */
async function takeRun(
  pool: Pool,
  runId: bigint,
  { activityId, signal }: Ender,
  work: (client: Client, state: string | undefined) => Promise<void>,
): Promise<void> {
  for (;;) {
    try {
      return await attempt(pool, { runId, activityId }, signal, async (client, { pid: backendPid }) => {
        await endAttempts(pool, runId, backendPid);
        await client.query(`set local lock_timeout = ${LOCK_WAIT_MS}`);
        const { rows } = await client.query<{ state: string }>(
          prepared('select state from meterfold.runs where run_id = $1 for update', [runId.toString()]),
        );
        await client.query('set local lock_timeout = 0');
        await work(client, rows[0]?.state);
      });
    } catch (error) {
      if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
    }
  }
}

/**
 * Makes the run's records visible, by one row. `prove` is called with the row locked, and throws if the run does not add up.
 * Publishing a published run again does nothing.
 */
export async function publishRun(
  pool: Pool,
  runId: bigint,
  ender: Ender,
  prove: (client: Client) => Promise<Proof>,
): Promise<void> {
  await takeRun(pool, runId, ender, async (client, state) => {
    if (state === 'published' || state === 'reverted') return;
    if (state !== 'active') throw new RunGoneError(`run ${runId} is ${state ?? 'unknown to this database'}`);
    const { totals } = await prove(client);
    await sweepRun(client, runId);
    await client.query(
      prepared(
        `update meterfold.runs
            set state = 'published', published_at = clock_timestamp(), proof = $2,
                calls = $3, users = $4, cycles = $5, usage = $6, billed_usage = $7, amount = $7::numeric * price_per_unit,
                carried_in_calls = $8, carried_in_usage = $9, carried_out_calls = $10, carried_out_usage = $11,
                quarantined_calls = $12, quarantined_usage = $13, published_xid = pg_current_xact_id()
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
          ...[totals.quarantined.calls, totals.quarantined.usage].map(String),
        ],
      ),
    );
    await sealRow(client, runId);
  });
}

/**
 * Gives a run up: deletes all it has written, and says why in its row. Discarding a discarded run does nothing; a published one
 * is refused by AlreadyPublishedError.
 */
export async function discardRun(pool: Pool, runId: bigint, reason: string, signal = NEVER): Promise<void> {
  await takeRun(pool, runId, { signal }, async (client, state) => {
    if (state === 'published' || state === 'reverted')
      throw new AlreadyPublishedError(`run ${runId} is already published`);
    if (state === undefined) throw new RunGoneError(`run ${runId} is unknown to this database`);
    if (state === 'discarded') return;
    await deleteRowsOf(client, runId);
    await client.query(
      `update meterfold.runs set state = 'discarded', discarded_at = clock_timestamp(), discard_reason = $2 where run_id = $1`,
      [runId.toString(), reason],
    );
    await sealRow(client, runId);
  });
}

/** All that a run has written, but for its own row. */
export async function deleteRowsOf(client: Client, runId: bigint): Promise<void> {
  for (const table of ['records', 'tails', 'spills', 'segments', 'quarantine', 'tasks', 'attempts', 'leases']) {
    await client.query(`delete from meterfold.${table} where run_id = $1`, [runId.toString()]);
  }
}

/** Digests what is known of a run that has ended: a later change of its row or its tasks shows. */
export async function sealRow(client: Client, runId: bigint): Promise<void> {
  await client.query(
    prepared('update meterfold.runs set row_digest = meterfold.run_digest(run_id) where run_id = $1', [
      runId.toString(),
    ]),
  );
}

/**
 * Removes what nobody needs after the run is published: its segments, and the tails that the run before it had superseded.
 * Those that this run itself superseded stay until the next one, so that it could still be taken back.
 */
async function sweepRun(client: Client, runId: bigint): Promise<void> {
  // Of earlier runs too: an attempt to end one that had ended already may have left its row.
  await client.query(
    prepared(
      `with spills as (delete from meterfold.spills where run_id <= $1),
            leases as (delete from meterfold.leases where run_id <= $1),
            attempts as (delete from meterfold.attempts where run_id <= $1)
       delete from meterfold.segments where run_id <= $1`,
      [runId.toString()],
    ),
  );
  await deleteSuperseded(client, runId);
}
