import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { contents } from '../support/contents.js';
import { eventually } from '../support/eventually.js';
import { hold } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { billingDifferences, noDifferences } from '../support/oracle.js';
import { startHeld } from '../support/phases.js';
import { meterfold, startWorker } from '../support/processes.js';
import {
  bill,
  expectExact,
  failureOf,
  published,
  reset,
  resetWorkflow,
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
  await logs.skewed(stack.pool, { calls: 1003 });
});

const WRONG = '0.5';
const yes = ['--yes', '--reason', 'the price was 0.5'];
const revert = (runId: string, ...args: string[]) => meterfold(stack, ['revert', runId, ...args]);
const refused = (sentence: string) => ({ code: 1, stdout: '', stderr: `meterfold: ${sentence}\n` });
const states = async () => (await runRows(stack)).map(({ state }) => state);

/** Bills run 1 at the right price and run 2 at a wrong one; both have quarantined calls. */
async function billTwice() {
  await stack.pool.query('update public.api_logs set usage = -id where id in (7, 700)');
  const first = await bill(stack, { badCalls: 'quarantine' });
  await logs.skewed(stack.pool, { calls: 502, seed: 2 });
  await stack.pool.query('update public.api_logs set usage = -id where id in (1007, 1400)');
  const second = await bill(stack, { badCalls: 'quarantine', pricePerUnit: WRONG });
  await expectExact(stack, second, { prices: { 2: WRONG } });
  return { first, second };
}

async function revertDone(runId: string): Promise<void> {
  expect(await revert(runId, ...yes)).toMatchObject({ code: 0, stderr: '' });
}

test('without --yes, `meterfold revert` shows what it would undo, and changes nothing', async () => {
  const { second } = await billTwice();
  const before = await contents(stack);
  const shown = await revert('2');
  expect(shown).toMatchObject({ code: 0, stderr: '' });
  expect(shown.stdout).toMatch(/^would revert +run 2, published \d{4}-/);
  expect(shown.stdout).toMatch(/calls to bill again +500 calls, log positions after 1,003 up to 1,505\n/);
  expect(shown.stdout).toMatch(
    /\nNothing was changed\. Revert the run with `meterfold revert 2 --yes --reason '…'`\.\n$/,
  );
  expect(JSON.parse((await revert('2', '--json')).stdout)).toMatchObject({
    status: 'dry run',
    run_id: '2',
    range: second.range,
    calls: '500',
    quarantined_calls: '2',
    cycles: second.cycles,
    amount: second.amount,
    price_per_unit: WRONG,
  });
  expect(await contents(stack)).toEqual(before);
});

test.each([[['--yes']], [['--yes', '--reason', ' ']]])(
  'with %j it asks for the reason, and exits with 2',
  async (args) => {
    await bill(stack);
    const before = await contents(stack);
    const stderr = "error: --yes requires --reason '…'\n(add --help for the options and examples)\n";
    expect(await revert('1', ...args)).toEqual({ code: 2, stdout: '', stderr });
    expect(await contents(stack)).toEqual(before);
  },
);

test('a reverted run is removed from all bills and remains in the list with the reason, and its calls are billed again', async () => {
  const { first, second } = await billTwice();
  const done = await revert('2', '--json', ...yes);
  expect(done).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(done.stdout)).toMatchObject({ status: 'reverted', run_id: '2', amount: second.amount });

  // The records, open cycles and quarantined calls are those of the first run.
  expect(await billingDifferences(stack.pool, { upTo: first.range.to })).toEqual(noDifferences);
  const { cycles } = JSON.parse((await meterfold(stack, ['statement', 'user-0', '--json'])).stdout);
  expect(new Set(cycles.map((cycle: { run_id: string }) => cycle.run_id))).toEqual(new Set(['1']));
  expect(await rowsOfRun(stack, '2')).toEqual({});
  const [newest] = JSON.parse((await meterfold(stack, ['runs', '--json'])).stdout);
  expect(newest).toMatchObject({ run_id: '2', state: 'reverted', reason: 'the price was 0.5', calls: '500' });
  expect((await meterfold(stack, ['status', '2'])).stdout).toMatch(/^Run 2: reverted \(the price was 0\.5\)\n/);
  expect(await meterfold(stack, ['export', '--run', '2', '--csv'])).toMatchObject({ code: 1, stdout: '' });

  await logs.skewed(stack.pool, { calls: 101, seed: 3 });
  const third = await bill(stack, { badCalls: 'quarantine' });
  expect(third).toMatchObject({ runId: '3', calls: '601', range: { after: '1003', to: '1606' } });
  await expectExact(stack, third);
  expect(await states()).toEqual(['published', 'reverted', 'published']);
});

test('the first run can be reverted, with the terms that it froze', async () => {
  await bill(stack, { callsPerCycle: 7 });
  await revertDone('1');
  expect(await billingDifferences(stack.pool, { upTo: 0n })).toEqual(noDifferences);
  const second = await bill(stack, { callsPerCycle: 4 });
  expect(second.range.after).toBe('0');
  await expectExact(stack, second, { callsPerCycle: 4 });
});

test('a run that billed reverted calls again can be reverted too', async () => {
  await billTwice();
  await revertDone('2');
  await bill(stack, { badCalls: 'quarantine', pricePerUnit: '0.7' });
  await revertDone('3');
  const fourth = await bill(stack, { badCalls: 'quarantine' });
  await expectExact(stack, fourth);
  expect(await states()).toEqual(['published', 'reverted', 'reverted', 'published']);
});

