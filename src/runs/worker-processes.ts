/**
 * The worker processes that are connected to the database. Each one names itself by the application name of its
 * connections.
 */
import { one, prepared, type Queryable } from '../postgres/pool.js';

/**
 * PostgreSQL truncates the name to 63 bytes, so a long host name may cut the process id. On Kubernetes each pod has one
 * worker and its own address.
 */
export function workerApplicationName(worker: string): string {
  return `${PREFIX}${worker}`;
}

const PREFIX = 'meterfold worker ';

/**
 * How many activities all connected workers can run at a time, if each runs `perWorker`. Workers are distinguished by
 * name and client address. Workers that the role may not see are not counted.
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
