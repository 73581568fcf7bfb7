/**
 * Long reads: all statements of one see the same moment of the database, and rows stream in batches, so that a result
 * of millions takes no more memory than one batch.
 */
import type pg from 'pg';
import { type Client, type Pool, transaction } from './pool.js';

const batchRows = 1_000;

/** Runs `work` in a read-only transaction on one snapshot: its own, or one that an open transaction has exported. */
export function readSnapshot<T>(pool: Pool, work: (client: Client) => Promise<T>, exported?: string): Promise<T> {
  const own = 'isolation level repeatable read, read only';
  const mode = exported === undefined ? own : `${own}; set transaction snapshot '${exported}'`;
  // Who reads a long result may take breaks, as a pager does.
  return transaction(pool, work, { mode, idleMsMax: 0 });
}

/** The rows of a query in batches, by a cursor; two batches are in memory at most. One at a time on a client, which must be in a transaction. */
export async function* batches<Row extends pg.QueryResultRow>(
  client: Client,
  sql: string,
  values: unknown[],
): AsyncGenerator<Row[]> {
  // All rows will be fetched: without this the planner prefers plans that are quick for the first few.
  await client.query('set local cursor_tuple_fraction = 1.0');
  await client.query(`declare batches no scroll cursor for ${sql}`, values);
  const fetch = () => client.query<Row>(`fetch ${batchRows} from batches`);
  let next = fetch();
  for (;;) {
    const { rows } = await next;
    if (rows.length === 0) break;
    // The server works on the next batch while this one is used.
    next = fetch();
    next.catch(() => {});
    yield rows;
  }
  await client.query('close batches');
}
