import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BillingRunInput } from '../../src/contract/billing-run.js';
import { eventually } from '../support/eventually.js';
import { hold, holdMap } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, published, reset, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const CALLS = 3000;

const generated: [string, logs.Log][] = [
  ['uniform', logs.uniform],
  ['skewed', logs.skewed],
  ['one user with everything', logs.oneUser],
  ['every user with one call', logs.everyUserOneCall],
  ['equal called_at', logs.equalTimes],
  ['disordered called_at', logs.disorderedTimes],
  ['usages of 0 and 10^15', logs.extremeUsages],
  ['weird user ids', logs.weirdUsers],
  ['gaps in ids', logs.gappyIds],
  ['ids above 2^53', logs.hugeIds],
];

interface Worker {
  title: string;
  env: Record<string, string>;
  input: BillingRunInput;
  /** The minimum number of activities; a small run has one. */
  activities: number;
}

const workers: Worker[] = [
  { title: 'a worker with default settings', env: {}, input: {}, activities: 1 },
  {
    title: 'a worker with little memory, in 7 partitions and 5 shards',
    env: { SPILL_CALLS: '97', REDUCE_PASS_BYTES: '256' },
    input: { partitions: 7, shards: 5 },
    activities: 14,
  },
];

describe.each(workers)('$title', ({ env, input, activities }) => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await freshStack();
    await startWorker(stack, { env });
  });
  afterAll(() => stack.close());
  beforeEach(() => reset(stack));

  test.each(generated)('bills exactly, in one run: %s', async (_title, generate) => {
    await generate(stack.pool, { calls: CALLS, seed: 11 });
    const result = await bill(stack, input);
    expect(result.activities.scheduled).toBeGreaterThanOrEqual(activities);
    await expectExact(stack, result);
  });

  test.each(generated)(
    'bills exactly in several runs, starting with an empty log, with new calls before each: %s',
    async (_title, generate) => {
      const nothing = await bill(stack, input);
      expect(nothing).toMatchObject({ calls: '0', cycles: '0', amount: '0', range: { after: '0', to: '0' } });
      let after = '0';
      for (const [number, calls] of [700, 3, 0, 1200].entries()) {
        if (calls > 0) await generate(stack.pool, { calls, seed: 20 + number });
        const result = await bill(stack, input);
        expect(result.range.after).toBe(after);
        await expectExact(stack, result);
        after = result.range.to;
      }
      expect((await runRows(stack)).map((run) => run.state)).toEqual(Array(5).fill('published'));
    },
  );
});

describe('prices, currencies and calls per cycle', () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await freshStack();
    await startWorker(stack);
  });
  afterAll(() => stack.close());
  beforeEach(() => reset(stack));

  test('a record has the price of the run that closes it', async () => {
    await logs.uniform(stack.pool, { calls: 503, users: 7 });
    const dear = await bill(stack, { pricePerUnit: '1.000000000001', currency: 'EUR' });
    await expectExact(stack, dear, { pricePerUnit: '1.000000000001', currency: 'EUR' });
    await logs.uniform(stack.pool, { calls: 503, users: 7, seed: 2 });
    const free = await bill(stack, { pricePerUnit: '0' });
    expect(free.amount).toBe('0');

    const { rows } = await stack.pool.query(
      `select run_id, currency, sum(usage)::text as usage, trim_scale(sum(amount))::text as amount
         from public.billing_records group by run_id, currency order by run_id`,
    );
    expect(rows).toEqual([
      { run_id: dear.runId, currency: 'EUR', usage: dear.billedUsage, amount: dear.amount },
      { run_id: free.runId, currency: 'USD', usage: free.billedUsage, amount: '0' },
    ]);
  });

  test.each([1, 7, 1000])('cycles of %i calls', async (callsPerCycle) => {
    await logs.skewed(stack.pool, { calls: 4001, users: 5 });
    await expectExact(stack, await bill(stack, { callsPerCycle }), { callsPerCycle });
    await logs.skewed(stack.pool, { calls: 1503, users: 9, seed: 2 });
    await expectExact(stack, await bill(stack, { callsPerCycle }), { callsPerCycle });
  });

  test('the largest usages at the largest price stay exact', async () => {
    const pricePerUnit = '999999.999999999999';
    await logs.extremeUsages(stack.pool, { calls: CALLS, users: 3 });
    await expectExact(stack, await bill(stack, { pricePerUnit }), { pricePerUnit });
  });
});

describe('an unpublished run', () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await freshStack();
    await startWorker(stack);
  });
  afterAll(() => stack.close());

  test('is not visible in any view or command, although its records are stored', async () => {
    await logs.uniform(stack.pool, { calls: 1003, users: 10 });
    const first = await bill(stack);
    const shown = async () =>
      (
        await stack.pool.query(
          `select (select json_agg(record) from public.billing_records record) as records,
                  (select json_agg(cycle) from public.open_cycles cycle) as cycles`,
        )
      ).rows[0];
    const before = await shown();
    const statementBefore = await meterfold(stack, ['statement', 'user-3', '--json']);

    await logs.uniform(stack.pool, { calls: 1003, users: 12, seed: 2 });
    const map = await holdMap(stack);
    const run = await startRun(stack);
    await map.waiting();
    // Publish locks the row exclusively; map and reduce only share it.
    const row = await hold(stack, `select from meterfold.runs where state = 'active' for share`);
    await map.release();
    const active = (await runRows(stack)).at(-1)!;
    await eventually('all tasks are done', async () => {
      const { rows } = await stack.pool.query(
        'select every(outcome is not null) as done from meterfold.tasks where run_id = $1',
        [active.runId],
      );
      return rows[0].done;
    });
    const { rows } = await stack.pool.query(
      `select (select count(*)::int from meterfold.records where run_id = $1) as records,
              (select count(*)::int from meterfold.open_cycles where run_id = $1) as "openCycles"`,
      [active.runId],
    );
    expect(rows[0]).toEqual({ records: 12, openCycles: 12 });
    expect(await shown()).toEqual(before);
    expect(await meterfold(stack, ['statement', 'user-3', '--json'])).toEqual(statementBefore);
    const refused = await meterfold(stack, ['export', '--run', active.runId]);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain(`Run ${active.runId} is active: only a published run has billing records.`);

    await row.release();
    const result = published(await run.result());
    expect(result.range.after).toBe(first.range.to);
    await expectExact(stack, result);
  });
});
