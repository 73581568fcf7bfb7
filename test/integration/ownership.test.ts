/**
 * However a run's workflow ends, and in any phase: every call is billed once, and the next run continues without help.
 */
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, type TestContext, test } from 'vitest';
import { TASK_QUEUE } from '../../src/config.js';
import type { BillingRunResult, PublishedResult } from '../../src/contract/billing-run.js';
import { eventually } from '../support/eventually.js';
import { hold, holdMap } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { type HeldPhase, phases, startHeld } from '../support/phases.js';
import { meterfold, startWorker, type WorkerProcess } from '../support/processes.js';
import {
  activitiesOf,
  bill,
  expectExact,
  failureOf,
  fannedOut,
  published,
  type RunHandle,
  reset,
  resetWorkflow,
  rowsOfRun,
  runRows,
  startRun,
  statusesOf,
} from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

/** Longer than any test holds a writer. */
const SEAL_WAIT_SECONDS = '600';
/** TASK_QUEUE_TYPE_ACTIVITY in Temporal's API. */
const ACTIVITY_QUEUE = 2;
/** The key of the advisory lock in src/runs/run.ts. */
const OPENING_LOCK = '31367303361885550';

let stack: Stack;
let worker: WorkerProcess;

beforeAll(async () => {
  stack = await freshStack();
  worker = await startWorker(stack, { env: { WORKER_SLOTS: '4', SEAL_WAIT_SECONDS } });
});
afterAll(() => stack.close());
beforeEach(async () => {
  await reset(stack);
  await logs.skewed(stack.pool, { calls: 1003 });
});

const statusOf = async (run: RunHandle) => (await statusesOf([run]))[0];
const handleOf = (workflowId: string) => stack.temporal.workflow.getHandle(workflowId) as unknown as RunHandle;

/** Expects that run 1 is discarded without rows, and that `next`, run 2, has billed all of its calls. */
async function expectTakenOver(of: Stack, first: RunHandle, next: RunHandle): Promise<void> {
  const result = published(await next.result());
  await expectExact(of, result);
  expect(result).toMatchObject({ runId: '2', calls: '1003', range: { after: '0' } });
  const reason = `taken over by ${next.workflowId}: its workflow ${first.workflowId} has ended without publishing it`;
  expect(await runRows(of)).toMatchObject([{ state: 'discarded', reason }, { state: 'published' }]);
  expect(await rowsOfRun(of, '1')).toEqual({});
}

/** Expects that the next run bills without help. The held activity may finish first: then its publication is valid. */
async function expectNextBills(of: Stack, phase: HeldPhase, first: RunHandle, next: RunHandle): Promise<void> {
  const result = published(await next.result());
  const [before] = await runRows(of);
  if (before!.state === 'discarded') return expectTakenOver(of, first, next);
  expect({ phase, state: before!.state, calls: result.calls }).toEqual({
    phase: 'publishing',
    state: 'published',
    calls: '0',
  });
  await expectExact(of, result);
}

/** Expects that later calls are billed too, after the end of the last run. */
async function expectLaterCallsBilled(of: Stack): Promise<void> {
  await logs.skewed(of.pool, { calls: 502, seed: 2 });
  const result = await bill(of);
  await expectExact(of, result);
  expect(result.calls).toBe('502');
}

/** A separate stack, for tests that mostly wait and run concurrently. */
async function separateStack({ onTestFinished }: TestContext): Promise<Stack> {
  const own = await freshStack();
  onTestFinished(() => own.close());
  await logs.skewed(own.pool, { calls: 1003 });
  return own;
}

async function stackWithCalls(context: TestContext): Promise<{ own: Stack; ownWorker: WorkerProcess }> {
  const own = await separateStack(context);
  return { own, ownWorker: await startWorker(own, { env: { SEAL_WAIT_SECONDS } }) };
}

