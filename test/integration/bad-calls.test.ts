import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { holdMap } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, failureOf, reset, rowsOfRun, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await logs.dropChecks(stack.pool);
  await startWorker(stack, { env: { WORKER_SLOTS: '2' } });
});
afterAll(() => stack.close());
beforeEach(() => reset(stack));

test.each(logs.badCalls)('a call with %s fails the run, which names it and stores no row', async (change, reason) => {
  await logs.uniform(stack.pool, { calls: 12 });
  await stack.pool.query(`update public.api_logs set ${change} where id = 9`);
  const message = `call 9 in public.api_logs: ${reason}`;
  expect(await failureOf(await startRun(stack))).toMatchObject({ type: 'BadCallError', nonRetryable: true, message });
  const [run] = await runRows(stack);
  expect(run).toMatchObject({ state: 'discarded', reason: message });
  expect(await rowsOfRun(stack, run!.runId)).toEqual({});
});

test('a bad call fails the run while other partitions are in progress; after a fix, everything is billed', async () => {
  await logs.uniform(stack.pool, { calls: 1003 });
  await stack.pool.query('update public.api_logs set usage = -1 where id = 700');
  const hold = await holdMap(stack);
  const run = await startRun(stack, [{ partitions: 2 }]);
  await hold.waiting({ query: 'delete from' });
  await hold.release();
  expect(await failureOf(run)).toMatchObject({ type: 'BadCallError' });
  expect(await rowsOfRun(stack, (await runRows(stack))[0]!.runId)).toEqual({});

  await stack.pool.query('update public.api_logs set usage = 1 where id = 700');
  await expectExact(stack, await bill(stack));
});

test('`meterfold run` names the call and exits with 1', async () => {
  await logs.uniform(stack.pool, { calls: 12 });
  await stack.pool.query('update public.api_logs set usage = -1 where id = 9');
  const { code, stdout, stderr } = await meterfold(stack, ['run', '--workflow-id', 'bad']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr.trimEnd().split('\n').at(-1)).toBe(
    'meterfold: The run failed: call 9 in public.api_logs: usage must be a number from 0 to 10^15. ' +
      'Nothing of it was published. (workflow bad).',
  );
});
