/**
 * Records the histories that the replay tests replay: `npm run histories`, in half a minute. histories.ts says when.
 *
 * The runs are real: PostgreSQL, Temporal's dev server, and worker processes from dist/. A lock holds a run in the
 * middle of a phase where that is needed. So a second recording gives the same histories except for times, ids and the
 * order in which activities of one phase end. Nothing is written before all have been recorded.
 */
import { WithStartWorkflowOperation, type WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TASK_QUEUE } from '../../src/config.js';
import type {
  BillingRunInput,
  BillingRunProgress,
  BillingRunResult,
  PublishedResult,
} from '../../src/contract/billing-run.js';
import { type RunHandle, startWorkflow } from '../../src/temporal/start.js';
import type { billingRun } from '../../src/workflows/billing-run.js';
import { eventually } from '../support/eventually.js';
import { uniform } from '../support/logs.js';
import { holdTask } from '../support/phases.js';
import { startWorker, type WorkerProcess } from '../support/processes.js';
import { freshStack, type Stack } from '../support/stack.js';
import { checkNames, type History, SHAPES, shapeOf } from './histories.js';
import { failAfterCommit, failMapTwice, hold, holdInSweep, holdOneMap } from './hold.js';
import { anonymous, saveHistories } from './save.js';

const cut = { partitions: 4, shards: 4 };
/** More slots than a held run has activities, so that the activity that ends it, and another run, find one. */
const worker8 = { env: { WORKER_SLOTS: '8' } };

let stack: Stack;
let worker: WorkerProcess;
const histories = new Map<string, History>();

beforeAll(async () => {
  stack = await freshStack();
  worker = await startWorker(stack, worker8);
});

afterAll(async () => {
  await stack?.close();
});

function start(name: string, input: BillingRunInput = cut): Promise<RunHandle> {
  return startWorkflow(stack.temporal, input, { workflowId: name });
}

/** Waits until the run completes, and records it. */
async function finish(run: WorkflowHandle, result: Partial<BillingRunResult> = { status: 'published' }): Promise<void> {
  expect(await run.result()).toMatchObject(result);
  await record(run);
}

/** Waits until the run fails, and records it. */
async function fail(run: WorkflowHandle): Promise<void> {
  await expect(run.result()).rejects.toThrow();
  await record(run);
}

async function record(run: WorkflowHandle): Promise<void> {
  const history = anonymous(await run.fetchHistory());
  expect(shapeOf(history)).toEqual(SHAPES[run.workflowId]);
  histories.set(run.workflowId, history);
}

function addCalls(seed: number, calls = 400): Promise<void> {
  return uniform(stack.pool, { calls, seed });
}

/** Waits until the run has `activities` pending activities, each at least at this attempt. */
async function pending(run: WorkflowHandle, activities: number, attempt = 1): Promise<void> {
  await eventually(`${run.workflowId} has ${activities} pending activities at attempt ${attempt}`, async () => {
    const { raw } = await run.describe();
    const all = raw.pendingActivities ?? [];
    return all.length === activities && all.every((one) => (one.attempt ?? 1) >= attempt);
  });
}

function ask(run: WorkflowHandle, update: 'pause' | 'resume' | 'cancel' | 'retry'): Promise<BillingRunProgress> {
  return run.executeUpdate<BillingRunProgress, []>(update);
}

/** Sends an Update that its validator must refuse with this text. The history does not contain it. */
async function refused(run: WorkflowHandle, update: Parameters<typeof ask>[1], says: string): Promise<void> {
  const error: Error = await ask(run, update).then(
    () => new Error(`${update} was accepted`),
    (refusal) => refusal,
  );
  expect((error.cause as Error | undefined)?.message ?? error.message).toContain(says);
}

/** Waits until the run's progress meets a condition. */
async function progressed(run: WorkflowHandle, how: string, is: (now: BillingRunProgress) => boolean): Promise<void> {
  await eventually(`${run.workflowId} is ${how}`, async () => is(await run.query<BillingRunProgress>('progress')));
}

const mapped = (run: WorkflowHandle, partitions: number) =>
  progressed(run, `through with ${partitions} maps`, (now) => now.partitions.done === partitions);

