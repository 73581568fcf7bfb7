import { afterAll, beforeAll, beforeEach, describe, expect, type TestContext, test } from 'vitest';
import { failAfterCommit, holdInSweep } from '../replay/hold.js';
import { contents } from '../support/contents.js';
import { eventually } from '../support/eventually.js';
import { hold, holdMap, holdReduce } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { type HeldPhase, startHeld } from '../support/phases.js';
import { startWorker, type WorkerProcess } from '../support/processes.js';
import {
  activitiesOf,
  bill,
  expectExact,
  failureOf,
  inPhase,
  progressOf,
  published,
  reset,
  rowsOfRun,
  runRows,
  startRun,
} from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const ONE = { planRun: 1 };
const EACH = { planRun: 1, mapPartition: 1, reduceShard: 1, recount: 1, publishRun: 1 };
/** The activities of a run that is not small, with two slots. */
const LARGE = { ...EACH, mapPartition: 2 };
const SMALL_RUN_CALLS = 250_000;

describe('a run of few calls', () => {
  let stack: Stack;
  let worker: WorkerProcess;

  beforeAll(async () => {
    stack = await freshStack();
    worker = await startWorker(stack);
  });
  afterAll(() => stack.close());
  beforeEach(() => reset(stack));

  test('is one activity, which stores the same rows as several do', async () => {
    await logs.skewed(stack.pool, { calls: 2003, seed: 1 });
    const run = await startRun(stack);
    const result = published(await run.result());
    expect(await activitiesOf(run)).toEqual(ONE);
    await expectExact(stack, result);
    expect(result.activities).toEqual({ scheduled: 1, completed: 1, retried: 0, backups: 0 });
    expect(result.workers).toEqual([{ worker: worker.name, activities: 1, calls: '2003' }]);
    expect(await progressOf(run)).toMatchObject({
      phase: 'published',
      partitions: { done: 1, total: 1 },
      shards: { done: 1, total: 1 },
      callsMapped: '2003',
      callsReduced: '2003',
      cyclesClosed: result.cycles,
    });
    const { rows } = await stack.pool.query(
      `select kind, number, worker, attempt, outcome ->> 'calls' as calls from meterfold.tasks order by kind`,
    );
    const of = { number: 0, worker: worker.name, attempt: 1, calls: '2003' };
    expect(rows).toEqual(['map', 'recount', 'reduce'].map((kind) => ({ kind, ...of })));
  });

  test('is one activity also if there are no new calls', async () => {
    await logs.uniform(stack.pool, { calls: 12, seed: 2 });
    await bill(stack);
    const run = await startRun(stack);
    expect(published(await run.result())).toMatchObject({ calls: '0', range: { after: '12', to: '12' } });
    expect(await activitiesOf(run)).toEqual(ONE);
  });

  test('has an activity per task if its input gives partitions or shards', async () => {
    await logs.uniform(stack.pool, { calls: 100, seed: 3 });
    for (const input of [{ partitions: 1 }, { shards: 1 }]) {
      const run = await startRun(stack, [input]);
      published(await run.result());
      expect(Object.keys(await activitiesOf(run))).toContain('publishRun');
    }
  });

  test.each([
    { calls: SMALL_RUN_CALLS, activities: ONE },
    { calls: SMALL_RUN_CALLS + 1, activities: LARGE },
  ])('$calls calls', async ({ calls, activities }) => {
    await stack.pool.query(
      `insert into public.api_logs (user_id, usage, called_at)
       select 'user-' || n % 1009, n % 17, timestamptz '2026-10-01' + n * interval '1 s' from generate_series(1, $1) n`,
      [calls],
    );
    const run = await startRun(stack);
    await expectExact(stack, published(await run.result()));
    expect(await activitiesOf(run)).toEqual(activities);
  });

  test('that fails is reported by the activity in which a larger run would fail', async () => {
    await logs.uniform(stack.pool, { calls: 100, seed: 4 });
    await stack.pool.query('alter table public.api_logs drop constraint api_logs_billable');
    await stack.pool.query('update public.api_logs set usage = -1 where id = 37');
    const run = await startRun(stack);
    expect(await failureOf(run)).toMatchObject({
      type: 'BadCallError',
      message: expect.stringContaining('call 37 in public.api_logs'),
    });
    expect(await activitiesOf(run)).toEqual({ planRun: 1, mapPartition: 1, discardRun: 1 });
    expect((await runRows(stack)).map((row) => row.state)).toEqual(['discarded']);
  });
});

/**
 * Each test has its own stack, so that they wait at the same time until the run is late or its heartbeat timeout is
 * over.
 */