describe.each(phases)('while it is %s, the workflow of a run is', (phase) => {
  test('terminated: the next run, started while its activity still waits, takes over and bills everything', async () => {
    const { run, held } = await startHeld(stack, phase);
    await run.terminate('as an operator does');
    const next = await startRun(stack);
    await worker.logged(`its workflow ${run.workflowId} has ended without publishing it`);
    await held.release();
    await expectNextBills(stack, phase, run, next);
    await expectLaterCallsBilled(stack);
  });

  test('terminated, and its activity continues before the next run starts, which bills the remaining calls', async () => {
    const { run, held } = await startHeld(stack, phase);
    await run.terminate('as an operator does');
    await held.release();
    await expectNextBills(stack, phase, run, await startRun(stack));
    await expectLaterCallsBilled(stack);
  });

  test('cancelled: nothing of it remains, unless it is already published', async () => {
    const { run, held } = await startHeld(stack, phase);
    await run.cancel();
    await held.release();
    if (phase === 'publishing') {
      await expectExact(stack, published(await run.result()));
      expect(await runRows(stack)).toMatchObject([{ runId: '1', state: 'published' }]);
      return expectLaterCallsBilled(stack);
    }
    await expect(run.result()).rejects.toThrow('Workflow execution cancelled');
    expect(await statusOf(run)).toBe('CANCELLED');
    expect(await runRows(stack)).toMatchObject([{ runId: '1', state: 'discarded', reason: 'cancelled' }]);
    expect(await rowsOfRun(stack, '1')).toEqual({});
    await expectExact(stack, await bill(stack));
    await expectLaterCallsBilled(stack);
  });

  test('reset to its start: it continues as the same run, and bills everything', async () => {
    const { run, held } = await startHeld(stack, phase);
    const again = await resetWorkflow(stack, run);
    await eventually('the new execution has scheduled its plan', async () => (await activitiesOf(again)).planRun === 1);
    await held.release();
    await expectExact(stack, published(await again.result()));
    expect(await runRows(stack)).toMatchObject([{ runId: '1', state: 'published' }]);
    await expectLaterCallsBilled(stack);
  });
});

test('ten starts at once after a terminated run: one takes over, and every call is billed once', async () => {
  const { run, held } = await startHeld(stack, 'mapping');
  await run.terminate();
  const ten = await Promise.all(Array.from({ length: 10 }, () => startRun(stack)));
  await held.waiting({ query: 'delete from' });
  await held.release();
  const results = await Promise.all(ten.map((start) => start.result()));
  expect(await statusesOf(ten)).toEqual(Array(10).fill('COMPLETED'));
  expect(results.filter((result) => result.status === 'published' && result.calls === '1003')).toHaveLength(1);
  const states = (await runRows(stack)).map(({ state }) => state);
  expect(states).toEqual(['discarded', ...Array(states.length - 1).fill('published')]);
  expect(await rowsOfRun(stack, '1')).toEqual({});
  await expectLaterCallsBilled(stack);
});

describe.concurrent.each(phases)('while it is %s, the workflow of a run is', (phase) => {
  const TIMEOUT_MS = 120_000;

  test('timed out: the next run takes over and bills everything', { timeout: TIMEOUT_MS }, async (context) => {
    const { own } = await stackWithCalls(context);
    const start = () => startRun(own, [{}], 'runs for too long', { workflowExecutionTimeout: '15s' });
    const { run, held } = await startHeld(own, phase, start);
    await eventually('it is timed out', async () => (await statusOf(run)) === 'TIMED_OUT');
    await held.release();
    await expectNextBills(own, phase, run, await startRun(own));
    await expectLaterCallsBilled(own);
  });
});