/** Waits until the workflow has processed its cancellation. */
async function cancelSeen(run: WorkflowHandle): Promise<void> {
  await eventually(`${run.workflowId} has seen that it is cancelled`, async () => {
    const { events } = anonymous(await run.fetchHistory());
    const types = events.map(({ eventType }) => eventType);
    const requested = types.indexOf('EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED');
    return requested !== -1 && types.indexOf('EVENT_TYPE_WORKFLOW_TASK_COMPLETED', requested) !== -1;
  });
}

test('a run over an empty log', async () => {
  await finish(await start('finished-empty'));
});

test('a small run, by defaults', async () => {
  await addCalls(0);
  await finish(await start('small', {}));
});

test('a run of four partitions and four shards', async () => {
  await addCalls(1);
  await finish(await start('finished'));
});

test('a second run, with other terms, that carries open cycles in', async () => {
  await addCalls(2);
  await finish(await start('finished-carried-in', { ...cut, pricePerUnit: '0.0005' }));
});

test('a run that is cancelled while its plan is stored', async () => {
  await addCalls(3);
  const held = await hold(stack, 'tasks');
  const run = await start('cancelled-in-plan');
  await held.waitFor('insert', 1);
  await run.cancel();
  await cancelSeen(run);
  await held.release();
  await fail(run);
});

test('a run that is cancelled in map, and a start beside it that is skipped', async () => {
  const held = await hold(stack, 'segments');
  const run = await start('cancelled-in-map');
  await held.waitFor('copy', 4);
  await finish(await start('skipped'), { status: 'skipped' });
  await run.cancel();
  await held.waitFor('delete', 1);
  await held.release();
  await fail(run);
});

test('a run that is cancelled in reduce', async () => {
  const held = await hold(stack, 'records');
  const run = await start('cancelled-in-reduce');
  await held.waitFor('copy', 4);
  await pending(run, 4);
  await run.cancel();
  await held.waitFor('delete', 1);
  await held.release();
  await fail(run);
});

test('a run that is cancelled while it is paused and no activity is in flight', async () => {
  const held = await hold(stack, 'segments');
  const run = await start('cancelled-while-paused');
  await held.waitFor('copy', 4);
  await ask(run, 'pause');
  await held.release();
  await mapped(run, 4);
  await run.cancel();
  await fail(run);
});

test('a run that is cancelled while it is published', async () => {
  const { run, held } = await holdInSweep(stack, 4, () => start('cancelled-too-late'));
  await refused(run, 'cancel', 'is being published: it is too late to cancel it');
  await run.cancel();
  await cancelSeen(run);
  await held.release();
  await finish(run);
});

test('a run that an Update sent with its start cancels', async () => {
  await addCalls(7);
  const startWorkflowOperation = new WithStartWorkflowOperation('billingRun', {
    taskQueue: TASK_QUEUE,
    workflowId: 'given-up-at-start',
    args: [cut],
    workflowIdConflictPolicy: 'FAIL',
  });
  const { workflow } = stack.temporal;
  const answer = await workflow.executeUpdateWithStart<typeof billingRun, BillingRunProgress, []>('cancel', {
    startWorkflowOperation,
  });
  expect(answer.phase).toBe('cancelled');
  await finish(await startWorkflowOperation.workflowHandle(), {
    status: 'cancelled',
    message: 'the run was cancelled by an operator: nothing of it remains',
  });
});

test('a run that an Update cancels in map', async () => {
  const held = await hold(stack, 'segments');
  const run = await start('given-up-in-map');
  await held.waitFor('copy', 4);
  const answer = ask(run, 'cancel');
  await held.waitFor('delete', 1);
  await refused(run, 'cancel', 'is discarding: there is nothing to cancel');
  await held.release();
  expect((await answer).phase).toBe('cancelled');
  await finish(run, { status: 'cancelled' });
});

