import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { holdMap } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, failureOf, reset, rowsOfRun, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

/** A log whose constraints somebody has dropped, so that it can hold calls that can't be billed. */
beforeAll(async () => {
  stack = await freshStack();
  await stack.pool.query(`
    do $$ declare name text; begin
      for name in select conname from pg_constraint where conrelid = 'public.api_logs'::regclass and contype = 'c' loop
        execute format('alter table public.api_logs drop constraint %I', name);
      end loop;
    end $$;
    alter table public.api_logs alter column user_id drop not null, alter column usage drop not null,
                                alter column called_at drop not null`);
  await startWorker(stack, { env: { WORKER_SLOTS: '2' } });
});
afterAll(() => stack.close());
beforeEach(() => reset(stack));

test.each([
  ["user_id = ''", 'user_id must have 1 to 256 bytes'],
  ["user_id = repeat('é', 129)", 'user_id must have 1 to 256 bytes'],
  ['user_id = null', 'user_id must have 1 to 256 bytes'],
  ['usage = -1', 'usage must be a number from 0 to 10^15'],
  ['usage = 9223372036854775807', 'usage must be a number from 0 to 10^15'],
  ['usage = null', 'usage must be a number from 0 to 10^15'],
  ["called_at = '1969-12-31 23:59:59.999999+00'", 'called_at must lie in 1970 to 2099'],
  ["called_at = '2100-01-01 00:00:00+00'", 'called_at must lie in 1970 to 2099'],
  ["called_at = 'infinity'", 'called_at must lie in 1970 to 2099'],
  ['called_at = null', 'called_at must not be null'],
])('a call with %s fails the run, is named, and leaves no row', async (change, reason) => {
  await logs.uniform(stack.pool, { calls: 12 });
  await stack.pool.query(`update public.api_logs set ${change} where id = 9`);
  const message = `call 9 in public.api_logs: ${reason}`;
  expect(await failureOf(await startRun(stack))).toMatchObject({ type: 'BadCallError', nonRetryable: true, message });
  const [run] = await runRows(stack);
  expect(run).toMatchObject({ state: 'discarded', reason: message });
  expect(await rowsOfRun(stack, run!.runId)).toEqual({});
});

test('a bad call fails the run while other partitions are under way; mended, everything is billed', async () => {
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

test('`meterfold run` says which call it was, and exits with 1', async () => {
  await logs.uniform(stack.pool, { calls: 12 });
  await stack.pool.query('update public.api_logs set usage = -1 where id = 9');
  const { code, stdout, stderr } = await meterfold(stack, ['run', '--workflow-id', 'bad']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr.trimEnd().split('\n').at(-1)).toBe(
    'meterfold: The run failed: call 9 in public.api_logs: usage must be a number from 0 to 10^15. ' +
      'Nothing of it was published. (workflow bad)',
  );
});
