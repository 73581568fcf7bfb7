/**
 * Backup attempts (Dean and Ghemawat, MapReduce, 2004, section 3.6): a second activity works on a task whose first
 * attempt is slow, and the attempt that finishes first wins.
 *
 * Neither attempt may wait for the other. The first one holds the lock on the task's row, and if both wrote rows with
 * the same key, the second would block until the first commits. So a backup writes to temporary tables. When its work
 * is done, it ends the first attempt's server process, locks the task's row, and copies its rows to the shared tables
 * in the transaction that stores the outcome.
 *
 * Code that writes for a task does not know which attempt it serves. It names its table without a schema, and the
 * search path of the transaction decides which table that is:
 *
 *   first attempt    search_path = meterfold, pg_temp    the shared tables
 *   backup           search_path = pg_temp               temporary tables of the same names
 *
 * Only the tables in TABLES are named this way (test/unit/backups/unqualified-tables.test.ts). Outside a task the
 * search path is pg_catalog, where none of these names exists, so a misplaced write fails. PostgreSQL plans a prepared
 * statement again when the search path changes.
 */

import type { Client, Pool } from '../postgres/pool.js';
import { endAttempts } from '../runs/attempts.js';
import { fence } from '../runs/run.js';
import {
  type LockedTask,
  lockTask,
  readTask,
  type StoredOutcome,
  storedOutcome,
  type TaskKey,
  type TaskKind,
} from '../runs/tasks.js';

/** The tables that a task of each kind writes to. */
const TABLES: Readonly<Record<TaskKind, readonly string[]>> = {
  map: ['spills', 'segments', 'quarantine'],
  reduce: ['records', 'open_cycles'],
  recount: [],
};
const LOCK_WAIT_MS = 1000;
const LOCK_NOT_AVAILABLE = '55P03';
const INSUFFICIENT_PRIVILEGE = '42501';

/** The role cannot create temporary tables, so no backup attempt can run. The first attempt continues. */
export class BackupRefusedError extends Error {
  override name = 'BackupRefusedError';
}

/** The search path of the transaction in which an attempt works on a task. */
export function searchPathOf(attempt: { backup: boolean }): string {
  return attempt.backup ? 'pg_temp' : 'meterfold, pg_temp';
}

/** The transaction in which an attempt works on a task. */
export interface TaskTransaction {
  pool: Pool;
  client: Client;
  runId: bigint;
  key: TaskKey;
  /** The server process of `client`. */
  pid: number;
}

/** The outcome of this attempt's own work, or the outcome that another attempt has stored. */
export type TaskResult<Outcome> = { outcome: Outcome } | { stored: StoredOutcome<Outcome> };

/** Works on a task beside its first attempt. Throws BackupRefusedError, or RunGoneError if the run is not active. */
export async function workAsBackup<Outcome>(
  { pool, client, runId, key, pid }: TaskTransaction,
  work: (locked: LockedTask<Outcome>) => Promise<Outcome>,
): Promise<TaskResult<Outcome>> {
  // The first attempt holds the lock on the task's row: the row is only read.
  const run = await fence(client, runId);
  const task = await readTask<Outcome>(client, runId, key);
  const earlier = storedOutcome(task);
  if (earlier !== undefined) return { stored: earlier };
  await createTables(client, key.kind);
  const outcome = await work({ run, task });
  const stored = storedOutcome(await takeTask<Outcome>(pool, client, runId, key, pid));
  if (stored !== undefined) return { stored };
  await copyRows(client, key.kind);
  return { outcome };
}

/**
 * Creates the temporary tables that a backup writes to. PostgreSQL drops them when the transaction ends. Throws
 * BackupRefusedError.
 */
export async function createTables(client: Client, kind: TaskKind): Promise<void> {
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
 * Ends the server processes that work on the task, and locks the task's row. Repeats this until it has the lock,
 * because the first activity may have begun another attempt in between. The row's outcome is not null if an attempt
 * stored it before.
 */
async function takeTask<Outcome>(pool: Pool, client: Client, runId: bigint, key: TaskKey, ownPid: number) {
  for (;;) {
    await endAttempts(pool, runId, ownPid, key);
    await client.query(`savepoint taking; set local lock_timeout = ${LOCK_WAIT_MS}`);
    try {
      const { task } = await lockTask<Outcome>(client, runId, key);
      await client.query('set local lock_timeout = 0');
      return task;
    } catch (error) {
      if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
      await client.query('rollback to savepoint taking');
    }
  }
}

/** Copies the backup's rows from its temporary tables to the shared tables. */
async function copyRows(client: Client, kind: TaskKind): Promise<void> {
  for (const table of TABLES[kind]) {
    await client.query(`insert into meterfold.${table} select * from pg_temp.${table}`);
  }
}
