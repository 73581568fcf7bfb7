/**
 * How a run ends: published or discarded. Whoever ends it takes its row for good; the first to do so decides, and the other is
 * told. Neither can be held up by an attempt that is frozen. A published run can be reverted: revert.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Proof } from '../billing/proof.js';
import { deleteSuperseded } from '../ledger/open-cycles.js';
import { begin, type Client, IDLE_MS_MAX, type Pool, prepared, READ_COMMITTED } from '../postgres/pool.js';
import { RUN_TABLES } from '../schema/tables.js';
import { type Ending, endStaleAttempts, forget, registered } from './attempts.js';
import { RunGoneError } from './run.js';

export class AlreadyPublishedError extends Error {
  override name = 'AlreadyPublishedError';
}

const LOCK_WAIT_MS = 2000;
const LOCK_NOT_AVAILABLE = '55P03';
const PUBLISH_POLL_MS = 100;

/** Who ends a run. */
export interface Ender {
  /** Temporal's id of the activity, or another name that only attempts following each other share. */
  activityId: string;
  /** Stops it. */
  signal?: AbortSignal;
  /** Called once if it has to wait for an attempt that publishes the run. */
  onPublishing?: () => void;
}

/**
 * Takes the run's row for good. Attempts at its tasks, above all frozen ones, would keep it: their server processes are ended
 * first, again before each try, since one may have begun in between. Another process that ends the run is waited for, unless it is
 * stale (see attempts.ts); a discard waits for a publish even if that does not have the row yet.
 */
function takeRun(
  pool: Pool,
  runId: bigint,
  ending: Ending,
  { activityId, signal = new AbortController().signal, onPublishing }: Ender,
  work: (client: Client, state: string | undefined) => Promise<void>,
): Promise<void> {
  const of = { runId, activityId, ending };
  return registered(pool, of, signal, async (client, own) => {
    let told = false;
    for (;;) {
      const publishing = await endStaleAttempts(client, of, own);
      if (publishing && ending === 'discard') {
        if (!told) onPublishing?.();
        told = true;
        await sleep(PUBLISH_POLL_MS, undefined, { signal });
        continue;
      }
      const locked = await lockRun(client, runId);
      if (locked === 'not available') continue;
      await work(client, locked.state);
      await forget(client, own);
      await client.query('commit');
      return;
    }
  });
}

/** Begins a transaction and locks the run's row; without the lock it is rolled back. A frozen client must not keep it: the server ends it. */
async function lockRun(client: Client, runId: bigint): Promise<{ state: string | undefined } | 'not available'> {
  await begin(client, READ_COMMITTED, {
    lock_timeout: String(LOCK_WAIT_MS),
    idle_in_transaction_session_timeout: String(IDLE_MS_MAX),
  });
  try {
    const { rows } = await client.query<{ state: string }>(
      prepared('select state from meterfold.runs where run_id = $1 for update', [runId.toString()]),
    );
    await client.query('set local lock_timeout = 0');
    return { state: rows[0]?.state };
  } catch (error) {
    if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
    await client.query('rollback');
    return 'not available';
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
  await takeRun(pool, runId, 'publish', ender, async (client, state) => {
    if (state === 'published' || state === 'reverted') return;
    if (state !== 'active') throw new RunGoneError(`run ${runId} is ${state ?? 'unknown to this database'}`);
    const { totals } = await prove(client);
    await sweepRun(client, runId);
    await client.query(
      prepared(
        `update meterfold.runs
            set state = 'published', published_at = clock_timestamp(), proof = $2,
                calls = $3, users = $4, cycles = $5, usage = $6, billed_usage = $7, amount = meterfold.amount_of($7, price_per_unit),
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
 * Gives a run up: deletes all it has written, and says why in its row. Discarding a discarded run does nothing, also if another process
 * discarded it meanwhile; a published one is refused by AlreadyPublishedError.
 */
export async function discardRun(pool: Pool, runId: bigint, reason: string, ender: Ender): Promise<void> {
  await takeRun(pool, runId, 'discard', ender, async (client, state) => {
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
  for (const { name } of RUN_TABLES) {
    await client.query(`delete from meterfold.${name} where run_id = $1`, [runId.toString()]);
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
 * Removes what nobody needs after the run is published: its segments, and the open cycles that the run before it had superseded.
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
