/**
 * Several Temporal servers, or one that has lost its data: PostgreSQL holds the lock, and every call is billed once.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BillingRunResult, PublishedResult } from '../../src/contract/billing-run.js';
import { eventually } from '../support/eventually.js';
import * as logs from '../support/logs.js';
import { phases, startHeld, startPaused } from '../support/phases.js';
import { startWorker } from '../support/processes.js';
import {
  bill,
  expectExact,
  fannedOut,
  published,
  type RunHandle,
  reset,
  rowsOfRun,
  runRows,
  startRun,
  statusesOf,
} from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';
import { type OwnTemporal, startOwnTemporal } from '../support/temporals.js';

const TIMEOUT_MS = 120_000;
const skipped = { status: 'skipped', activeRunId: '1', message: 'skipped: run 1 in progress' };

/** Starts runs, one after the other, until one is published. All runs before it must be skipped. */
function billAfterLease(stack: Stack, runs: RunHandle[] = []): Promise<PublishedResult> {
  return eventually('a run takes over', async () => {
    const run = await startRun(stack);
    runs.push(run);
    const result = await run.result();
    if (result.status === 'published') return result;
    expect(result).toEqual(skipped);
    return undefined;
  });
}

describe("a run's Temporal is killed and replaced by an empty one at the same address", () => {
  let temporal: OwnTemporal;
  let stack: Stack;

  beforeAll(async () => {
    temporal = await startOwnTemporal();
    stack = await freshStack({ temporalAddress: temporal.address });
    await startWorker(stack, { env: { LEASE_SECONDS: '5' } });
  });
  afterAll(async () => {
    await stack.close();
    await temporal.kill();
  });
  beforeEach(async () => {
    await reset(stack);
    await logs.skewed(stack.pool, { calls: 1003 });
  });

  test.each(phases.filter((phase) => phase !== 'publishing'))(
    'while it is %s: when nobody has worked on it for the length of the lease, the next run discards it and bills everything',
    { timeout: TIMEOUT_MS },
    async (phase) => {
      const { held } = await startHeld(stack, phase);
      await temporal.replace();
      await held.release();
      const runs: RunHandle[] = [];
      const result = await billAfterLease(stack, runs);
      await expectExact(stack, result);
      expect(result).toMatchObject({ runId: '2', calls: '1003' });
      const [first, second] = await runRows(stack);
      expect([first, second]).toMatchObject([{ state: 'discarded' }, { state: 'published' }]);
      expect(first!.reason).toMatch(
        /^taken over by run-.*: Temporal does not know its workflow run-.*, and its lease is \d+ s old$/,
      );
      expect(await rowsOfRun(stack, '1')).toEqual({});
      expect(new Set(await statusesOf(runs))).toEqual(new Set(['COMPLETED']));
    },
  );

  test('while it is publishing: it is published, or the next run discards it, and every call is billed once', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { held } = await startHeld(stack, 'publishing');
    await temporal.replace();
    await held.release();
    const result = await billAfterLease(stack);
    await expectExact(stack, result);
    expect(result.range.to).toBe('1003');
    expect((await runRows(stack)).map(({ state }) => state)).toEqual([
      result.calls === '0' ? 'published' : 'discarded',
      'published',
    ]);
  });

  test('and a run starts there under the same workflow id: the old run must have ended, and is taken over immediately', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { held } = await startHeld(stack, 'mapping', () => startRun(stack, [fannedOut], 'nightly'));
    await temporal.replace();
    await held.release();
    const result = published(await (await startRun(stack, [{}], 'nightly')).result());
    await expectExact(stack, result);
    const reason = 'taken over by nightly: its workflow nightly has ended without publishing it';
    expect(await runRows(stack)).toMatchObject([{ state: 'discarded', reason }, { state: 'published' }]);
  });
});

