/**
 * What publish (publish.ts) and discard (discard.ts) share: a process that ends a run locks the run's row until it
 * commits. The first one to lock it decides; the other one finds the new state. A frozen attempt delays neither. Revert
 * (revert.ts) ends a published run.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { begin, type Client, IDLE_MS_MAX, type Pool, prepared, READ_COMMITTED } from '../postgres/pool.js';
import { RUN_TABLES } from '../schema/tables.js';
import { type Attempt, type Ending, endStaleAttempts, forget, withAttempt } from './attempts.js';
import type { RunState } from './run.js';

const LOCK_WAIT_MS = 2000;
const LOCK_NOT_AVAILABLE = '55P03';
const PUBLISH_POLL_MS = 100;

/** Identifies the process that ends a run. */
export interface Ender {
  /** Temporal's id of the activity, or another name that only successive attempts share. */
  activityId: string;
  /** Stops the ending before its commit. */
  signal?: AbortSignal;
  /** Called once if this process has to wait for an attempt that publishes the run. */
  onPublishing?: () => void;
}

/**
 * Runs `end` in a transaction that holds the lock on the run's row; `state` is undefined if the run has no row.
 * Attempts at the run's tasks hold a share lock on that row, so their server processes are terminated first, again
 * before each try, because one may have begun in between. Another process that ends the run is waited for, unless it is
 * stale (attempts.ts). A discard waits for a publish even if the publish does not hold the lock yet.
 */
export function endRun(
  pool: Pool,
  runId: bigint,
  ending: Ending,
  { activityId, signal = new AbortController().signal, onPublishing }: Ender,
  end: (client: Client, state: RunState | undefined) => Promise<void>,
): Promise<void> {
  const own: Attempt = { runId, activityId, target: { kind: ending } };
  return withAttempt(pool, own, signal, async (client, registered) => {
    let reported = false;
    for (;;) {
      const publishing = await endStaleAttempts(client, own, registered);
      if (publishing && ending === 'discard') {
        if (!reported) onPublishing?.();
        reported = true;
        await sleep(PUBLISH_POLL_MS, undefined, { signal });
        continue;
      }
      const locked = await lockRun(client, runId);
      if (locked === 'not available') continue;
      await end(client, locked.state);
      await forget(client, registered);
      await client.query('commit');
      return;
    }
  });
}

/**
 * Begins a transaction and locks the run's row. If the lock is not available within LOCK_WAIT_MS, the transaction is
 * rolled back. If this process freezes, PostgreSQL ends the idle transaction after IDLE_MS_MAX and so releases the
 * lock.
 */
async function lockRun(client: Client, runId: bigint): Promise<{ state: RunState | undefined } | 'not available'> {
  await begin(client, READ_COMMITTED, {
    lock_timeout: String(LOCK_WAIT_MS),
    idle_in_transaction_session_timeout: String(IDLE_MS_MAX),
  });
  try {
    const { rows } = await client.query<{ state: RunState }>(
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

/** Deletes every row that the run has written, except its own row in meterfold.runs. */
export async function deleteRowsOf(client: Client, runId: bigint): Promise<void> {
  for (const { name } of RUN_TABLES) {
    await client.query(`delete from meterfold.${name} where run_id = $1`, [runId.toString()]);
  }
}

/** Stores the digest of an ended run's row and tasks, by which `verify` finds a later change. */
export async function storeRowDigest(client: Client, runId: bigint): Promise<void> {
  await client.query(
    prepared('update meterfold.runs set row_digest = meterfold.run_digest(run_id) where run_id = $1', [
      runId.toString(),
    ]),
  );
}
