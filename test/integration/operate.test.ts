import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BillingRunProgress } from '../../src/contract/billing-run.js';
import { camelCased } from '../support/documents.js';
import { eventually } from '../support/eventually.js';
import * as logs from '../support/logs.js';
import { holdTask, startHeld } from '../support/phases.js';
import { type CommandResult, meterfold, runProgram, startWorker } from '../support/processes.js';
import {
  activitiesOf,
  bill,
  expectExact,
  failureOf,
  inPhase,
  progressOf,
  published,
  type RunHandle,
  reset,
  rowsOfRun,
  runRows,
  startRun,
} from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await logs.dropChecks(stack.pool);
  await startWorker(stack);
});
afterAll(() => stack.close());
beforeEach(async () => {
  await reset(stack);
  await logs.uniform(stack.pool, { calls: 1003 });
});

type Update = 'pause' | 'resume' | 'cancel' | 'retry';

/** An Update by Temporal's client; by Temporal's CLI; by meterfold. Each answers with the run's progress. */
const byClient = (run: RunHandle, update: Update): Promise<BillingRunProgress> => run.executeUpdate(update);
async function byTemporalCli(run: RunHandle, update: Update): Promise<BillingRunProgress> {
  const target = ['--address', stack.temporalAddress, '--namespace', stack.namespace, '--output', 'json'];
  const what = ['workflow', 'update', 'execute', '--name', update, '--workflow-id', run.workflowId];
  return JSON.parse(succeeded(await runProgram(stack, stack.temporalCli, [...what, ...target]))).result;
}
const byMeterfold = async (_run: RunHandle, update: Update): Promise<BillingRunProgress> =>
  camelCased(JSON.parse(succeeded(await meterfold(stack, [update, '1', '--json']))));

