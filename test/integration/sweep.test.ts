/** Publish removes the open cycles that the run before has superseded; what that costs depends on that run's users, not on how many there are. */
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

/** A call each, of the first so many users; the same ones each time. */
async function billCallsOf(users: number) {
  await logs.everyUserOneCall(stack.pool, { calls: users, seed: 1 });
  return bill(stack);
}

/** As autovacuum does in time. Its session ends, which is when PostgreSQL counts what it has done. */
async function vacuum(): Promise<void> {
  const client = await stack.pool.connect();
  await client.query('vacuum (analyze) meterfold.open_cycles');
  client.release(true);
}

/** How many open cycles each run has. */
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
])('those that the last run has superseded stay, those before do not: %s', async (_title, users, left) => {
  for (const count of users) {
    await expectExact(stack, await billCallsOf(count));
    await vacuum();
  }
  expect(await openCyclesByRun()).toEqual(left);
});

test('a run of few users reads no more of the open cycles for there being many', async () => {
  await billCallsOf(MANY);
  await billCallsOf(FEW);
  await vacuum();
  const before = await scansOfOpenCycles();
  const result = await billCallsOf(FEW);
  expect(await scansOfOpenCycles()).toBe(before);
  await expectExact(stack, result);
});

/** How often open cycles were read from beginning to end. The worker's sessions are counted when they end, so it is replaced. */
async function scansOfOpenCycles(): Promise<number> {
  await worker.stop();
  const { rows } = await stack.pool.query<{ scans: number }>(
    `select seq_scan::integer as scans from pg_stat_user_tables where relid = 'meterfold.open_cycles'::regclass`,
  );
  worker = await startWorker(stack);
  return rows[0]!.scans;
}
