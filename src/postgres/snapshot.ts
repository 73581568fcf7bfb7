/**
 * Long reads. All statements of a read use the same snapshot. Rows stream in batches, so a result of millions of rows
 * needs the memory of two batches only.
 */
import type pg from 'pg';
import { type Client, type Pool, transaction } from './pool.js';

const batchRows = 1_000;

/**
 * Runs `work` in a read-only transaction with one snapshot: a new one, or `exported`, which an open transaction has
 * exported.
 */
export function readSnapshot<T>(pool: Pool, work: (client: Client) => Promise<T>, exported?: string): Promise<T> {
  const own = 'isolation level repeatable read, read only';
  const mode = exported === undefined ? own : `${own}; set transaction snapshot '${exported}'`;
  // A reader of a long result, such as a pager, may pause for any time.
  return transaction(pool, work, { mode, idleMsMax: 0 });
}

/**
 * Yields the rows of a query in batches, read with a cursor; at most two batches are in memory. The client must be in a
 * transaction, and runs one such read at a time.
 */
export async function* batches<Row extends pg.QueryResultRow>(
  client: Client,
  sql: string,
  values: unknown[],
): AsyncGenerator<Row[]> {
  // All rows will be fetched. By default the planner prefers plans that return the first rows quickly.
  await client.query('set local cursor_tuple_fraction = 1.0');
  await client.query(`declare batches no scroll cursor for ${sql}`, values);
  const fetch = () => client.query<Row>(`fetch ${batchRows} from batches`);
  let next = fetch();
  for (;;) {
    const { rows } = await next;
    if (rows.length === 0) break;
    // The server prepares the next batch while the caller uses this one.
    next = fetch();
    next.catch(() => {});
    yield rows;
  }
  await client.query('close batches');
}
