/** Which worker processes are there: each names itself to the database, by the connections that it keeps. */
import { one, prepared, type Queryable } from '../postgres/pool.js';

/** PostgreSQL keeps 63 bytes of it; that workers are told apart does not hang on the rest. */
export function workerApplicationName(worker: string): string {
  return `${PREFIX}${worker}`;
}

const PREFIX = 'meterfold worker ';

/**
 * How many activities the workers that are connected do at a time, as far as the role may see them, where each does `perWorker`. A
 * process is told by its name and where it connects from.
 */
export async function countSlots(db: Queryable, perWorker: number): Promise<number> {
  const { workers } = one(
    await db.query<{ workers: number }>(
      prepared(
        `select count(distinct (application_name, client_addr))::integer as workers
           from pg_stat_activity
          where datname = current_database() and starts_with(application_name, $1)`,
        [PREFIX],
      ),
    ),
  );
  return perWorker * Math.max(1, workers);
}
