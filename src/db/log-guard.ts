/** The log's guard: triggers that refuse to change or delete a call (migrations/0005-log-guard.sql). */
import type { Queryable } from './pool.js';

/** Sets the guard on the log and all its present partitions, or lifts it. */
export async function setLogGuard(db: Queryable, guarded: boolean): Promise<void> {
  await db.query('select meterfold.guard_log($1)', [guarded]);
}

/** Of the log and its partitions, which do not refuse UPDATE, DELETE and TRUNCATE, by name; those of TRUNCATE are not handed on to new ones. */
export async function unguardedTables(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(`
    with part as (select 'public.api_logs'::regclass as id union select relid from pg_partition_tree('public.api_logs'))
    select id::text as name
      from part
     where (select count(*) from pg_trigger
             where tgrelid = part.id and tgenabled in ('O', 'A') and tgname in ('meterfold_guard', 'meterfold_guard_truncate')) < 2
     order by id <> 'public.api_logs'::regclass, name`);
  return rows.map(({ name }) => name);
}
