/**
 * The order of calls on disk can differ from the order of the log. Map reads pages in their order on disk if a sample
 * shows the order of the log, and by the index if the sample does not show it or the order turns out to differ.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
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

/** Inserts calls of 37 users, whose rows are written in the given order. One of every 500 cannot be billed. */
async function insertCalls(order: string, { pool } = stack): Promise<void> {
  await pool.query(`alter table public.api_logs drop constraint if exists api_logs_billable`);
  await pool.query(
    `insert into public.api_logs (id, user_id, usage, called_at)
     select n as id, 'user-' || n % 37, case when n % 500 = 250 then -1 else n end as usage, timestamptz '2026-10-01 00:00:00+00' + n * interval '1 second'
       from generate_series(1, ${CALLS}) as n
      order by ${order}`,
  );
  await pool.query(`select setval(pg_get_serial_sequence('public.api_logs', 'id'), ${CALLS})`);
  // Without statistics the recount would use the index too.
  await pool.query('analyze public.api_logs');
}

test.each([
  ['in the order of the log', 'n'],
  ['in reverse order', 'n desc'],
  ['in no order', 'md5(n::text)'],
  // 1,700 is between two of the ranges that the sample reads.
  ['in order except for one, which the sample does not see', 'case when n = 1700 then 3999.5 else n end'],
  ['in order except for the first, which comes last', 'case when n = 1 then 5000 else n end'],
  ['in order except for one before all others, which the sample does not see', 'case when n = 1700 then 0 else n end'],
  [
    'in order except for one after all others, which the sample does not see',
    'case when n = 1700 then 5000 else n end',
  ],
])('calls on disk %s', async (_how, order) => {
  await insertCalls(order);
  const result = await bill(stack, { partitions: 1 });
  await expectExact(stack, result);
  expect(result.quarantined).toMatchObject({ calls: '8' });
});

test('calls of a partition that map reads in subranges, each by its own order on disk', async () => {
  const stack = await freshStack();
  onTestFinished(() => stack.close());
  await stack.pool.query('alter table public.api_logs set (autovacuum_enabled = off)');
  await startWorker(stack, { env: { BAD_CALLS: 'quarantine', SPILL_CALLS: '700' } });
  // The sample of the second subrange sees that it is in no order; that of the fourth, 2,001 to 2,667, does not.
  await insertCalls(
    'case when n between 700 and 1300 then n + 0.1 * (n * 7919 % 601) when n = 2400 then 2600.5 else n end',
    stack,
  );
  const result = await bill(stack, { partitions: 1 });
  await expectExact(stack, result);
  expect(result.quarantined).toMatchObject({ calls: '8' });
  const { rows } = await stack.pool.query(
    `select outcome->>'spills' as spills from meterfold.tasks where kind = 'map'`,
  );
  expect(rows).toEqual([{ spills: '6' }]);
});

test('only calls in order are read without the index', { timeout: 60_000 }, async () => {
  const stack = await freshStack();
  onTestFinished(() => stack.close());
  await startWorker(stack);
  /** How many rows of the log were read by its index. Server processes report that with a delay. */
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
  const sampled = await eventually('the lookups of the sample are reported', lookedUp, 20_000);
  expect(sampled).toBeLessThan(CALLS / 2);
  await billAll('md5(n::text)');
  await eventually('the lookups of all calls are reported', async () => (await lookedUp()) >= CALLS, 20_000);
});

test('calls of several partitions, one of which is in order', async () => {
  await insertCalls('case when n between 1000 and 2000 then 3000 - n else n end');
  await expectExact(stack, await bill(stack, { partitions: 4, shards: 2 }));
});

test('a call on a page of another partition', async () => {
  // The sample of the second partition does not read it.
  await insertCalls('case when n = 2700 then 0 else n end');
  await expectExact(stack, await bill(stack, { partitions: 2 }));
});

test('gaps in the ids that the sample does not see', async () => {
  await insertCalls('n');
  await stack.pool.query('delete from public.api_logs where id in (700, 1701, 1702)');
  await expectExact(stack, await bill(stack, { partitions: 2 }));
});

test('calls of an earlier run in between', async () => {
  await insertCalls('n');
  // Makes room in the middle, into which calls with larger ids are inserted.
  await stack.pool.query('delete from public.api_logs where id between 1600 and 1700');
  await stack.pool.query('vacuum public.api_logs');
  const { range } = await bill(stack, { partitions: 1 });
  expect(range.to).toBe(String(CALLS));
  await stack.pool.query(
    `insert into public.api_logs (user_id, usage, called_at) select 'late-' || n % 3, n, now() from generate_series(1, 60) as n`,
  );
  const { rows } = await stack.pool.query<{ between: boolean }>(
    `select bool_or(ctid < (select ctid from public.api_logs where id = 3000)) as between from public.api_logs where id > ${CALLS}`,
  );
  expect(rows[0]!.between).toBe(true);
  await expectExact(stack, await bill(stack, { partitions: 1 }));
});

describe('a partitioned log', () => {
  test.each([
    ['each partition of which is read by its own task', 4],
    ['two partitions of which are read by one task', 1],
  ])('%s', async (_how, partitions) => {
    const stack = await freshStack();
    onTestFinished(() => stack.close());
    await stack.pool.query(`
      alter table public.api_logs rename to plain;
      create table public.api_logs (like public.plain including all) partition by range (id);
      create table public."low ""calls" partition of public.api_logs for values from (0) to (2001);
      create table public.high partition of public.api_logs for values from (2001) to (100000);
      drop table public.plain`);
    await startWorker(stack, { env: { BAD_CALLS: 'quarantine' } });
    await insertCalls('n', stack);
    await expectExact(stack, await bill(stack, { partitions }));
  });
});