async function smallLog({ onTestFinished }: TestContext, workers = 1): Promise<[Stack, ...WorkerProcess[]]> {
  const stack = await freshStack();
  onTestFinished(() => stack.close());
  await logs.skewed(stack.pool, { calls: 503 });
  return [stack, ...(await Promise.all(Array.from({ length: workers }, () => startWorker(stack))))];
}

describe.concurrent('a small run that is blocked', { timeout: 120_000 }, () => {
  test.for([
    { stage: 'map', holdStage: holdMap },
    { stage: 'reduce', holdStage: holdReduce },
  ])('in $stage falls back to one activity per task', async ({ holdStage }, context) => {
    const [stack] = await smallLog(context);
    const held = await holdStage(stack);
    const run = await startRun(stack);
    const [first] = await held.waiting();
    expect(await activitiesOf(run)).toEqual(ONE);
    await eventually('the task is begun again', async () =>
      (await held.waiting()).some(({ pid }) => pid !== first!.pid),
    );
    expect((await held.waiting()).map(({ pid }) => pid)).not.toContain(first!.pid);
    await held.release();
    await expectExact(stack, published(await run.result()));
    expect(await activitiesOf(run)).toEqual(EACH);
  });

  test('can be paused: no activity begins after the fallback', async (context) => {
    const [stack] = await smallLog(context);
    const held = await holdMap(stack);
    const run = await startRun(stack);
    await held.waiting();
    await run.executeUpdate('pause');
    await inPhase(run, 'mapping');
    expect(await activitiesOf(run)).toEqual(ONE);
    await held.release();
    await run.executeUpdate('resume');
    await expectExact(stack, published(await run.result()));
    expect(await activitiesOf(run)).toEqual(EACH);
  });

  test('can be cancelled', async (context) => {
    const [stack] = await smallLog(context);
    const held = await holdReduce(stack);
    const run = await startRun(stack);
    await held.waiting({ query: 'copy open_cycles' });
    const answer = run.executeUpdate('cancel');
    await held.waiting({ query: 'delete from meterfold.open_cycles' });
    await held.release();
    expect(await answer).toMatchObject({ phase: 'cancelled' });
    expect(await run.result()).toMatchObject({ status: 'cancelled' });
    expect(await activitiesOf(run)).toEqual({ planRun: 1, discardRun: 1 });
    expect(await rowsOfRun(stack, '1')).toEqual({});
  });

  const startSmall = (stack: Stack, phase: HeldPhase) => startHeld(stack, phase, () => startRun(stack));

  test.for([
    { stage: 'map', start: (stack: Stack) => startSmall(stack, 'mapping') },
    { stage: 'reduce', start: (stack: Stack) => startSmall(stack, 'reducing') },
    {
      stage: 'publish',
      async start(stack: Stack) {
        const { run, held: reducing } = await startSmall(stack, 'reducing');
        // When it waits for this lock, it has locked the run's row.
        const held = await hold(stack, 'lock table meterfold.segments in share mode');
        await reducing.release();
        return { run, held };
      },
    },
  ])(
    'by a worker that is frozen in $stage continues on another one, and nothing changes when the first wakes up',
    async ({ start }, context) => {
      const [stack, ...workers] = await smallLog(context, 2);
      const { run, held } = await start(stack);
      const [waiting] = await held.waiting();
      const frozen = workers.find(({ name }) => waiting!.application.endsWith(name))!;
      const other = workers.find((worker) => worker !== frozen)!;
      frozen.kill('SIGSTOP');
      await held.waiting({ application: other.name });
      expect((await held.waiting()).map(({ pid }) => pid)).not.toContain(waiting!.pid);
      await held.release();
      const result = published(await run.result());
      await expectExact(stack, result);
      expect(result.activities).toMatchObject({ scheduled: 5, retried: 1 });

      const before = await contents(stack);
      frozen.kill('SIGCONT');
      expect(await frozen.stop()).toEqual({ code: 0, signal: null });
      expect(await contents(stack)).toEqual(before);
    },
  );
});

// Not concurrent, because it must get there before the run is late.
test('a small run with an error right after it was published ends well: the published figures are read again', async (context) => {
  const [stack, worker] = await smallLog(context);
  const { run, held } = await holdInSweep(stack, 1, () => startRun(stack));
  await failAfterCommit(stack, held);
  const result = published(await run.result());
  await expectExact(stack, result);
  expect(result.workers).toEqual([{ worker: worker!.name, activities: 1, calls: '503' }]);
  expect(await activitiesOf(run)).toEqual(ONE);
});
