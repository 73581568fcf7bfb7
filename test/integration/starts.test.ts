import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BillingRunResult } from '../../src/contract/billing-run.js';
import { eventually } from '../support/eventually.js';
import { holdMap } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { runProgram, startWorker } from '../support/processes.js';
import { bill, expectExact, failureOf, published, reset, runRows, startRun, statusesOf } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await startWorker(stack, { env: { WORKER_SLOTS: '4' } });
});
afterAll(() => stack.close());
beforeEach(() => reset(stack));

describe('a run can be started under any workflow id', () => {
  beforeEach(() => logs.skewed(stack.pool, { calls: 501 }));

  test("by Temporal's client, with input {}", async () => {
    const run = await startRun(stack, [{}], 'the first of this month / Δ');
    await expectExact(stack, published(await run.result()));
  });

  test("by Temporal's client, without any input", async () => {
    await expectExact(stack, published(await (await startRun(stack, [])).result()));
  });

  test("by Temporal's own CLI", async () => {
    const target = ['--address', stack.temporalAddress, '--namespace', stack.namespace];
    const what = ['--type', 'billingRun', '--task-queue', 'billing', '--input', '{}', '--workflow-id', 'by hand'];
    const { code, stderr } = await runProgram(stack, stack.temporalCli, ['workflow', 'start', ...what, ...target]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const result: BillingRunResult = await stack.temporal.workflow.getHandle('by hand').result();
    await expectExact(stack, published(result));
  });

  test('again under the id of a published run, and then bills the new calls', async () => {
    await (await startRun(stack, [{}], 'nightly')).result();
    await logs.skewed(stack.pool, { calls: 502, seed: 2 });
    const second = published(await (await startRun(stack, [{}], 'nightly')).result());
    expect(second).toMatchObject({ runId: '2', calls: '502' });
    await expectExact(stack, second);
  });
});

describe('ten starts at once', () => {
  const startTen = () => Promise.all(Array.from({ length: 10 }, () => startRun(stack)));

  test('while a run is in progress: one bills, the others complete as skipped', async () => {
    await logs.uniform(stack.pool, { calls: 1234 });
    const map = await holdMap(stack);
    const runs = await startTen();
    const results: BillingRunResult[] = [];
    for (const run of runs) void run.result().then((result) => results.push(result));
    await eventually('nine have ended', () => results.length === 9);
    await map.waiting();
    const skipped = { status: 'skipped', activeRunId: '1', message: 'skipped: run 1 in progress' };
    expect(results).toEqual(Array(9).fill(skipped));
    await map.release();
    await eventually('all have ended', () => results.length === 10);
    await expectExact(stack, published(results[9]!));
    expect(await statusesOf(runs)).toEqual(Array(10).fill('COMPLETED'));
    expect(await runRows(stack)).toMatchObject([{ runId: '1', state: 'published' }]);
  });

  test('in a race: every call is billed once, by one of them', async () => {
    await logs.uniform(stack.pool, { calls: 1234 });
    const runs = await startTen();
    const results = await Promise.all(runs.map((run) => run.result()));
    const bills = results.filter((result) => result.status === 'published').sort((a, b) => +a.runId - +b.runId);
    expect(bills.length).toBeGreaterThanOrEqual(1);
    for (const result of results) {
      if (result.status === 'skipped') expect(result.message).toMatch(/^skipped: run \d+ in progress$/);
    }
    expect(bills.map((result) => Number(result.calls)).reduce((sum, calls) => sum + calls)).toBe(1234);
    for (const [number, result] of bills.entries()) {
      expect(result.range.after).toBe(bills[number - 1]?.range.to ?? '0');
    }
    await expectExact(stack, bills.at(-1)!);
  });
});

describe('a wrong input fails the workflow at once, and creates no run', () => {
  test.each<[unknown, string]>([
    [[], 'wrong input: must be a JSON object like {}, not []'],
    ['x', 'wrong input: must be a JSON object like {}, not "x"'],
    [null, 'wrong input: must be a JSON object like {}, not null'],
    [7, 'wrong input: must be a JSON object like {}, not 7'],
    [{ partitions: 0 }, 'wrong input: partitions must be a whole number from 1 to 500'],
    [{ shards: 1.5 }, 'wrong input: shards must be a whole number from 1 to 500'],
    [{ shards: '4' }, 'wrong input: shards must be a whole number from 1 to 500'],
    [{ callsPerCycle: 1001 }, 'wrong input: callsPerCycle must be a whole number from 1 to 1000'],
    [
      { unknown: 1 },
      'wrong input: unknown is not known; known are callsPerCycle, partitions, shards, holdFailedSeconds, pricePerUnit, currency, badCalls, backups',
    ],
    [{ pricePerUnit: 0.0004 }, 'wrong input: pricePerUnit must be a string'],
    [{ pricePerUnit: '-1' }, 'wrong input: pricePerUnit '],
    [{ pricePerUnit: '0.1234567890123' }, 'wrong input: pricePerUnit '],
    [{ currency: 'usd' }, 'wrong input: currency must be a three-letter ISO 4217 code in capitals, like USD'],
    [
      { partitions: 0, currency: 1 },
      'wrong input: partitions must be a whole number from 1 to 500; currency must be a string',
    ],
  ])('%j', async (input, message) => {
    await logs.uniform(stack.pool, { calls: 10 });
    const failure = await failureOf(await startRun(stack, [input]));
    expect(failure).toMatchObject({ type: 'BadInput', nonRetryable: true });
    expect(failure.message).toContain(message);
    expect(await runRows(stack)).toEqual([]);
  });

  test('another number of calls per cycle than the first run had', async () => {
    await logs.uniform(stack.pool, { calls: 504 });
    await bill(stack, { callsPerCycle: 5 });
    const failure = await failureOf(await startRun(stack, [{ callsPerCycle: 6 }]));
    expect(failure).toMatchObject({
      type: 'FrozenTermError',
      nonRetryable: true,
      message: 'CALLS_PER_CYCLE is 6, but the first run has frozen it at 5: set CALLS_PER_CYCLE=5, or unset it',
    });
    expect((await runRows(stack)).map((run) => run.state)).toEqual(['published']);
    await expectExact(stack, await bill(stack));
  });
});