describe.concurrent('a plan activity that has not opened its run when its workflow ends', () => {
  const TIMEOUT_MS = 60_000;
  /** Longer than a plan activity may work without asking Temporal. */
  const AWAY_MS = 6000;

  test.for(['frozen', 'slow'])('was %s: it opens no run', { timeout: TIMEOUT_MS }, async (what, context) => {
    const { own, ownWorker } = await stackWithCalls(context);
    const held = await hold(own, `select pg_advisory_xact_lock(${OPENING_LOCK})`);
    const run = await startRun(own);
    await held.waiting();
    if (what === 'frozen') ownWorker.kill('SIGSTOP');
    await run.terminate();
    await setTimeout(AWAY_MS);
    await held.release();
    await expectOpensNone(own, ownWorker);
  });

  test('was received by a frozen worker: it opens no run', { timeout: TIMEOUT_MS }, async (context) => {
    const own = await separateStack(context);
    await startWorker(own, { role: 'workflow' });
    const frozen = await startWorker(own, { role: 'activity' });
    await eventually('the worker polls', async () => {
      const { namespace } = own.temporal.options;
      const { pollers } = await own.temporal.workflowService.describeTaskQueue({
        namespace,
        taskQueue: { name: TASK_QUEUE },
        taskQueueType: ACTIVITY_QUEUE,
      });
      return pollers?.some(({ identity }) => identity === frozen.name);
    });
    frozen.kill('SIGSTOP');
    const run = await startRun(own);
    await eventually('a poll of the frozen worker has received the plan activity', async () => {
      const [plan] = (await run.describe()).raw.pendingActivities ?? [];
      return plan?.lastStartedTime != null;
    });
    await run.terminate();
    await setTimeout(AWAY_MS);
    await expectOpensNone(own, frozen);
  });

  /**
   * Expects that it opens no run, neither when it continues nor while its worker drains, and that the next run bills
   * everything.
   */
  async function expectOpensNone(own: Stack, worker: WorkerProcess): Promise<void> {
    worker.kill('SIGCONT');
    expect(await worker.stop()).toEqual({ code: 0, signal: null });
    expect(await runRows(own)).toEqual([]);
    await startWorker(own);
    await expectExact(own, await bill(own));
  }
});

describe('a published run whose workflow is reset', () => {
  test.each([
    ['to its start', fannedOut, 0, { planRun: 1 }],
    ['to after its plan', fannedOut, 1, { planRun: 1, mapPartition: 1, discardRun: 1 }],
    ['to before it publishes', fannedOut, -1, {}],
    ['a small one, to its start', {}, 0, { planRun: 1 }],
  ])('%s: it bills nothing twice, and returns the same figures', async (_title, input, task, activities) => {
    const run = await startRun(stack, [input]);
    const result = published(await run.result());
    const again = await resetWorkflow(stack, run, task);
    const { activities: _, workers: __, ...figures } = result;
    expect(await again.result()).toMatchObject(figures);
    expect(await statusOf(again)).toBe('COMPLETED');
    if (task >= 0) expect(await activitiesOf(again)).toEqual(activities);
    expect(await runRows(stack)).toMatchObject([{ runId: '1', state: 'published' }]);
    await expectExact(stack, result);
    await expectLaterCallsBilled(stack);
  });
});

