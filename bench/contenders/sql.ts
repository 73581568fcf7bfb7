/** The job in PostgreSQL alone: as one statement, and tuned for two cores. */
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import type { Stack } from '../../test/support/stack.js';
import { secondsOf } from '../figures.js';
import type { Contender } from './contender.js';
import { SERVER_SETTINGS } from './settings.js';

const TABLE = 'user_id text, cycle bigint, calls int, usage bigint, cost numeric';

/** Its primary key exists from the start. */
export async function statement({ pool }: Stack): Promise<Contender> {
  const sql = await readFile(new URL('statement.sql', import.meta.url), 'utf8');
  return {
    title: 'one SQL statement',
    does: 'reads id, user_id, usage; writes one row per cycle (user, cycle, calls, usage, cost) with its primary key',
    settings: SERVER_SETTINGS,
    clear: () => recreate(pool, 'public.baseline_sql', `${TABLE}, primary key (user_id, cycle)`),
    run: async () => ({ seconds: await secondsOf(() => pool.query(sql)) }),
    processes: () => ({}),
  };
}

const SESSIONS = 2;
const TUNED_SESSION = 'set enable_indexscan = off';

/** docs/evaluation/performance.md describes the alternatives that were tried. */
export function tuned({ pool, databaseUrl }: Stack): Contender {
  return {
    title: 'a tuned SQL job, two sessions',
    does: 'does the same in two sessions by hash of the user, sorted in memory, and builds the primary key at the end',
    settings: SERVER_SETTINGS,
    clear: () => recreate(pool, 'public.baseline_tuned', TABLE),
    run: async () => {
      const clients = Array.from({ length: SESSIONS }, () => new pg.Client({ connectionString: databaseUrl }));
      try {
        for (const client of clients) {
          await client.connect();
          await client.query(TUNED_SESSION);
        }
        const seconds = await secondsOf(async () => {
          await Promise.all(clients.map((client, session) => client.query(tunedSql(session))));
          await clients[0]!.query('alter table public.baseline_tuned add primary key (user_id, cycle)');
        });
        return { seconds };
      } finally {
        for (const client of clients) await client.end();
      }
    },
    processes: () => ({}),
  };
}

/**
 * Sorts users by hash, then by name: comparing integers is much cheaper than comparing long names with a common prefix.
 */
const tunedSql = (session: number) => `
  insert into public.baseline_tuned
  select user_id, cycle, count(*), sum(usage), sum(usage) * 0.0004
    from (select hash, user_id, usage, (row_number() over (partition by hash, user_id order by id) - 1) / 5 as cycle
            from (select hashtext(user_id) as hash, user_id, usage, id from public.api_logs) hashed
           where hash & 1 = ${session}) call
   group by hash, user_id, cycle`;

async function recreate(pool: pg.Pool, table: string, columns: string): Promise<void> {
  await pool.query(`drop table if exists ${table}; create table ${table} (${columns})`);
}
