/**
 * Of two attempts at one task the second waits for the first by a lock of PostgreSQL, and then finds what the first has
 * committed.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as logs from '../support/logs.js';
import { holdTask, startPaused } from '../support/phases.js';
import { startWorker } from '../support/processes.js';
import { activitiesOf, expectExact, progressOf, published, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await logs.skewed(stack.pool, { calls: 1003 });
  await startWorker(stack, { env: { BACKUP_ATTEMPTS: 'off' } });
});
afterAll(() => stack.close());

/** Deletes the spills and segments of partition 0, as after a crash, and returns the SQL that stores them again. */
async function loseSegments(): Promise<string> {
  const tables = ['spills', 'segments'];
  for (const table of tables) {
    await stack.pool.query(`create table public.kept_${table} as select * from meterfold.${table} where partition = 0`);
    await stack.pool.query(`delete from meterfold.${table} where partition = 0`);
  }
  return tables.map((table) => `insert into meterfold.${table} select * from public.kept_${table}`).join('; ');
}

test('an attempt that waited for its task returns the outcome that another attempt has committed', async () => {
  const run = await startPaused(stack, 'mapping', 'reducing', () => startRun(stack, [{ partitions: 2, shards: 1 }]));
  const store = await loseSegments();
  const earlier = await holdTask(stack, 'map', 0);
  await run.executeUpdate('resume');
  await earlier.waiting({ query: 'meterfold.tasks' });
  await earlier.commit(
    `${store}; update meterfold.tasks set worker = 'the earlier one' where kind = 'map' and number = 0`,
  );

  await expectExact(stack, published(await run.result()));
  expect(await progressOf(run)).toMatchObject({
    partitions: { done: 2, total: 2 },
    callsMapped: '1003',
    mapRestarts: 1,
  });
  expect(await activitiesOf(run)).toMatchObject({ mapPartition: 4, publishRun: 1 });
  const { rows } = await stack.pool.query(`select worker from meterfold.tasks where kind = 'map' and number = 0`);
  expect(rows).toEqual([{ worker: 'the earlier one' }]);
});
