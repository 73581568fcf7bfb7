/**
 * Which installation a database is: a random id that migration 0002 inserts. A replica, a failed-over server and a
 * restored backup keep it, as they are the same installation; so does a copy, until `update meterfold.installation set
 * installation_id = gen_random_uuid()`.
 */
import { one, type Queryable } from '../postgres/pool.js';

export async function readInstallation(queryable: Queryable): Promise<string> {
  const { id } = one(await queryable.query<{ id: string }>('select installation_id as id from meterfold.installation'));
  return id;
}
