/** The log's guard: triggers that refuse to change or delete a call (migrations/0005-log-guard.sql). */
import { WITH_LOG_RELATIONS } from '../log/ids.js';
import type { Pool, Queryable } from '../postgres/pool.js';
import { lockLog, type Patience, patiently } from './patient-locks.js';

/**
 * Sets or lifts the guard on the log and its present partitions and child tables. Throws MigrationError if they remain
 * in use.
 */
export async function setLogGuard(pool: Pool, guarded: boolean, patience?: Patience): Promise<void> {
  await patiently(
    pool,
    async (client) => {
      await lockLog(client);
      await client.query('select meterfold.guard_log($1)', [guarded]);
    },
    patience,
  );
}

/**
 * Names of those tables, among the log and its partitions and child tables, that do not refuse UPDATE, DELETE and
 * TRUNCATE. A new partition lacks the TRUNCATE trigger, a new child table both triggers.
 */
export async function unguardedTables(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(`
    ${WITH_LOG_RELATIONS}
    select relation::regclass::text as name
      from log
     where (select count(*) from pg_trigger
             where tgrelid = relation and tgenabled in ('O', 'A')
               and tgname in ('meterfold_guard', 'meterfold_guard_truncate')
               and tgfoid = 'meterfold.refuse_log_change()'::regprocedure) < 2
     order by relation <> 'public.api_logs'::regclass, name`);
  return rows.map(({ name }) => name);
}
