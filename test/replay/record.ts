/**
 * Records the histories that the replay tests replay: `npm run histories`, half a minute. When to: see histories.ts.
 *
 * Real runs on a real PostgreSQL and a real Temporal server, by worker processes from dist/. A run that has to be met in the
 * middle of a phase is held there by a lock, so that a second recording gives the same histories but for times, ids and the
 * order in which activities of one phase end. Nothing is written before all have been recorded.
 */
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunHandle, startRun } from '../../src/cli/start-run.js';
import type { BillingRunInput } from '../../src/workflows/messages.js';
import { eventually } from '../support/eventually.js';
import { uniform } from '../support/logs.js';
import { startWorker, type WorkerProcess } from '../support/processes.js';
import { freshStack, type Stack } from '../support/stack.js';
import { checkNames, type History, SHAPES, shapeOf } from './histories.js';
import { hold } from './hold.js';
import { anonymous, saveHistories } from './save.js';

const cut = { partitions: 4, shards: 4 };
/** More than a held run has activities: the one that ends it, and another run, still find a slot. */
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
  return startRun(stack.temporal, input, name);
}

/** Waits for the end of a run that ends well. */
async function finish(run: RunHandle): Promise<void> {
  await run.result();
  await record(run);
}

/** Waits for the end of a run that ends badly. */
async function fail(run: RunHandle): Promise<void> {
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

/** Waits until so many of a run's activities are scheduled and not over, each at least at this attempt. */
async function pending(run: WorkflowHandle, activities: number, attempt = 1): Promise<void> {
  await eventually(`${run.workflowId} has ${activities} pending activities at attempt ${attempt}`, async () => {
    const { raw } = await run.describe();
    const all = raw.pendingActivities ?? [];
    return all.length === activities && all.every((one) => (one.attempt ?? 1) >= attempt);
  });
}

/** Waits until the workflow has been told, and has answered, that it is cancelled. */
async function cancelSeen(run: WorkflowHandle): Promise<void> {
  await eventually(`${run.workflowId} has seen that it is cancelled`, async () => {
    const { events } = anonymous(await run.fetchHistory());
    const types = events.map(({ eventType }) => eventType);
    const requested = types.indexOf('EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED');
    return requested !== -1 && types.indexOf('EVENT_TYPE_WORKFLOW_TASK_COMPLETED', requested) !== -1;
  });
}

test('a run by defaults over an empty log', async () => {
  await finish(await start('finished-empty', {}));
});

test('a run of four partitions and four shards', async () => {
  await addCalls(1);
  await finish(await start('finished'));
});

test('a second run, with other terms, that takes open cycles over', async () => {
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

test('a run that is cancelled in map, and one beside it', async () => {
  const held = await hold(stack, 'segments');
  const run = await start('cancelled-in-map');
  await held.waitFor('copy', 4);
  await finish(await start('skipped'));
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

/** Starts a run that publishes and then waits in publish's sweep; answers with what releases it. */
async function holdInSweep(name: string): Promise<{ run: RunHandle; release: () => Promise<void> }> {
  const heldInReduce = await hold(stack, 'records');
  const run = await start(name);
  await heldInReduce.waitFor('copy', 4);
  const held = await hold(stack, 'segments', 'writers');
  await heldInReduce.release();
  await held.waitFor('delete', 1);
  return { run, release: held.release };
}

test('a run that is cancelled when it is published already', async () => {
  const { run, release } = await holdInSweep('cancelled-too-late');
  await run.cancel();
  await cancelSeen(run);
  await release();
  await finish(run);
});

test('a start with a wrong input', async () => {
  await fail(await start('failed-by-input', { partitions: 0 }));
});

test('a start with a currency that the plan refuses', async () => {
  await fail(await start('failed-in-plan', { currency: 'dollars' }));
});

test('a run that meets a bad row in its last partition, while the others still work', async () => {
  await addCalls(4, 3600);
  await stack.pool.query('alter table public.api_logs drop constraint api_logs_usage_check');
  // The bad row is the first of 1,200, of more bytes than one read brings: map leaves the COPY in the middle.
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
  await stack.pool.query('update public.api_logs set usage = 1 where usage < 0');
});

test('a run of which a stored outcome is changed, so that its proof fails', async () => {
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

test('a run that is published, but whose publish fails after that', async () => {
  const { run, release } = await holdInSweep('failed-after-publish');
  await stack.pool.query('alter table meterfold.leases rename to leases_away');
  await release();
  await fail(run);
  await stack.pool.query('alter table meterfold.leases_away rename to leases');
});

test('a run whose worker is killed in map, and that another one goes on with', async () => {
  await addCalls(5);
  const held = await hold(stack, 'segments');
  const run = await start('retried');
  await held.waitFor('copy', 4);
  worker.kill('SIGKILL');
  worker = await startWorker(stack, worker8);
  await pending(run, 4, 2);
  await held.waitFor('copy', 4);
  await held.release();
  await finish(run);
});

test('a run that is reset to the moment after its plan', async () => {
  await addCalls(6);
  const held = await hold(stack, 'segments');
  const first = await start('reset');
  await held.waitFor('copy', 4);
  const { events } = anonymous(await first.fetchHistory());
  const completed = events.filter(({ eventType }) => eventType === 'EVENT_TYPE_WORKFLOW_TASK_COMPLETED');
  const { runId } = await stack.temporal.workflowService.resetWorkflowExecution({
    namespace: stack.namespace,
    workflowExecution: { workflowId: 'reset', runId: first.firstExecutionRunId },
    workflowTaskFinishEventId: completed[1]!.eventId as never,
    requestId: crypto.randomUUID(),
    reason: 'recording a reset run',
  });
  const run = stack.temporal.workflow.getHandle('reset', runId);
  await pending(run, 4);
  await held.waitFor('copy', 4);
  await held.release();
  await run.result();
  await record(run);
});

test('all that were expected are recorded: they are saved', () => {
  checkNames(new Set(histories.keys()), SHAPES);
  saveHistories(histories);
});