describe('a discarded run whose workflow is reset', () => {
  /** Starts a run that is cancelled while it maps. */
  async function startCancelled(): Promise<RunHandle> {
    const { run, held } = await startHeld(stack, 'mapping');
    await run.cancel();
    await held.release();
    await expect(run.result()).rejects.toThrow('Workflow execution cancelled');
    return run;
  }

  test('to its start bills again, as another run', async () => {
    const again = await resetWorkflow(stack, await startCancelled());
    const result = published(await again.result());
    expect(result.runId).toBe('2');
    await expectExact(stack, result);
    await expectLaterCallsBilled(stack);
  });

  test('to after its plan fails because its run is gone, and the next run bills', async () => {
    const again = await resetWorkflow(stack, await startCancelled(), 1);
    expect(await failureOf(again)).toMatchObject({ type: 'RunGoneError', message: 'run 1 is discarded' });
    expect(await runRows(stack)).toMatchObject([{ runId: '1', state: 'discarded', reason: 'cancelled' }]);
    // Not even the registration of the late attempt remains.
    expect(await rowsOfRun(stack, '1')).toEqual({});
    await expectExact(stack, await bill(stack));
    expect(await rowsOfRun(stack, '1')).toEqual({});
  });

  test('to after its plan, when another reset has billed the calls, fails because its run is gone, and does not report the other', async () => {
    const run = await startCancelled();
    const result = published(await (await resetWorkflow(stack, run)).result());
    const again = await resetWorkflow(stack, run, 1);
    expect(await failureOf(again)).toMatchObject({ type: 'RunGoneError', message: 'run 1 is discarded' });
    expect(await runRows(stack)).toMatchObject([{ state: 'discarded' }, { runId: '2', state: 'published' }]);
    await expectExact(stack, result);
  });

  test('to its start while another run is in progress is skipped, and the other run bills', async () => {
    const first = await startCancelled();
    const { run, held } = await startHeld(stack, 'mapping');
    expect(await (await resetWorkflow(stack, first)).result()).toMatchObject({ message: 'skipped: run 2 in progress' });
    await held.release();
    await expectExact(stack, published(await run.result()));
  });
});

