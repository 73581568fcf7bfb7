import { afterAll, beforeAll, beforeEach, describe, expect, type TestContext, test } from 'vitest';
import { camelCased } from '../support/documents.js';
import { eventually } from '../support/eventually.js';
import * as logs from '../support/logs.js';
import { startHeld, startPaused } from '../support/phases.js';
import { type CommandOptions, type CommandResult, meterfold, startCommand, startWorker } from '../support/processes.js';
import {
  activitiesOf,
  bill,
  expectExact,
  failureOf,
  fannedOut,
  published,
  type RunHandle,
  reset,
  runRows,
  startRun,
} from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

describe.concurrent('a worker', { timeout: 120_000 }, () => {
  /** Each test has a stack of its own: they mostly wait. */
  async function stackWithCalls({ onTestFinished }: TestContext): Promise<Stack> {
    const own = await freshStack();
    onTestFinished(() => own.close());
    await logs.uniform(own.pool, { calls: 1003 });
    return own;
  }

  /** Starts a run whose only worker is killed in the middle of map. */
  async function startAbandoned(own: Stack): Promise<RunHandle> {
    const worker = await startWorker(own);
    const { run, held } = await startHeld(own, 'mapping');
    worker.kill('SIGKILL');
    await worker.ended;
    await held.release();
    return run;
  }

  test('that is restarted finds the paused run still paused', async (context) => {
    const own = await stackWithCalls(context);
    const first = await startWorker(own);
    const run = await startPaused(own, 'mapping', 'reducing');
    expect(await first.stop()).toEqual({ code: 0, signal: null });

    await startWorker(own);
    expect(await run.query('progress')).toMatchObject({ phase: 'reducing', paused: true, callsMapped: '1003' });
    expect(await activitiesOf(run)).toEqual({ planRun: 1, mapPartition: 1 });
    await run.executeUpdate('resume');
    await expectExact(own, published(await run.result()));
  });

  test('that is missing, and a workflow that ends while `cancel` waits for it: `cancel` reports it, and stops waiting', async (context) => {
    const own = await stackWithCalls(context);
    const run = await startAbandoned(own);
    const cancelling = meterfold(own, ['cancel', '1']);
    await eventually('the workflow is asked', async () => {
      const { events } = await run.fetchHistory();
      return events?.some((event) => event.workflowExecutionCancelRequestedEventAttributes);
    });
    await run.terminate();
    expect(await cancelling).toEqual({
      code: 0,
      stdout: 'Run 1 is cancelled; nothing of it remains. Its workflow had ended without cleaning up.\n',
      stderr: '',
    });
    expect(await runRows(own)).toMatchObject([{ state: 'discarded', reason: 'cancelled by hand' }]);
  });

  test('that is missing is reported by the commands; `cancel` works without one', async (context) => {
    const own = await stackWithCalls(context);
    const run = await startAbandoned(own);
    const missed = 'meterfold: No worker has answered for run 1 in 15 s: start one with `meterfold worker`.\n';
    const commands = ['pause', 'retry', 'cancel'].map((command) => meterfold(own, [command, '1']));
    expect(await Promise.all(commands)).toEqual([
      { code: 1, stdout: '', stderr: missed },
      { code: 1, stdout: '', stderr: missed },
      { code: 0, stdout: 'Run 1 is cancelled; nothing of it remains.\n', stderr: '' },
    ]);
    expect(await runRows(own)).toMatchObject([{ state: 'discarded', reason: 'cancelled by hand' }]);

    await startWorker(own);
    await expect(run.result()).rejects.toThrow();
    expect((await run.describe()).status.name).toBe('CANCELLED');
    await expectExact(own, await bill(own));
  });
});

