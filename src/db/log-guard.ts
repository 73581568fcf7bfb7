/** The log's guard: triggers that refuse to change or delete a call (migrations/0005-log-guard.sql). */
import { one, type Queryable } from './pool.js';

/** Sets the guard on the log and all its present partitions, or lifts it. */
export async function setLogGuard(db: Queryable, guarded: boolean): Promise<void> {
  await db.query('select meterfold.guard_log($1)', [guarded]);
}

/** True if the log, and each of its partitions, refuses UPDATE, DELETE and TRUNCATE. */
export async function isLogGuarded(db: Queryable): Promise<boolean> {
  const { guarded } = one(
    await db.query<{ guarded: boolean }>(`
      with part as (select 'public.api_logs'::regclass as id union select relid from pg_partition_tree('public.api_logs'))
      select bool_and((select count(*) = 2 from pg_trigger
                        where tgrelid = part.id and tgenabled <> 'D' and tgname in ('meterfold_guard', 'meterfold_guard_truncate'))) as guarded
        from part`),
  );
  return guarded;
}