describe('two Temporal servers on one database', () => {
  let temporal: OwnTemporal;
  let one: Stack;
  let other: Stack;

  beforeAll(async () => {
    temporal = await startOwnTemporal();
    one = await freshStack();
    other = await freshStack({ temporalAddress: temporal.address, beside: one });
    await Promise.all([startWorker(one), startWorker(other)]);
  });
  afterAll(async () => {
    await other.close();
    await one.close();
    await temporal.kill();
  });
  beforeEach(async () => {
    await reset(one);
    await logs.skewed(one.pool, { calls: 1003 });
  });

  const directions = [
    { title: 'its own server', stacks: () => [other, one] as const },
    { title: 'the shared server', stacks: () => [one, other] as const },
  ];

  describe.each(directions)('a run on $title', ({ stacks }) => {
    test('is in progress: a run on the other server is skipped', async () => {
      const [owner, newcomer] = stacks();
      const { run, held } = await startHeld(owner, 'mapping');
      expect(await (await startRun(newcomer)).result()).toEqual(skipped);
      await held.release();
      await expectExact(owner, published(await run.result()));
    });

    test('is paused for longer than its lease: a run on the other server asks its Temporal, which knows it, and is skipped', async () => {
      const [owner, newcomer] = stacks();
      const run = await startPaused(owner, 'mapping', 'reducing');
      await one.pool.query(`update meterfold.leases set renewed_at = now() - interval '1 hour'`);
      expect(await (await startRun(newcomer)).result()).toEqual(skipped);
      await run.executeUpdate('resume');
      await expectExact(owner, published(await run.result()));
    });

    test('is terminated: a run on the other server asks its Temporal, takes over immediately, and bills everything', async () => {
      const [owner, newcomer] = stacks();
      const { run, held } = await startHeld(owner, 'reducing');
      await run.terminate();
      await held.release();
      await expectExact(owner, await bill(newcomer));
      const reason = expect.stringContaining(`its workflow ${run.workflowId} has ended without publishing it`);
      expect(await runRows(one)).toMatchObject([{ state: 'discarded', reason }, { state: 'published' }]);
    });
  });

  test('start runs alternately: each run bills the new calls, regardless of which server billed before', async () => {
    for (const [number, stack] of [one, other, one, other].entries()) {
      if (number > 0) await logs.skewed(one.pool, { calls: 101, seed: number + 1 });
      const result = await bill(stack);
      expect(result).toMatchObject({ runId: String(number + 1), calls: number === 0 ? '1003' : '101' });
      await expectExact(stack, result);
    }
  });

  test('start ten runs at once, repeatedly: every call is billed once', async () => {
    const results: BillingRunResult[] = [];
    for (const seed of [2, 3, 4]) {
      const runs = await Promise.all(
        Array.from({ length: 10 }, (_, number) => startRun(number % 2 === 0 ? one : other)),
      );
      await logs.skewed(one.pool, { calls: 100, seed });
      results.push(...(await Promise.all(runs.map((run) => run.result()))));
      expect(await statusesOf(runs)).toEqual(Array(10).fill('COMPLETED'));
    }
    await expectExact(one, await bill(other));
    const states = new Set((await runRows(one)).map(({ state }) => state));
    expect(states).toEqual(new Set(['published']));
    for (const result of results) {
      if (result.status === 'skipped') expect(result.message).toMatch(/^skipped: run \d+ in progress$/);
    }
  });
});

test("the owner's Temporal is unreachable: the lease decides", { timeout: TIMEOUT_MS }, async ({ onTestFinished }) => {
  const temporal = await startOwnTemporal();
  const one = await freshStack();
  const other = await freshStack({ temporalAddress: temporal.address, beside: one });
  onTestFinished(async () => {
    await other.close();
    await one.close();
  });
  await logs.skewed(one.pool, { calls: 1003 });
  const env = { LEASE_SECONDS: '10' };
  const [, itsWorker] = await Promise.all([startWorker(one, { env }), startWorker(other, { env })]);

  const { held } = await startHeld(other, 'mapping');
  await temporal.kill();
  // Its worker still works on the run, and renews the lease.
  expect(await (await startRun(one)).result()).toEqual(skipped);
  itsWorker.kill('SIGKILL');
  await itsWorker.ended;
  await held.release();
  const result = await billAfterLease(one);
  await expectExact(one, result);
  expect(result).toMatchObject({ runId: '2', calls: '1003' });
  const [first] = await runRows(one);
  expect(first!.reason).toMatch(/^taken over by .* its lease is \d+ s old$/);
});
