/**
 * The id of the installation, a random value that migration 0002 inserts. A replica, a failed-over server and a
 * restored backup belong to the same installation and have the same id. A copy gets its own id by `update
 * meterfold.installation set installation_id = gen_random_uuid()`.
 */
import { one, type Queryable } from '../postgres/pool.js';

export async function readInstallation(queryable: Queryable): Promise<string> {
  const { id } = one(await queryable.query<{ id: string }>('select installation_id as id from meterfold.installation'));
  return id;
}
