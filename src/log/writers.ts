/** Lists the transactions that write to the log, from the server's locks. Writers need no knowledge of meterfold. */

import type { Writer } from '../contract/writer.js';
import { prepared, type Queryable } from '../postgres/pool.js';
import { WITH_LOG_RELATIONS } from './ids.js';

/**
 * Returns the transactions that may have written to the log and have not ended: those that hold a RowExclusiveLock on
 * the log, on one of its partitions, or on its sequence. Other modes do not count, so autovacuum is not a writer. An
 * insert locks its table before it takes ids. An id can only be taken with the lock on the sequence, which is held
 * until the transaction ends, regardless of savepoints. Therefore transactions that take ids first and insert later are
 * found too.
 *
 * None is missed: a lock is in its session's fast-path slots or in the shared lock table, locks only move from the
 * former to the latter, and pg_locks reads the lock table last. A prepared transaction keeps its virtual transaction,
 * without a pid; after a restart its virtual transaction is -1/ and its transaction id.
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
        -- A prepared transaction is listed by its transaction id; the lock on that id gives its virtual transaction.
        select virtualtransaction as transaction, gid, owner, prepared as at
          from granted
          join pg_prepared_xacts on pg_prepared_xacts.transaction = transactionid
         where locktype = 'transactionid' and pid is null
      )
      select writer.transaction, writer.pid, activity.application_name as application, prepared.gid,
             coalesce(activity.usename, prepared.owner) as "user",
             to_char(coalesce(activity.xact_start, prepared.at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "startedAt",
             -- The activity of a session is visible to its own role and to pg_read_all_stats.
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
 * Returns the writers of `listed` that may not have ended.
 *
 * A virtual transaction id is never reused while the server runs, and a prepared transaction keeps its own. A restart
 * or a crash ends all transactions except the prepared ones, which then get a different id; so each transaction that
 * was prepared before a restart counts as one of `listed`. After a restart the numbers start over, so an unrelated
 * transaction may match a listed id. Waiting for one too many is safe.
 */
export function stillWriting(listed: readonly Writer[], now: readonly Writer[]): Writer[] {
  if (listed.length === 0) return [];
  const transactions = new Set(listed.map((writer) => writer.transaction));
  return now.filter(({ transaction }) => transactions.has(transaction) || transaction.startsWith(RECOVERED));
}