test('a run that is paused in map and in reduce, and resumed', async () => {
  const heldInMap = await hold(stack, 'segments');
  const run = await start('paused');
  await heldInMap.waitFor('copy', 4);
  expect(await ask(run, 'pause')).toMatchObject({ phase: 'mapping', paused: true });
  await refused(run, 'pause', 'is already paused');
  await heldInMap.release();
  await mapped(run, 4);

  const heldInReduce = await hold(stack, 'records');
  expect(await ask(run, 'resume')).toMatchObject({ phase: 'reducing', paused: false });
  await refused(run, 'resume', 'is not paused');
  await heldInReduce.waitFor('copy', 4);
  await pending(run, 4);
  await ask(run, 'pause');
  await heldInReduce.release();
  await progressed(run, 'reduced', (now) => now.shards.done === 4);
  await refused(run, 'retry', 'is reducing: only a failed run can be retried');
  await ask(run, 'resume');
  await finish(run);
});

test('a run whose segments are lost before it reduces, so that map restarts', async () => {
  await addCalls(14);
  const heldInMap = await hold(stack, 'segments');
  const run = await start('map-restarted', { partitions: 4, shards: 1 });
  await heldInMap.waitFor('copy', 4);
  await ask(run, 'pause');
  await heldInMap.release();
  await mapped(run, 4);
  // As after a crash.
  await stack.pool.query('truncate meterfold.spills, meterfold.segments');
  // The recount is in flight while the reduce beside it finds that segments are lost, and while map restarts.
  const recount = await holdTask(stack, 'recount');
  await ask(run, 'resume');
  await progressed(run, 'reduced', (now) => now.shards.done === 1);
  await recount.release();
  await finish(run);
});

test('a start with a wrong input', async () => {
  await fail(await start('failed-by-input', { partitions: 0 }));
});

test('a start with a currency that the plan refuses', async () => {
  await fail(await start('failed-in-plan', { currency: 'dollars' }));
});

test('a run that finds a bad row in its last partition while the other maps are in flight', async () => {
  await addCalls(4, 3600);
  await stack.pool.query('alter table public.api_logs drop constraint api_logs_billable');
  // The bad row is the first of 1,200 long ones, more than one read returns, so map ends the COPY in the middle.
  await stack.pool.query(
    `insert into public.api_logs (user_id, usage, called_at)
     select repeat('a long name ', 20) || n % 50, case n when 1 then -1 else n end, '2026-10-02 00:00:00Z'
       from generate_series(1, 1200) n`,
  );
  const held = await hold(stack, 'segments');
  const run = await start('failed-in-map');
  await held.waitFor('delete', 1);
  await held.release();
  await fail(run);
});

test('a run that quarantines the bad row', async () => {
  const run = await start('quarantined', { ...cut, badCalls: 'quarantine' });
  await finish(run, { status: 'published', quarantined: { calls: '1', usage: '-1' } });
});

test('a run whose stored outcome is changed, so that its proof fails', async () => {
  await addCalls(8);
  const held = await hold(stack, 'records');
  const run = await start('failed-in-publish');
  await held.waitFor('copy', 4);
  await stack.pool.query(
    `update meterfold.tasks set outcome = jsonb_set(outcome, '{calls}', '"1"')
      where kind = 'map' and number = 0 and run_id = (select run_id from meterfold.runs where state = 'active')`,
  );
  await held.release();
  await fail(run);
});

test('a run whose publish activity fails after its commit: it completes', async () => {
  const { run, held } = await holdInSweep(stack, 4, () => start('failed-after-publish'));
  await failAfterCommit(stack, held);
  await finish(run);
});

/** Starts a run that fails in its last map when all others are done. `fix` removes the cause. */
async function failInLastMap(name: string, input: BillingRunInput): Promise<{ run: RunHandle; fix(): Promise<void> }> {
  const map = await holdOneMap(stack);
  const run = await start(name, { ...cut, ...input });
  await map.waitFor();
  await mapped(run, 3);
  await map.fail();
  return { run, fix: map.fix };
}

const isHeld = (run: WorkflowHandle) => progressed(run, 'held', (now) => now.phase === 'failed');

test('a failed run that is held until its time is over', async () => {
  await addCalls(9);
  const { run, fix } = await failInLastMap('held-and-discarded', { holdFailedSeconds: 1 });
  await fail(run);
  await fix();
});