describe('a schedule, and ten starts at once,', () => {
  const SCHEDULE = 'meterfold-billing';
  /** WORKFLOW_EXECUTION_STATUS_COMPLETED in the history of a schedule. */
  const COMPLETED = 2;

  async function schedule(...args: string[]): Promise<void> {
    expect(await meterfold(stack, ['schedule', ...args])).toMatchObject({ code: 0, stderr: '' });
  }

  /** Sets a schedule that starts a run every second until the test ends. */
  async function scheduleEverySecond({ onTestFinished }: TestContext): Promise<void> {
    await schedule('set', '--every', '1s');
    onTestFinished(() => schedule('remove'));
  }

  const startTen = () => Promise.all(Array.from({ length: 10 }, () => startRun(stack)));

  /** Returns the runs in the schedule's own history, with their recorded status. */
  async function history(): Promise<{ run: RunHandle; status: unknown }[]> {
    const { info, raw } = await stack.temporal.schedule.getHandle(SCHEDULE).describe();
    const statuses = raw.info!.recentActions!.map((action) => action.startWorkflowStatus);
    return info.recentActions.map(({ action }, number) => ({
      run: handleOf(action.workflow.workflowId),
      status: statuses[number],
    }));
  }

  /** Returns the runs in the schedule's history that have ended. */
  const endedInHistory = async () => (await history()).filter(({ status }) => status !== 1);

  test('while a manually started run is in progress: all end as skipped, with status completed in the UI and in the history; afterwards it bills', async (context) => {
    const { run, held } = await startHeld(stack, 'mapping');
    await scheduleEverySecond(context);
    const ten = await startTen();
    const skipped = { status: 'skipped', activeRunId: '1', message: 'skipped: run 1 in progress' };
    expect(await Promise.all(ten.map((start) => start.result()))).toEqual(Array(10).fill(skipped));
    const scheduled = await eventually('the schedule has had two runs', async () => {
      const ended = await endedInHistory();
      return ended.length >= 2 && ended;
    });
    for (const { run: one, status } of scheduled) {
      expect(await one.result()).toEqual(skipped);
      expect(status).toBe(COMPLETED);
    }
    expect(new Set(await statusesOf([...ten, ...scheduled.map(({ run: one }) => one)]))).toEqual(
      new Set(['COMPLETED']),
    );
    await held.release();
    await expectExact(stack, published(await run.result()));

    await logs.skewed(stack.pool, { calls: 502, seed: 2 });
    const result = await eventually('the schedule bills the new calls', async () => {
      for (const { run: one } of await endedInHistory()) {
        const ended = await one.result();
        if (ended.status === 'published' && ended.calls === '502') return ended;
      }
      return undefined;
    });
    await expectExact(stack, result);
  });

  test('while a run of the schedule is in progress: it bills, and all ten end as skipped', async (context) => {
    const map = await holdMap(stack);
    await scheduleEverySecond(context);
    await map.waiting();
    const ten = await startTen();
    const results = await Promise.all(ten.map((start) => start.result()));
    expect(new Set(results.map((result) => 'message' in result && result.message))).toEqual(
      new Set(['skipped: run 1 in progress']),
    );
    expect(new Set(await statusesOf(ten))).toEqual(new Set(['COMPLETED']));
    const [first] = await runRows(stack);
    expect(first!.workflowId).toMatch(/^meterfold-billing-scheduled-/);
    await map.release();
    await expectExact(stack, published(await handleOf(first!.workflowId).result()));
  });

  test('without coordination, while calls arrive: at most one bills at a time, and every call is billed once', async (context) => {
    await scheduleEverySecond(context);
    const results: BillingRunResult[] = [];
    const runs: RunHandle[] = [];
    for (const seed of [2, 3, 4]) {
      const ten = await startTen();
      await logs.skewed(stack.pool, { calls: 100, seed });
      runs.push(...ten);
      results.push(...(await Promise.all(ten.map((start) => start.result()))));
    }
    await schedule('pause');
    const { rows: overlapping } = await stack.pool.query(
      `select run.run_id from meterfold.runs run
         join meterfold.runs later on later.run_id > run.run_id and later.opened_at < run.published_at`,
    );
    expect(overlapping).toEqual([]);
    const last = await eventually('no run is in progress', async () => {
      const scheduled = await history();
      return scheduled.every(({ status }) => status !== 1) && bill(stack);
    });
    await expectExact(stack, last);
    expect(new Set(await statusesOf(runs))).toEqual(new Set(['COMPLETED']));
    expect((await endedInHistory()).every(({ status }) => status === COMPLETED)).toBe(true);
    const bills = results.filter((result): result is PublishedResult => result.status === 'published');
    const { rows } = await stack.pool.query(`select sum(calls) as calls from meterfold.runs where state = 'published'`);
    expect(rows).toEqual([{ calls: '1303' }]);
    for (const { runId, calls } of bills) {
      const stored = await stack.pool.query('select calls from meterfold.runs where run_id = $1', [runId]);
      expect(stored.rows).toEqual([{ calls }]);
    }
    expect(new Set((await runRows(stack)).map(({ state }) => state))).toEqual(new Set(['published']));
  });
});

test('a reverted run whose workflow is reset to after its plan does not call it published', async () => {
  const run = await startRun(stack, [fannedOut]);
  published(await run.result());
  expect(await meterfold(stack, ['revert', '1', '--yes', '--reason', 'a try'])).toMatchObject({ code: 0 });
  const again = await resetWorkflow(stack, run, 1);
  expect(await failureOf(again)).toMatchObject({ type: 'RunGoneError', message: 'run 1 is reverted' });
  await expectExact(stack, await bill(stack));
  expect((await runRows(stack)).map(({ state }) => state)).toEqual(['reverted', 'published']);
});

test('a run whose workflow is terminated while it bills reverted calls again is taken over too', async () => {
  await bill(stack, { pricePerUnit: '0.5' });
  expect(await meterfold(stack, ['revert', '1', '--yes', '--reason', 'wrong price'])).toMatchObject({ code: 0 });
  const { run, held } = await startHeld(stack, 'reducing');
  await run.terminate();
  await held.release();
  const result = await bill(stack);
  await expectExact(stack, result);
  expect((await runRows(stack)).map(({ state }) => state)).toEqual(['reverted', 'discarded', 'published']);
  expect(await rowsOfRun(stack, '2')).toEqual({});
});
