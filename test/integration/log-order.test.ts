/**
 * Where calls lie on disk is not where they stand in the log. Map reads page by page where it is, as far as a sample shows, and by the
 * index where it is not, or turns out not to be.
 */
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { startWorker } from '../support/processes.js';
import { bill, expectExact, reset } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await stack.pool.query('alter table public.api_logs set (autovacuum_enabled = off)');
  await startWorker(stack, { env: { BAD_CALLS: 'quarantine' } });
});
afterAll(() => stack.close());
beforeEach(() => reset(stack));

const CALLS = 4000;

/** Calls of 37 users whose rows are written in an order; each 500th can't be billed. */
async function insertCalls(order: string, { pool } = stack): Promise<void> {
  await pool.query(`alter table public.api_logs drop constraint if exists api_logs_usage_check`);
  await pool.query(
    `insert into public.api_logs (id, user_id, usage, called_at)
     select n as id, 'user-' || n % 37, case when n % 500 = 250 then -1 else n end as usage, timestamptz '2026-10-01 00:00:00+00' + n * interval '1 second'
       from generate_series(1, ${CALLS}) as n
      order by ${order}`,
  );
  await pool.query(`select setval(pg_get_serial_sequence('public.api_logs', 'id'), ${CALLS})`);
  // Or the recount would look them up as well.
  await pool.query('analyze public.api_logs');
}

test.each([
  ['in the order of the log', 'n'],
  ['backwards', 'n desc'],
  ['in no order', 'md5(n::text)'],
  // 1,700 is between two of the stretches that are looked at.
  ['in order but for one, which the sample does not see', 'case when n = 1700 then 3999.5 else n end'],
  ['in order but for the first, which comes last', 'case when n = 1 then 5000 else n end'],
])('calls that lie %s', async (_how, order) => {
  await insertCalls(order);
  const result = await bill(stack, { partitions: 1 });
  await expectExact(stack, result);
  expect(result.quarantined).toMatchObject({ calls: '8' });
});

test('only those that lie in order are read page by page', { timeout: 60_000 }, async () => {
  const stack = await freshStack();
  onTestFinished(() => stack.close());
  await startWorker(stack);
  /** How many rows of the log were looked up by its index, one by one. A server process tells when it has been idle for a while. */
  const lookedUp = async () => {
    const { rows } = await stack.pool.query<{ rows: string }>(
      `select idx_tup_fetch as rows from pg_stat_user_indexes where indexrelname = 'api_logs_pkey'`,
    );
    return Number(rows[0]!.rows);
  };
  const billAll = async (order: string) => {
    await reset(stack);
    await insertCalls(order, stack);
    await bill(stack, { partitions: 1, badCalls: 'quarantine' });
  };
  await billAll('n');
  const sampled = await eventually('the lookups of the sample are told', lookedUp, 20_000);
  expect(sampled).toBeLessThan(CALLS / 2);
  await billAll('md5(n::text)');
  await eventually('those of all calls are told', async () => (await lookedUp()) >= CALLS, 20_000);
});

test('calls of several partitions of which one lies in order', async () => {
  await insertCalls('case when n between 1000 and 2000 then 3000 - n else n end');
  await expectExact(stack, await bill(stack, { partitions: 4, shards: 2 }));
});