describe('the commands', () => {
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

  const command = (args: string[], options: CommandOptions = {}): Promise<CommandResult> =>
    meterfold(stack, args, options);
  const refused = (sentence: string) => ({ code: 1, stdout: '', stderr: `meterfold: ${sentence}\n` });

  test('report what they have done', async () => {
    const { run, held } = await startHeld(stack, 'mapping');
    const done = 'It is mapping: 0 of 1 partitions, 0 of 1 shards are done.\n';
    expect(await command(['pause', '1'])).toEqual({ code: 0, stdout: `Run 1 is paused. ${done}`, stderr: '' });
    expect(await command(['resume', '1'])).toEqual({ code: 0, stdout: `Run 1 continues. ${done}`, stderr: '' });
    expect(await command(['resume', '1'])).toEqual(refused('Run 1 is not paused.'));
    expect(await command(['retry', '1'])).toEqual(refused('Run 1 is mapping: only a failed run can be retried.'));
    await held.release();
    await expectExact(stack, published(await run.result()));
  });

  test('refuse runs that have ended, and unknown runs', async () => {
    const result = await bill(stack);
    expect(await command(['pause', '1'])).toEqual(refused('Run 1 is published: only a run in progress can do that.'));
    expect(await command(['retry', '1'])).toEqual(refused('Run 1 is published: there is nothing to retry.'));
    for (const name of ['pause', 'resume', 'cancel', 'retry']) {
      expect(await command([name, '7'])).toEqual(refused('There is no run 7: `meterfold runs` lists them.'));
    }
    await expectExact(stack, result);
  });

  test('refuse a run of another Temporal, and one whose workflow has ended without cleaning up', async () => {
    const { run, held } = await startHeld(stack, 'mapping');
    expect(await command(['pause', '1'], { env: { TEMPORAL_NAMESPACE: 'default' } })).toEqual(
      refused(
        `Run 1 belongs to Temporal at ${stack.temporalAddress}, namespace ${stack.namespace}: set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE to that.`,
      ),
    );
    await run.terminate();
    expect(await command(['pause', '1'])).toEqual(
      refused(
        `The workflow ${run.workflowId} of run 1 has ended without cleaning up: the next run takes over, or discard it with \`meterfold cancel 1\`.`,
      ),
    );
    await held.release();
    await command(['cancel', '1']);
    await expectExact(stack, await bill(stack));
  });

  // The message shows that the command did not wait for an answer.
  const CANCELLED_ENDED = 'Run 1 is cancelled; nothing of it remains. Its workflow had ended without cleaning up.\n';

  test('cancel a run whose workflow has ended, without waiting for it', async () => {
    const { run, held } = await startHeld(stack, 'mapping');
    await run.terminate();
    await held.release();
    expect(await command(['cancel', '1'])).toEqual({ code: 0, stdout: CANCELLED_ENDED, stderr: '' });
    expect(await runRows(stack)).toMatchObject([{ state: 'discarded', reason: 'cancelled by hand' }]);
    expect(await command(['cancel', '1'])).toMatchObject({ code: 0, stdout: 'Run 1 was discarded before.\n' });
    await expectExact(stack, await bill(stack));
  });

  test('cancel a run under whose workflow id another workflow has begun, which continues', async () => {
    const first = await startHeld(stack, 'mapping', () => startRun(stack, [fannedOut], 'nightly'));
    await first.run.terminate();
    await first.held.release();
    // No worker polls that queue, so the workflow stays open.
    const { temporal } = stack;
    const second = await temporal.workflow.start('billingRun', { taskQueue: 'elsewhere', workflowId: 'nightly' });
    expect(await command(['cancel', '1'])).toEqual({ code: 0, stdout: CANCELLED_ENDED, stderr: '' });
    expect((await second.describe()).status.name).toBe('RUNNING');
    await second.terminate();
    await expectExact(stack, await bill(stack));
  });

  test('start a discarded run again with its own terms', async () => {
    await stack.pool.query('update public.api_logs set usage = -1 where id = 700');
    const terms = { pricePerUnit: '0.07', currency: 'EUR', callsPerCycle: 7, badCalls: 'quarantine' };
    const first = await startRun(stack, [{ ...terms, badCalls: 'stop' }]);
    await failureOf(first);
    await stack.pool.query('update public.api_logs set usage = 1 where id = 700');
    const { code, stdout } = await command(['retry', '1', '--json']);
    expect(code).toBe(0);
    const result = published(camelCased(JSON.parse(stdout)));
    expect(result).toMatchObject({ runId: '2', calls: '1003', pricePerUnit: '0.07', currency: 'EUR' });
    await expectExact(stack, result, { pricePerUnit: '0.07', currency: 'EUR', callsPerCycle: 7 });
  });

  test('start a discarded run again with the terms that are set now', async () => {
    await stack.pool.query('update public.api_logs set usage = -1 where id = 700');
    await failureOf(await startRun(stack, [{ pricePerUnit: '0.07', currency: 'EUR' }]));
    const env = { PRICE_PER_UNIT: '0.08', BAD_CALLS: 'quarantine' };
    const { code, stdout } = await command(['retry', '1', '--json'], { env });
    expect(code).toBe(0);
    const result = published(camelCased(JSON.parse(stdout)));
    expect(result).toMatchObject({ calls: '1002', quarantined: { calls: '1', usage: '-1' } });
    await expectExact(stack, result, { pricePerUnit: '0.08', currency: 'EUR' });
  });

  test('`meterfold run --hold` waits for `meterfold retry`, and shows how it ends', async () => {
    await stack.pool.query('update public.api_logs set usage = -1 where id = 700');
    const running = startCommand(stack, ['run', '--hold', '10m', '--workflow-id', 'held']);
    await running.noted('failed: call 700 in public.api_logs: usage must be a number from 0 to 10^15. Fix it, ');
    await stack.pool.query('update public.api_logs set usage = 1 where id = 700');
    expect(await command(['retry', '1'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Run 1 continues\. It is /),
    });
    expect(await running.result).toMatchObject({ code: 0, stdout: expect.stringMatching(/^run +1, published\n/) });
    await expectExact(stack, published(await stack.temporal.workflow.getHandle('held').result()));
  });
});
