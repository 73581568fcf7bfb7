/**
 * Holds a run in a phase for as long as it takes: with a table locked, all that write to it wait, and nothing depends on who
 * is faster.
 */
import type pg from 'pg';
import { eventually } from '../support/eventually.js';
import type { Stack } from '../support/stack.js';

/** Plan inserts into `tasks`, map into `segments`; reduce copies into `records`. Discard deletes from all, publish sweeps `segments`. */
export type HeldTable = 'tasks' | 'segments' | 'records';

export interface Hold {
  /** Waits until so many sessions wait for the table, by a statement that begins with this word. */
  waitFor(statement: 'insert' | 'copy' | 'delete', sessions: number): Promise<void>;
  release(): Promise<void>;
}

/** Locks a table against writers; where its readers may go on, only against these. */
export async function hold(
  stack: Stack,
  table: HeldTable,
  against: 'everybody' | 'writers' = 'everybody',
): Promise<Hold> {
  const mode = against === 'everybody' ? 'access exclusive' : 'share';
  const release = await openTransaction(stack, `lock table meterfold.${table} in ${mode} mode`);
  return { release, waitFor: (statement, sessions) => waitForSessions(stack.pool, table, statement, sessions) };
}

/** Leaves a transaction open after a statement; answers with what rolls it back. */
async function openTransaction(stack: Stack, sql: string): Promise<() => Promise<void>> {
  const client = await stack.pool.connect();
  let over = false;
  const rollBack = async () => {
    if (over) return;
    over = true;
    await client.query('rollback');
    client.release();
  };
  stack.onClose(rollBack);
  await client.query('begin');
  await client.query(sql);
  return rollBack;
}

async function waitForSessions(pool: pg.Pool, table: HeldTable, statement: string, sessions: number): Promise<void> {
  await eventually(`${sessions} sessions wait to ${statement}, held by a lock of meterfold.${table}`, async () => {
    const { rowCount } = await pool.query(
      `select distinct waiting.pid
         from pg_locks waiting
         join pg_stat_activity session on session.pid = waiting.pid
        where not waiting.granted
          and waiting.relation = $1::regclass
          and ltrim(session.query, E' \\n') ilike $2 || '%'`,
      [`meterfold.${table}`, statement],
    );
    return rowCount === sessions;
  });
}
