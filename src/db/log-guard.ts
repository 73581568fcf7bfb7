/** The log's guard: triggers that refuse to change or delete a call (migrations/0005-log-guard.sql). */
import { WITH_LOG_RELATIONS } from './log-ids.js';
import type { Queryable } from './pool.js';

/** Sets the guard on the log and all its present partitions, or lifts it. */
export async function setLogGuard(db: Queryable, guarded: boolean): Promise<void> {
  await db.query('select meterfold.guard_log($1)', [guarded]);
}

/**
 * Of the log, its partitions and its child tables, those that do not refuse UPDATE, DELETE and TRUNCATE, by name. New partitions
 * lack the trigger for TRUNCATE, new children both.
 */
export async function unguardedTables(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(`
    ${WITH_LOG_RELATIONS}
    select relation::regclass::text as name
      from log
     where (select count(*) from pg_trigger
             where tgrelid = relation and tgenabled in ('O', 'A') and tgname in ('meterfold_guard', 'meterfold_guard_truncate')
               and tgfoid = 'meterfold.refuse_log_change()'::regprocedure) < 2
     order by relation <> 'public.api_logs'::regclass, name`);
  return rows.map(({ name }) => name);
}
