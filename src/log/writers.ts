/** Who writes to the log at this moment, read off the server's locks: no writer has to know of meterfold. */

import type { Writer } from '../contract/writer.js';
import { prepared, type Queryable } from '../postgres/pool.js';
import { WITH_LOG_RELATIONS } from './ids.js';

/**
 * Transactions that may have written to the log and have not ended: whoever holds a RowExclusiveLock on the log, on one of its
 * partitions, or on its sequence. That mode and no other: autovacuum is no writer. A statement takes the lock on what it inserts into
 * before it asks for ids, and an id can't be had without the lock on the sequence, which is held until the transaction ends,
 * whatever becomes of its savepoints; so those are seen, too, who ask for ids first and insert later.
 *
 * All of them are seen: a lock is found by the fast path of its session or in the table of locks, which is read after those, and
 * locks only ever move from there to here. A prepared transaction keeps the virtual transaction that it had, without a pid; after a
 * restart it goes by -1 and its transaction id.
 */
export async function listWriters(db: Queryable): Promise<Writer[]> {
  const { rows } = await db.query<Writer>(
    prepared(
      `${WITH_LOG_RELATIONS}, granted as materialized (
        select locktype, mode, database, relation, transactionid, virtualtransaction, pid from pg_locks where granted
      ), writer as (
        select virtualtransaction as transaction, min(pid) as pid
          from granted
         where locktype = 'relation'
           and mode = 'RowExclusiveLock'
           and database = (select oid from pg_database where datname = current_database())
           and (relation in (select relation from log)
                or relation = pg_get_serial_sequence('public.api_logs', 'id')::regclass)
           and pid is distinct from pg_backend_pid()
         group by virtualtransaction
      ), prepared as (
        -- A prepared transaction is known by its transaction id, and the lock on that says its virtual transaction.
        select virtualtransaction as transaction, gid, owner, prepared as at
          from granted
          join pg_prepared_xacts on pg_prepared_xacts.transaction = transactionid
         where locktype = 'transactionid' and pid is null
      )
      select writer.transaction, writer.pid, activity.application_name as application, prepared.gid,
             coalesce(activity.usename, prepared.owner) as "user",
             to_char(coalesce(activity.xact_start, prepared.at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "startedAt",
             -- What a session does is visible to its own role and to pg_read_all_stats.
             case when not pg_has_role(activity.usesysid, 'usage') and not pg_has_role('pg_read_all_stats', 'usage')
                  then format('start not visible to this role: grant pg_read_all_stats to %I;', current_user)
             end as hidden
        from writer
        left join pg_stat_activity activity on activity.pid = writer.pid
        left join prepared on writer.pid is null and prepared.transaction = writer.transaction
       order by "startedAt", transaction`,
    ),
  );
  return rows;
}

const RECOVERED = '-1/';

/**
 * Those of `listed` that have not ended.
 *
 * A virtual transaction is never given twice while the server runs, and one that is prepared keeps it. A restart, also one after a
 * crash, ends them all but those that were prepared, and these go by another name from then on: so each that was prepared before
 * a restart counts as one of `listed`. After a restart the numbers start over, and somebody else may go by a listed one:
 * waiting for one too many is safe.
 */
export function stillWriting(listed: readonly Writer[], now: readonly Writer[]): Writer[] {
  if (listed.length === 0) return [];
  const transactions = new Set(listed.map((writer) => writer.transaction));
  return now.filter(({ transaction }) => transactions.has(transaction) || transaction.startsWith(RECOVERED));
}