function succeeded({ code, stdout, stderr }: CommandResult): string {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

const doors = [
  { door: "Temporal's client", ask: byClient },
  { door: "Temporal's CLI", ask: byTemporalCli },
  { door: 'meterfold', ask: byMeterfold },
];

describe.each(doors)('by $door', ({ ask }) => {
  test('a paused run completes its running activities and starts no others; resumed, it bills everything', async () => {
    const { run, held } = await startHeld(stack, 'mapping');
    expect(await ask(run, 'pause')).toMatchObject({ runId: '1', phase: 'mapping', paused: true });
    await held.release();
    expect(await inPhase(run, 'reducing')).toMatchObject({ paused: true, callsMapped: '1003', callsReduced: '0' });
    expect(await activitiesOf(run)).toEqual({ planRun: 1, mapPartition: 1 });
    expect(await (await startRun(stack)).result()).toMatchObject({ message: 'skipped: run 1 in progress' });
    expect(await ask(run, 'resume')).toMatchObject({ paused: false });
    await expectExact(stack, published(await run.result()));
  });

  test('a failed run that is held is retried after its call is fixed', async () => {
    await stack.pool.query('update public.api_logs set usage = -1 where id = 700');
    const run = await startRun(stack, [{ holdFailedSeconds: 600 }]);
    const failure = 'call 700 in public.api_logs: usage must be a number from 0 to 10^15';
    expect(await inPhase(run, 'failed')).toMatchObject({ runId: '1', failure });
    await stack.pool.query('update public.api_logs set usage = 1 where id = 700');
    const continued = await ask(run, 'retry');
    expect(continued.phase).not.toBe('failed');
    expect(continued).not.toHaveProperty('failure');
    await expectExact(stack, published(await run.result()));
    expect(await runRows(stack)).toMatchObject([{ runId: '1', state: 'published' }]);
  });
});

describe.each([
  { door: "Temporal's client", ask: byClient },
  { door: "Temporal's CLI", ask: byTemporalCli },
])('cancelled by $door', ({ ask }) => {
  test('a run in progress leaves no trace but its row', async () => {
    const { run, held } = await startHeld(stack, 'reducing');
    const cancelling = ask(run, 'cancel');
    await held.waiting({ query: 'delete from' });
    await held.release();
    expect(await cancelling).toMatchObject({ runId: '1', phase: 'cancelled' });
    await expectCancelled(run, 'run 1 was cancelled by an operator: nothing of it remains');
  });
});

describe('cancelled,', () => {
  test('a paused run leaves no trace', async () => {
    const { run, held } = await startHeld(stack, 'mapping');
    await byClient(run, 'pause');
    await held.release();
    await inPhase(run, 'reducing');
    expect(await byClient(run, 'cancel')).toMatchObject({ phase: 'cancelled', paused: false });
    await expectCancelled(run, 'run 1 was cancelled by an operator: nothing of it remains');
  });

  test('a paused run leaves no trace: by `meterfold cancel`', async () => {
    const { run, held } = await startHeld(stack, 'mapping');
    await byClient(run, 'pause');
    await held.release();
    await inPhase(run, 'reducing');
    expect(JSON.parse(succeeded(await meterfold(stack, ['cancel', '1', '--json'])))).toEqual({
      run_id: '1',
      state: 'discarded',
    });
    expect(await runRows(stack)).toMatchObject([{ state: 'discarded', reason: 'cancelled' }]);
    expect(await rowsOfRun(stack, '1')).toEqual({});
    await expectExact(stack, await bill(stack));
  });

  test('a run that waits for writers leaves no trace, and messages do not name a number that it does not have', async () => {
    const { run, held } = await startHeld(stack, 'sealing');
    await byClient(run, 'cancel');
    await held.release();
    await expectCancelled(run, 'the run was cancelled by an operator: nothing of it remains');
  });

  test('a failed run that is held leaves no trace', async () => {
    await stack.pool.query('update public.api_logs set usage = -1 where id = 700');
    const run = await startRun(stack, [{ holdFailedSeconds: 600 }]);
    await inPhase(run, 'failed');
    await byClient(run, 'cancel');
    await stack.pool.query('update public.api_logs set usage = 1 where id = 700');
    await expectCancelled(run, 'run 1 was cancelled by an operator: nothing of it remains');
  });
});

async function expectCancelled(run: RunHandle, message: string): Promise<void> {
  expect(await run.result()).toEqual({ status: 'cancelled', message });
  expect((await run.describe()).status.name).toBe('COMPLETED');
  expect(await runRows(stack)).toMatchObject([{ state: 'discarded', reason: 'cancelled by an operator' }]);
  expect(await rowsOfRun(stack, '1')).toEqual({});
  await expectExact(stack, await bill(stack));
}

test('a failed run that is held is discarded if no operator retries it in time', async () => {
  await stack.pool.query('update public.api_logs set usage = -1 where id = 700');
  expect(await failureOf(await startRun(stack, [{ holdFailedSeconds: 1 }]))).toMatchObject({ type: 'BadCallError' });
  expect(await runRows(stack)).toMatchObject([{ state: 'discarded', reason: expect.stringContaining('call 700') }]);
  expect(await rowsOfRun(stack, '1')).toEqual({});
});

test('a retried run repeats only what had failed', async () => {
  await stack.pool.query('update public.api_logs set usage = -1 where id = 1000');
  const start = () => startRun(stack, [{ partitions: 3, shards: 2, holdFailedSeconds: 600 }]);
  const { run, held } = await startHeld(stack, 'planning', start);
  await byClient(run, 'pause');
  await held.release();
  await inPhase(run, 'mapping');
  const last = await holdTask(stack, 'map', 2);
  await byClient(run, 'resume');
  await eventually('the others are done', async () => (await progressOf(run)).partitions.done === 2);
  await last.release();
  await inPhase(run, 'failed');
  const doneAt = 'select number, finished_at from meterfold.tasks where outcome is not null order by 1';
  const { rows: before } = await stack.pool.query(doneAt);
  expect(before.map(({ number }) => number)).toEqual([0, 1]);

  await stack.pool.query('update public.api_logs set usage = 1 where id = 1000');
  await byClient(run, 'retry');
  const result = published(await run.result());
  await expectExact(stack, result);
  expect(await activitiesOf(run)).toEqual({ planRun: 1, mapPartition: 4, reduceShard: 2, recount: 1, publishRun: 1 });
  expect(result.activities).toMatchObject({ scheduled: 9, completed: 8 });
  const { rows: after } = await stack.pool.query(`${doneAt}, kind desc`);
  expect(after).toEqual(expect.arrayContaining(before));
});

describe('an Update that the phase does not allow is refused with the reason:', () => {
  test('while mapping', async () => {
    const { run, held } = await startHeld(stack, 'mapping');
    await expectRefusal(run, 'resume', 'run 1 is not paused');
    await expectRefusal(run, 'retry', 'run 1 is mapping: only a failed run can be retried');
    await byClient(run, 'pause');
    await expectRefusal(run, 'pause', 'run 1 is already paused');
    await byClient(run, 'resume');
    await held.release();
    await expectExact(stack, published(await run.result()));
  });

  test('while publishing', async () => {
    const { run, held } = await startHeld(stack, 'publishing');
    await expectRefusal(run, 'pause', 'run 1 is publishing: a run can be paused while it plans, maps or reduces');
    await expectRefusal(run, 'cancel', 'run 1 is being published: it is too late to cancel it');
    await run.cancel();
    await held.release();
    await expectExact(stack, published(await run.result()));
    await expect(byClient(run, 'cancel')).rejects.toThrow('workflow execution already completed');
    expect(await meterfold(stack, ['cancel', '1'])).toMatchObject({
      code: 1,
      stderr: 'meterfold: Run 1 is already published: its bills stand.\n',
    });
  });

  test('while it is being discarded, and before', async () => {
    const { run, held } = await startHeld(stack, 'sealing');
    const cancelling = await run.startUpdate('cancel', { waitForStage: 'ACCEPTED' });
    await expectRefusal(run, 'cancel', 'the run is already being cancelled');
    await held.release();
    await cancelling.result();
    const second = await startHeld(stack, 'mapping');
    const cancellingToo = byClient(second.run, 'cancel');
    await second.held.waiting({ query: 'delete from' });
    await expectRefusal(second.run, 'cancel', 'run 2 is discarding: there is nothing to cancel');
    await expectRefusal(
      second.run,
      'pause',
      'run 2 is discarding: a run can be paused while it plans, maps or reduces',
    );
    await second.held.release();
    await cancellingToo;
  });

  async function expectRefusal(run: RunHandle, update: Update, reason: string): Promise<void> {
    await expect(byClient(run, update)).rejects.toMatchObject({ cause: { message: reason } });
  }
});
