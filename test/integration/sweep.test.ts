/**
 * Publish deletes the open cycles that the previous run superseded. The cost depends on the users of that run, not on
 * all users.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import * as logs from '../support/logs.js';
import { startWorker, type WorkerProcess } from '../support/processes.js';
import { bill, expectExact } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const MANY = 20_000;
const FEW = 40;

let stack: Stack;
let worker: WorkerProcess;

beforeEach(async () => {
  stack = await freshStack();
  worker = await startWorker(stack);
});
afterEach(() => stack.close());

/** Bills one call of each of the first `users` users. */
async function billCallsOf(users: number) {
  await logs.everyUserOneCall(stack.pool, { calls: users, seed: 1 });
  return bill(stack);
}

/** Vacuums as autovacuum does. The session ends, because PostgreSQL updates its statistics then. */
async function vacuum(): Promise<void> {
  const client = await stack.pool.connect();
  await client.query('vacuum (analyze) meterfold.open_cycles');
  client.release(true);
}

/** The number of open cycles of each run. */
async function openCyclesByRun(): Promise<number[]> {
  const { rows } = await stack.pool.query<{ openCycles: number }>(
    'select count(*)::integer as "openCycles" from meterfold.open_cycles group by run_id order by run_id',
  );
  return rows.map(({ openCycles }) => openCycles);
}

test.each([
  ['few users after many', [MANY, FEW, FEW], [MANY - FEW, FEW, FEW]],
  ['many after few', [FEW, MANY, MANY], [MANY, MANY]],
  ['few after many twice', [MANY, MANY, FEW], [MANY, FEW]],
  ['many after many and few', [MANY, FEW, MANY, FEW], [MANY, FEW]],
])('open cycles that the last run superseded remain, earlier ones are deleted: %s', async (_title, users, left) => {
  for (const count of users) {
    await expectExact(stack, await billCallsOf(count));
    await vacuum();
  }
  expect(await openCyclesByRun()).toEqual(left);
});

test('a run of few users does not scan all open cycles', async () => {
  await billCallsOf(MANY);
  await billCallsOf(FEW);
  await vacuum();
  const before = await scansOfOpenCycles();
  const result = await billCallsOf(FEW);
  expect(await scansOfOpenCycles()).toBe(before);
  await expectExact(stack, result);
});

/**
 * The number of sequential scans of open_cycles. Statistics of the worker's sessions are complete when they end, so the
 * worker is replaced.
 */
async function scansOfOpenCycles(): Promise<number> {
  await worker.stop();
  const { rows } = await stack.pool.query<{ scans: number }>(
    `select seq_scan::integer as scans from pg_stat_user_tables where relid = 'meterfold.open_cycles'::regclass`,
  );
  worker = await startWorker(stack);
  return rows[0]!.scans;
}