test('a failed run that is held and cancelled by an Update', async () => {
  const { run, fix } = await failInLastMap('held-and-given-up', { holdFailedSeconds: 600 });
  await isHeld(run);
  await refused(run, 'pause', 'is failed: a run can be paused while it plans, maps or reduces');
  expect((await ask(run, 'cancel')).phase).toBe('cancelled');
  await finish(run, { status: 'cancelled' });
  await fix();
});

test('a failed run that is held and whose workflow is cancelled', async () => {
  const { run, fix } = await failInLastMap('held-and-cancelled', { holdFailedSeconds: 600 });
  await isHeld(run);
  await run.cancel();
  await fail(run);
  await fix();
});

test('a failed run that is held and continues after a retry', async () => {
  const { run, fix } = await failInLastMap('held-and-retried', { holdFailedSeconds: 600 });
  await isHeld(run);
  await fix();
  expect(await ask(run, 'retry')).toMatchObject({ phase: 'mapping', partitions: { done: 3, total: 4 } });
  await finish(run);
});

test('a run whose last map is slow, so that its backup wins', async () => {
  await addCalls(10);
  const map = await holdOneMap(stack);
  const run = await start('backup-won');
  await finish(run, { status: 'published', activities: { scheduled: 12, completed: 11, retried: 0, backups: 1 } });
  await map.release();
});

test('a run whose last map is slow, but ends before its backup', async () => {
  await addCalls(11);
  const map = await holdOneMap(stack);
  const backup = await hold(stack, 'quarantine');
  const run = await start('backup-lost');
  await backup.waitFor('create', 1);
  await map.release();
  await mapped(run, 4);
  await backup.release();
  await finish(run, { status: 'published', activities: { scheduled: 12, completed: 11, retried: 0, backups: 1 } });
});

test('a run whose worker is killed in map, so that another one continues it', async () => {
  await addCalls(5);
  const held = await hold(stack, 'segments');
  // Without backups: the second attempts begin up to a second apart and end together, so the first of them would get one.
  const run = await start('tried-again', { ...cut, backups: false });
  await held.waitFor('copy', 4);
  worker.kill('SIGKILL');
  worker = await startWorker(stack, worker8);
  await pending(run, 4, 2);
  await held.waitFor('copy', 4);
  await held.release();
  await finish(run);
});

test('a run with a map that fails twice, so that its worker reports the retry', async () => {
  await addCalls(15);
  const fix = await failMapTwice(stack);
  await finish(await start('tried-again-and-reported', { ...cut, backups: false }));
  await fix();
});

/** Resets a run to the end of the workflow task with this index. */
async function reset(of: RunHandle, workflowTask: number): Promise<WorkflowHandle> {
  const { events } = anonymous(await of.fetchHistory());
  const completed = events.filter(({ eventType }) => eventType === 'EVENT_TYPE_WORKFLOW_TASK_COMPLETED');
  const { runId } = await stack.temporal.workflowService.resetWorkflowExecution({
    namespace: stack.namespace,
    workflowExecution: { workflowId: of.workflowId, runId: of.firstExecutionRunId },
    workflowTaskFinishEventId: completed[workflowTask]!.eventId as never,
    requestId: crypto.randomUUID(),
    reason: 'recording a reset run',
  });
  return stack.temporal.workflow.getHandle(of.workflowId, runId);
}

test('a run that is reset to after its plan', async () => {
  await addCalls(6);
  const held = await hold(stack, 'segments');
  const first = await start('reset');
  await held.waitFor('copy', 4);
  const run = await reset(first, 1);
  await pending(run, 4);
  await held.waitFor('copy', 4);
  await held.release();
  await finish(run);
});

test('a published run that is reset to its start: it returns the published figures', async () => {
  await addCalls(12);
  const first = await start('reset-when-published');
  const { runId, range, digest } = (await first.result()) as PublishedResult;
  await finish(await reset(first, 0), { status: 'published', runId, range, digest });
});

test('a failed run that is reset to its start: it bills again', async () => {
  await addCalls(13);
  const { run: first, fix } = await failInLastMap('reset-when-failed', {});
  await expect(first.result()).rejects.toThrow();
  await fix();
  await finish(await reset(first, 0));
});

test('all expected histories are recorded and saved', () => {
  checkNames(new Set(histories.keys()), SHAPES);
  saveHistories(histories);
});
