import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import * as logs from '../support/logs.js';
import { startHeld } from '../support/phases.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, failureOf, reset, rowsOfRun, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await logs.dropChecks(stack.pool);
  await startWorker(stack, { env: { BAD_CALLS: 'quarantine', SPILL_CALLS: '50', REDUCE_PASS_BYTES: '4000' } });
});
afterAll(() => stack.close());
beforeEach(() => reset(stack));

/** Makes calls unbillable, in alternating ways. */
async function spoil(where: string): Promise<void> {
  for (const [number, [change]] of logs.badCalls.entries()) {
    await stack.pool.query(
      `update public.api_logs set ${change}
         from (select id, row_number() over (order by id) as number from public.api_logs where ${where}) bad
        where api_logs.id = bad.id and number % ${logs.badCalls.length} = ${number}`,
    );
  }
}

const quarantined = async () => (await stack.pool.query('select * from public.quarantined_calls order by id')).rows;

describe('quarantined, and not billed, is', () => {
  test.each(logs.badCalls)('a call with %s', async (change, reason) => {
    await logs.oneUser(stack.pool, { calls: 12 });
    await stack.pool.query(`update public.api_logs set ${change} where id = 9`);
    const result = await bill(stack);
    await expectExact(stack, result);
    expect(result).toMatchObject({ calls: '11', cycles: '2', quarantined: { calls: '1' } });
    expect(await quarantined()).toMatchObject([{ id: '9', reason, run_id: '1' }]);
  });

  test.each([
    ['here and there, in several partitions', 'id % 7 = 3'],
    ['the last of a spill, and the first of the next', 'id % 50 in (0, 1)'],
    ['a spill that contains only unbillable calls', 'id between 51 and 100'],
    ['several spills that contain only unbillable calls, up to the end of a partition', 'id between 130 and 501'],
    ['the first and the last of the log', 'id in (1, 2003)'],
    ['everything but one call', 'id <> 1001'],
    ['everything', 'true'],
  ])('a pattern of unbillable calls: %s', async (_title, where) => {
    await logs.skewed(stack.pool, { calls: 2003 });
    await spoil(where);
    await expectExact(stack, await bill(stack, { partitions: 4, shards: 3 }));
  });
});

test('open cycles continue from run to run despite quarantined calls', async () => {
  for (const seed of [1, 2, 3]) {
    await logs.uniform(stack.pool, { calls: 333, seed });
    await spoil(`id > ${333 * (seed - 1)} and id % 5 = 2`);
    await expectExact(stack, await bill(stack, { partitions: 2 }));
  }
  expect(new Set((await quarantined()).map((call) => call.run_id))).toEqual(new Set(['1', '2', '3']));
});

describe('of one partition', () => {
  test('10,000 calls are quarantined', async () => {
    await logs.uniform(stack.pool, { calls: 10_003 });
    await stack.pool.query('update public.api_logs set usage = -1 where id > 3');
    const result = await bill(stack, { partitions: 1 });
    await expectExact(stack, result);
    expect(result.quarantined).toEqual({ calls: '10000', usage: '-10000' });
  });

  test('one more call stops the run, which leaves no row; two partitions can quarantine them', async () => {
    await logs.uniform(stack.pool, { calls: 10_004 });
    await stack.pool.query('update public.api_logs set usage = -1 where id > 3');
    const message =
      'call 10004 in public.api_logs: usage must be a number from 0 to 10^15; 10000 calls before it are already quarantined';
    expect(await failureOf(await startRun(stack, [{ partitions: 1 }]))).toMatchObject({
      type: 'BadCallError',
      message,
    });
    expect(await runRows(stack)).toMatchObject([{ state: 'discarded', reason: message }]);
    expect(await rowsOfRun(stack, '1')).toEqual({});
    await expectExact(stack, await bill(stack, { partitions: 2 }));
  });
});

test("a run's input takes precedence over the setting", async () => {
  await logs.uniform(stack.pool, { calls: 12 });
  await stack.pool.query('update public.api_logs set usage = -1 where id = 9');
  expect(await failureOf(await startRun(stack, [{ badCalls: 'stop' }]))).toMatchObject({ type: 'BadCallError' });
  expect(await quarantined()).toEqual([]);
  await expectExact(stack, await bill(stack, { badCalls: 'quarantine' }));
});

test('`run`, `runs` and `status` show the number of quarantined calls, and the calls', async () => {
  await logs.uniform(stack.pool, { calls: 1030 });
  await stack.pool.query('update public.api_logs set usage = -id where id % 40 = 0');
  const { code, stdout } = await meterfold(stack, ['run']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/\nquarantined +25 calls: see `meterfold status 1`\n/);
  expect((await meterfold(stack, ['runs'])).stdout).toMatch(
    /^run +state +calls after +up to +calls +cycles +quarantined .*\n +1 +published +0 +1,030 +1,005 +\d+ +25 /,
  );
  const status = (await meterfold(stack, ['status', '1'])).stdout;
  expect(status).toMatch(/\nQuarantined, not billed:\n {2}call 40: usage must be a number from 0 to 10\^15\n/);
  expect(status).toMatch(/\n {2}call 800: .*\n {2}and 5 more: see the view public\.quarantined_calls\n/);

  const [run] = JSON.parse((await meterfold(stack, ['runs', '--json'])).stdout);
  expect(run).toMatchObject({ calls: '1005', quarantined_calls: '25' });
  const detail = JSON.parse((await meterfold(stack, ['status', '1', '--json'])).stdout);
  expect(detail).toMatchObject({ bad_calls: 'quarantine', quarantined_calls: '25' });
  expect(detail.quarantine).toHaveLength(20);
  const reason = 'usage must be a number from 0 to 10^15';
  expect(detail.quarantine[0]).toEqual({ id: '40', usage: '-40', reason });
  expect((await quarantined())[24]).toEqual({ id: '1000', usage: '-1000', reason, run_id: '1' });
});

describe('publish refuses a run whose quarantine was changed:', () => {
  test.each([
    [
      'a call was removed',
      'delete from meterfold.quarantine where log_position = 9',
      'run 1 does not add up: map quarantined 2 calls of usage -3, the table has 1 of usage -1',
    ],
    [
      'a call was added',
      "insert into meterfold.quarantine values (1, 3, 4, 'x')",
      'run 1 does not add up: map quarantined 2 calls of usage -3, the table has 3 of usage 1',
    ],
    [
      'the stored number was changed',
      `update meterfold.tasks set outcome = jsonb_set(outcome, '{quarantinedCalls}', '"1"') where kind = 'map'`,
      /^run 1, map task 0: stored is .*"quarantinedCalls":"1".*, the workflow carries .*"quarantinedCalls":"2"/,
    ],
  ])('%s', async (_title, damage, message) => {
    await logs.uniform(stack.pool, { calls: 12 });
    await stack.pool.query('update public.api_logs set usage = id - 11 where id in (9, 10)');
    const { run, held } = await startHeld(stack, 'publishing');
    await stack.pool.query(damage);
    await held.release();
    const failure = await failureOf(run);
    expect(failure).toMatchObject({ type: 'ProofError', nonRetryable: true });
    expect(failure.message).toMatch(message);
    expect(await quarantined()).toEqual([]);
    expect(await rowsOfRun(stack, '1')).toEqual({});
    await expectExact(stack, await bill(stack));
  });
});
