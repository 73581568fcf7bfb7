import { describe, expect, type TestContext, test } from 'vitest';
import { type Hold, holdMap, holdReduce } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { startWorker, type WorkerProcess } from '../support/processes.js';
import { expectExact, published, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const TIMEOUT_MS = 120_000;
/** Spills are smaller than a partition, so at its first spill map is in the middle of the partition. */
const env = { SPILL_CALLS: '400' };
const input = { partitions: 1, shards: 1 };

/** Each test has its own stack, so that they wait for the heartbeat timeout at the same time. */
async function stackWithCalls({ onTestFinished }: TestContext): Promise<Stack> {
  const stack = await freshStack();
  onTestFinished(() => stack.close());
  await logs.skewed(stack.pool, { calls: 2003 });
  return stack;
}

const stages = [
  { stage: 'reads in map', holdStage: holdMap },
  { stage: 'writes in reduce', holdStage: holdReduce },
];

describe.concurrent.each(stages)('a worker that $stage', ({ holdStage }) => {
  test('is killed: another worker continues, and the bills are exact', { timeout: TIMEOUT_MS }, async (context) => {
    const stack = await stackWithCalls(context);
    const workers = [await startWorker(stack, { env }), await startWorker(stack, { env })];
    const hold = await holdStage(stack);
    const run = await startRun(stack, [input]);
    const victim = await holderOf(hold, workers);
    victim.kill('SIGKILL');
    await victim.ended;
    const other = workers.find((worker) => worker !== victim)!;
    // The server process of the dead worker waits for the lock until the other worker's attempt ends it.
    await hold.waiting({ application: other.name });
    await hold.release();
    const result = published(await run.result());
    await expectExact(stack, result);
    expect(result.activities.retried).toBeGreaterThanOrEqual(1);
    expect(result.workers.map((share) => share.worker)).toContain(other.name);
  });
});

test.concurrent('the only worker is killed and started again: it finishes the run', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const stack = await stackWithCalls(context);
  const first = await startWorker(stack, { env });
  const hold = await holdMap(stack);
  const run = await startRun(stack, [input]);
  await hold.waiting();
  first.kill('SIGKILL');
  await first.ended;
  await hold.release();
  await startWorker(stack, { env });
  const result = published(await run.result());
  await expectExact(stack, result);
  expect(await runRows(stack)).toHaveLength(1);
});

test.concurrent('a worker that receives SIGTERM finishes its activity within the grace period', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const stack = await stackWithCalls(context);
  const worker = await startWorker(stack, { env });
  const hold = await holdReduce(stack);
  const run = await startRun(stack, [input]);
  await hold.waiting();
  const stopped = worker.stop();
  await worker.logged('"stopping"');
  await hold.release();
  expect(await stopped).toEqual({ code: 0, signal: null });
  const { rows } = await stack.pool.query(
    `select worker, attempt from meterfold.tasks where kind = 'reduce' and outcome is not null`,
  );
  // The next activity may need two attempts, because Temporal may send it to a poll that the worker has just cancelled.
  expect(rows).toEqual([{ worker: worker.name, attempt: 1 }]);

  const successor = await startWorker(stack, { env });
  const result = published(await run.result());
  await expectExact(stack, result);
  expect(result.workers.map((share) => share.worker)).toContain(worker.name);
  expect(result.workers.map((share) => share.worker)).toContain(successor.name);
});

test.concurrent('an activity whose worker stops continues on another worker after the grace period', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const stack = await stackWithCalls(context);
  const worker = await startWorker(stack, { env: { ...env, SHUTDOWN_GRACE_SECONDS: '1' } });
  const hold = await holdMap(stack);
  const run = await startRun(stack, [input]);
  await hold.waiting();
  expect(await worker.stop()).toEqual({ code: 0, signal: null });
  expect(await runRows(stack)).toMatchObject([{ state: 'active' }]);

  const successor = await startWorker(stack, { env });
  await hold.waiting({ application: successor.name });
  await hold.release();
  const result = published(await run.result());
  await expectExact(stack, result);
  expect(result.activities.retried).toBeGreaterThanOrEqual(1);
});

test.concurrent('an activity whose database connection is ended is retried', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const stack = await stackWithCalls(context);
  await startWorker(stack, { env });
  const hold = await holdReduce(stack);
  const run = await startRun(stack, [input]);
  const [waiting] = await hold.waiting();
  await stack.pool.query('select pg_terminate_backend($1)', [waiting!.pid]);
  await hold.waiting({ notPid: waiting!.pid });
  await hold.release();
  const result = published(await run.result());
  await expectExact(stack, result);
  expect(result.activities.retried).toBeGreaterThanOrEqual(1);
});

async function holderOf(hold: Hold, workers: WorkerProcess[]): Promise<WorkerProcess> {
  const [waiting] = await hold.waiting();
  const holder = workers.find(({ name }) => waiting!.application.endsWith(name));
  if (holder === undefined) throw new Error(`${waiting!.application} is not one of the test's workers`);
  return holder;
}
