/** Discard: ends a run that is not to be published, because it failed, was cancelled, or has lost its owner. */
import type { Pool } from '../postgres/pool.js';
import { deleteRowsOf, type Ender, endRun, storeRowDigest } from './ending.js';
import { RunGoneError } from './run.js';

/** A published run cannot be discarded. */
export class AlreadyPublishedError extends Error {
  override name = 'AlreadyPublishedError';
}

/**
 * Deletes all that the run has written, and stores the reason in its row. Does nothing if the run is discarded already,
 * also if another process discards it meanwhile. Throws AlreadyPublishedError, or RunGoneError if the database has no
 * such run.
 */
export async function discardRun(pool: Pool, runId: bigint, reason: string, ender: Ender): Promise<void> {
  await endRun(pool, runId, 'discard', ender, async (client, state) => {
    if (state === 'published' || state === 'reverted') {
      throw new AlreadyPublishedError(`run ${runId} is already published`);
    }
    if (state === undefined) throw new RunGoneError(`run ${runId} is unknown to this database`);
    if (state === 'discarded') return;
    await deleteRowsOf(client, runId);
    await client.query(
      `update meterfold.runs set state = 'discarded', discarded_at = clock_timestamp(), discard_reason = $2 where run_id = $1`,
      [runId.toString(), reason],
    );
    await storeRowDigest(client, runId);
  });
}