test('the workflow of a reverted run, reset to its start, bills again', async () => {
  const run = await startRun(stack, [{ pricePerUnit: '0.7' }]);
  published(await run.result());
  await revertDone('1');
  const result = published(await (await resetWorkflow(stack, run)).result());
  expect(result.runId).toBe('2');
  await expectExact(stack, result, { pricePerUnit: '0.7' });
});

test('a revert that is terminated in the middle has changed nothing', async () => {
  await billTwice();
  const before = await contents(stack);
  const held = await hold(stack, 'lock table meterfold.open_cycles in share mode');
  const reverting = revert('2', ...yes);
  const [session] = await held.waiting({ query: 'delete from meterfold.open_cycles' });
  await stack.pool.query('select pg_terminate_backend($1)', [session!.pid]);
  expect(await reverting).toMatchObject({ code: 1, stdout: '' });
  await held.release();
  expect(await contents(stack)).toEqual(before);
  await revertDone('2');
});

describe('refused without any change is the revert of', () => {
  /** Without --yes and with it. */
  async function expectRefused(runId: string, sentence: string): Promise<void> {
    const before = await contents(stack);
    expect(await revert(runId)).toEqual(refused(sentence));
    expect(await revert(runId, ...yes)).toEqual(refused(sentence));
    expect(await contents(stack)).toEqual(before);
  }

  test('a run after which another was published, even if that was reverted', async () => {
    await billTwice();
    await expectRefused(
      '1',
      'Run 1 cannot be reverted: run 2 was published after it, and only the newest run can be reverted.',
    );
    await revertDone('2');
    await expectRefused(
      '1',
      'Run 1 cannot be reverted: run 2 was published after it and then reverted: the open cycles that this run had superseded are deleted.',
    );
    await expectRefused('2', 'Run 2 is reverted: only a published run can be reverted.');
    await expectExact(stack, await bill(stack, { badCalls: 'quarantine' }));
  });

  test('a run in progress, and the run before it', async () => {
    await bill(stack);
    await logs.skewed(stack.pool, { calls: 502, seed: 2 });
    const { run, held } = await startHeld(stack, 'publishing');
    const reverting = [revert('1', ...yes), revert('2', ...yes)];
    expect(await Promise.all(reverting)).toEqual([
      refused(
        'Run 1 cannot be reverted: run 2, which is in progress, continues from it: wait until that run has ended, or cancel it by `meterfold cancel 2`.',
      ),
      refused('Run 2 is in progress: cancel it by `meterfold cancel 2`.'),
    ]);
    await held.release();
    await expectExact(stack, published(await run.result()));
  });

  test('a discarded or unknown run; a discarded run does not prevent other reverts', async () => {
    await bill(stack, { pricePerUnit: WRONG });
    await logs.uniform(stack.pool, { calls: 10 });
    await stack.pool.query('update public.api_logs set usage = -1 where id = 1007');
    await failureOf(await startRun(stack));
    await expectRefused('2', 'Run 2 is discarded: only a published run can be reverted.');
    await expectRefused('9', 'There is no run 9: `meterfold runs` lists them.');
    await revertDone('1');
    await expectExact(stack, await bill(stack, { badCalls: 'quarantine' }));
  });
});

describe('concurrently,', () => {
  const startTen = () => Promise.all(Array.from({ length: 10 }, () => startRun(stack)));

  test('ten starts wait for a revert that has begun, and bill the reverted calls', async () => {
    await bill(stack);
    await logs.skewed(stack.pool, { calls: 502, seed: 2 });
    await bill(stack, { pricePerUnit: WRONG });
    const held = await hold(stack, 'lock table meterfold.records in share mode');
    const reverting = revert('2', ...yes);
    await held.waiting({ query: 'delete from meterfold.records' });
    const runs = await startTen();
    await eventually('a start waits for the revert', async () => {
      const { rows } = await stack.pool.query(
        `select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and strpos(query, 'insert into meterfold.runs') > 0`,
      );
      return rows.length > 0;
    });
    await held.release();
    expect(await reverting).toMatchObject({ code: 0 });
    await expectOneBill(runs, 'published,reverted,published');
  });

  test('ten starts and two reverts race: whichever wins, every call is billed once', async () => {
    await bill(stack);
    await logs.skewed(stack.pool, { calls: 502, seed: 2 });
    await bill(stack);
    const reverting = [revert('2', ...yes), revert('2', ...yes)];
    const runs = await startTen();
    const codes = (await Promise.all(reverting)).map(({ code }) => code);
    expect(codes.filter((code) => code === 0).length).toBeLessThanOrEqual(1);
    const results = await Promise.all(runs.map((run) => run.result()));
    const bills = results.filter((result) => result.status === 'published').sort((a, b) => +a.runId - +b.runId);
    expect((await runRows(stack))[1]!.state).toBe(codes.includes(0) ? 'reverted' : 'published');
    for (const [number, result] of bills.entries()) {
      if (number > 0) expect(result.range.after).toBe(bills[number - 1]!.range.to);
    }
    await expectExact(stack, await bill(stack));
  });

  async function expectOneBill(runs: Awaited<ReturnType<typeof startTen>>, expected: string): Promise<void> {
    const results = await Promise.all(runs.map((run) => run.result()));
    const bills = results.filter((result) => result.status === 'published');
    expect(bills.filter((result) => result.calls !== '0')).toMatchObject([{ calls: '502' }]);
    await expectExact(stack, bills.sort((a, b) => +a.runId - +b.runId).at(-1)!);
    expect((await states()).slice(0, 3).join()).toBe(expected);
  }
});
