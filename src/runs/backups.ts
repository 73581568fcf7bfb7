/**
 * Backup attempts (Dean and Ghemawat, MapReduce, 2004, section 3.6): a second activity works on a task whose first one straggles, and
 * whichever is done first wins. The two must not wait for each other: the first holds the task's row, and rows of one key
 * that both wrote would block the second. So a backup writes to temporary tables. When its work is done it ends the
 * first one's server process, takes the task's row, and moves its rows over in the same transaction as the outcome.
 */

import type { Client, Pool } from '../postgres/pool.js';
import { endAttempts } from './attempts.js';
import { lockTask, type TaskKey, type TaskKind, type TaskRow } from './tasks.js';

/** Where a backup writes. */
export const BACKUP_SCHEMA = 'pg_temp';

const TABLES: Readonly<Record<TaskKind, readonly string[]>> = {
  map: ['spills', 'segments', 'quarantine'],
  reduce: ['records', 'open_cycles'],
  recount: [],
};
const LOCK_WAIT_MS = 1000;
const LOCK_NOT_AVAILABLE = '55P03';

/** The role may not make temporary tables: there are no backup attempts, and the first ones go on. */
export class BackupRefusedError extends Error {
  override name = 'BackupRefusedError';
}

const INSUFFICIENT_PRIVILEGE = '42501';

/** Makes the tables that a backup writes to; they end with its transaction. Throws BackupRefusedError. */
export async function openBackup(client: Client, kind: TaskKind): Promise<void> {
  for (const table of TABLES[kind]) {
    await client
      .query(`create temporary table ${table} (like meterfold.${table} including storage) on commit drop`)
      .catch((error: Error & { code?: string }) => {
        if (error.code !== INSUFFICIENT_PRIVILEGE) throw error;
        throw new BackupRefusedError(
          `a backup attempt needs temporary tables (${error.message}): grant the role TEMPORARY on the database, or set BACKUP_ATTEMPTS=off`,
          { cause: error },
        );
      });
  }
}

/**
 * Takes the task's row from whoever works on it, as often as it takes: a next attempt of the first activity may have begun in
 * between. The row tells whether that one was done before.
 */
export async function takeTask<Outcome>(
  pool: Pool,
  client: Client,
  runId: bigint,
  task: TaskKey,
  ownPid: number,
): Promise<TaskRow<Outcome>> {
  for (;;) {
    await endAttempts(pool, runId, ownPid, task);
    await client.query(`savepoint taking; set local lock_timeout = ${LOCK_WAIT_MS}`);
    try {
      const { task: row } = await lockTask<Outcome>(client, runId, task);
      await client.query('set local lock_timeout = 0');
      return row;
    } catch (error) {
      if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
      await client.query('rollback to savepoint taking');
    }
  }
}

/** Moves what a backup has written to where it belongs. */
export async function moveBackup(client: Client, kind: TaskKind): Promise<void> {
  for (const table of TABLES[kind]) {
    await client.query(`insert into meterfold.${table} select * from ${BACKUP_SCHEMA}.${table}`);
  }
}
