/** Publish: makes a run's records visible by an update of one row, once the run is proved. */

import type { Proof, RunTotals } from '../billing/proof.js';
import { deleteSuperseded } from '../ledger/open-cycles.js';
import { type Client, type Pool, prepared } from '../postgres/pool.js';
import { RUN_TABLES } from '../schema/tables.js';
import { amountSql } from '../schema/terms.js';
import { type Ender, endRun, storeRowDigest } from './ending.js';
import { RunGoneError } from './run.js';

/**
 * Publishes the run. `prove` is called with the run's row locked, and throws if the figures do not agree. Does nothing
 * if the run is published already, or was reverted. Throws RunGoneError if it was discarded.
 */
export async function publishRun(
  pool: Pool,
  runId: bigint,
  ender: Ender,
  prove: (client: Client) => Promise<Proof>,
): Promise<void> {
  await endRun(pool, runId, 'publish', ender, async (client, state) => {
    if (state === 'published' || state === 'reverted') return;
    if (state !== 'active') throw new RunGoneError(`run ${runId} is ${state ?? 'unknown to this database'}`);
    const { totals } = await prove(client);
    await sweep(client, runId);
    await storePublished(client, runId, totals);
    await storeRowDigest(client, runId);
  });
}

async function storePublished(client: Client, runId: bigint, totals: RunTotals): Promise<void> {
  const { calls, users, cycles, usage, billedUsage, carriedIn, carriedOut, quarantined } = totals;
  const proof = {
    digest: totals.digest,
    touchedIn: { calls: String(totals.touchedIn.calls), usage: String(totals.touchedIn.usage) },
    touchedOut: { calls: String(totals.touchedOut.calls), usage: String(totals.touchedOut.usage) },
  };
  await client.query(
    prepared(
      `update meterfold.runs run
          set state = 'published', published_at = clock_timestamp(), proof = $2,
              calls = $3, users = $4, cycles = $5, usage = $6, billed_usage = $7, amount = ${amountSql({ usage: '$7' })},
              carried_in_calls = $8, carried_in_usage = $9, carried_out_calls = $10, carried_out_usage = $11,
              quarantined_calls = $12, quarantined_usage = $13, published_xid = pg_current_xact_id()
        where run_id = $1`,
      [
        runId.toString(),
        JSON.stringify(proof),
        ...[calls, users, cycles, usage, billedUsage].map(String),
        ...[carriedIn.calls, carriedIn.usage, carriedOut.calls, carriedOut.usage].map(String),
        ...[quarantined.calls, quarantined.usage].map(String),
      ],
    ),
  );
}

/** Deletes rows of all tables in which a published run has none. */
const SWEEP = `with ${RUN_TABLES.filter(({ states }) => !states.includes('published'))
  .map(({ name }) => `${name} as (delete from meterfold.${name} where run_id <= $1)`)
  .join(', ')} select`;

/**
 * Deletes what is no longer needed once the run is published: segments, leases and attempts, and the open cycles that
 * the previous run had superseded. Open cycles that this run superseded stay until the next run is published, so that
 * this run can still be reverted.
 */
async function sweep(client: Client, runId: bigint): Promise<void> {
  // Rows of earlier runs are included: an attempt to end a run that had already ended may have left its row.
  await client.query(prepared(SWEEP, [runId.toString()]));
  await deleteSuperseded(client, runId);
}
