/** Dry runs of a log with calls that cannot be billed; reads.test.ts has those of a correct log. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { contents } from '../support/contents.js';
import { camelCased } from '../support/documents.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, failureOf, reset, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await logs.dropChecks(stack.pool);
  await startWorker(stack);
});
afterAll(() => stack.close());
beforeEach(() => reset(stack));

async function dryRun(badCalls: 'stop' | 'quarantine', ...args: string[]): Promise<string> {
  const before = await contents(stack);
  const { code, stdout, stderr } = await meterfold(stack, ['run', '--dry-run', ...args], {
    env: { BAD_CALLS: badCalls },
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(await contents(stack)).toEqual(before);
  return stdout;
}

/** Makes every seventh call from `first` on bad, one for each reason. */
async function spoil(first: number): Promise<void> {
  for (const [number, [change]] of logs.badCalls.entries()) {
    await stack.pool.query(`update public.api_logs set ${change} where id = $1`, [first + 7 * number]);
  }
}

describe('with BAD_CALLS=quarantine', () => {
  test('it omits and counts calls that cannot be billed, and predicts what the run then bills, twice', async () => {
    for (const seed of [1, 2]) {
      await logs.skewed(stack.pool, { calls: 503, seed });
      await spoil(503 * (seed - 1) + 20);
      const { status, activeRunId, frozenCallsPerCycle, stopsAt, badCalls, ...figures } = camelCased(
        JSON.parse(await dryRun('quarantine', '--json')),
      );
      expect({ status, activeRunId, stopsAt, badCalls }).toEqual({
        status: 'dry run',
        activeRunId: null,
        stopsAt: null,
        badCalls: 'quarantine',
      });
      expect(frozenCallsPerCycle).toBe(seed === 1 ? null : 5);
      const result = await bill(stack, { badCalls: 'quarantine' });
      expect(result).toMatchObject({ ...figures, calls: '493', quarantined: { calls: '10' } });
      await expectExact(stack, result);
    }
  });

  test('the text says how many', async () => {
    await logs.oneUser(stack.pool, { calls: 12 });
    await stack.pool.query('update public.api_logs set usage = -1000 where id in (3, 9)');
    const shown = await dryRun('quarantine');
    expect(shown).toMatch(/^calls +10 calls of 1 user, log positions after 0 up to 12\n/);
    expect(shown).toMatch(/\nquarantined +2 calls, usage -2,000: cannot be billed, and would be quarantined\n/);
    expect(shown).toMatch(/\n\nNothing was written\. Bill them with `meterfold run`\.\n$/);
  });

  test('if no call can be billed, it predicts that nothing is', async () => {
    await logs.oneUser(stack.pool, { calls: 12 });
    await stack.pool.query('update public.api_logs set user_id = null');
    const figures = JSON.parse(await dryRun('quarantine', '--json'));
    expect(figures).toMatchObject({ calls: '0', users: '0', amount: '0', quarantined: { calls: '12' } });
    expect(await bill(stack, { badCalls: 'quarantine' })).toMatchObject({
      calls: '0',
      quarantined: figures.quarantined,
    });
  });
});

describe('with BAD_CALLS=stop', () => {
  test.each(logs.badCalls)('it names the call at which the run then stops: %s', async (change, reason) => {
    await logs.uniform(stack.pool, { calls: 12 });
    await stack.pool.query(`update public.api_logs set ${change} where id in (9, 11)`);
    expect(JSON.parse(await dryRun('stop', '--json'))).toMatchObject({
      calls: '10',
      quarantined: { calls: '0', usage: '0' },
      stops_at: { id: '9', reason },
      bad_calls: 'stop',
    });
    const { message } = await failureOf(await startRun(stack, [{ badCalls: 'stop' }]));
    expect(message).toBe(`call 9 in public.api_logs: ${reason}`);
    const shown = await dryRun('stop');
    expect(shown).toContain(`\nThe run would stop at ${message}. The figures are those without such calls: `);
    expect(shown).toMatch(/\n\nNothing was written\.\n$/);
  });

  test('it ignores a call that an earlier run has quarantined', async () => {
    await logs.uniform(stack.pool, { calls: 12 });
    await stack.pool.query('update public.api_logs set usage = -1 where id = 9');
    await bill(stack, { badCalls: 'quarantine' });
    expect(JSON.parse(await dryRun('stop', '--json'))).toMatchObject({ calls: '0', stops_at: null });
  });
});
