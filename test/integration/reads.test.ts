import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { StatementTotals } from '../../src/billing/statement.js';
import { copyCalls, defaultStart, generateCalls } from '../../src/embedded/generate.js';
import { dryRun } from '../../src/ledger/dry-run.js';
import { type BillingRecord, readRecordsOfRun, readStatement, topBills } from '../../src/ledger/statements.js';
import { listRuns, readRun } from '../../src/runs/list.js';
import * as logs from '../support/logs.js';
import { startWorker } from '../support/processes.js';
import { bill, reset } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await startWorker(stack);
});
afterAll(() => stack.close());
afterEach(() => reset(stack));

async function allOf<Item>(batches: AsyncIterable<Item[]>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const batch of batches) items.push(...batch);
  return items;
}

/** Rows of the view in the form that the reads return. */
async function viewRows(where: string, values: unknown[]): Promise<BillingRecord[]> {
  const iso = (column: string) =>
    `replace(rtrim(rtrim(to_char(${column}, 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z', ' ', 'T')`;
  const { rows } = await stack.pool.query<BillingRecord>(
    `select user_id as "userId", cycle_number as "cycleNumber", calls, usage, trim_scale(amount) as amount, currency,
            first_call_id as "firstCallId", last_call_id as "lastCallId",
            ${iso('first_called_at')} as "firstCalledAt", ${iso('last_called_at')} as "lastCalledAt", run_id as "runId"
       from billing_records where ${where} order by user_id, cycle_number`,
    values,
  );
  return rows;
}

describe('a dry run predicts what the run then bills', () => {
  const terms = { callsPerCycle: 5, pricePerUnit: '0.0004', currency: 'USD', badCalls: 'stop' } as const;

  test.each([
    ['of nothing', async () => {}],
    ['of a skewed log', () => logs.skewed(stack.pool, { calls: 2003 })],
    ['of one user', () => logs.oneUser(stack.pool, { calls: 503 })],
    ['of users with one call each', () => logs.everyUserOneCall(stack.pool, { calls: 300 })],
    ['of extreme usages', () => logs.extremeUsages(stack.pool, { calls: 700 })],
    ['of ids with gaps', () => logs.gappyIds(stack.pool, { calls: 1200 })],
    ['of huge ids', () => logs.hugeIds(stack.pool, { calls: 300 })],
  ])('%s, twice with calls in between', async (_name, add: () => Promise<void>) => {
    for (let round = 0; round < 2; round++) {
      await add();
      const { activeRunId, frozenCallsPerCycle, stopsAt, ...expected } = await dryRun(stack.pool, terms);
      expect({ activeRunId, frozenCallsPerCycle, stopsAt }).toEqual({
        activeRunId: null,
        stopsAt: null,
        frozenCallsPerCycle: round === 0 ? null : 5,
      });
      expect(await bill(stack)).toMatchObject(expected);
    }
  });

  test('of one call at a time, until cycles close', async () => {
    for (let call = 0; call < 12; call++) {
      await logs.oneUser(stack.pool, { calls: 1, seed: call });
      const { activeRunId: _, frozenCallsPerCycle: __, stopsAt: ___, ...expected } = await dryRun(stack.pool, terms);
      expect(await bill(stack)).toMatchObject(expected);
    }
  });
});

describe('published records', () => {
  test('of a user are read as a statement: the rows of the view, in order, and the open cycle', async () => {
    await logs.oneUser(stack.pool, { calls: 6002 });
    await bill(stack, { pricePerUnit: '0.1' });
    await logs.oneUser(stack.pool, { calls: 4001, seed: 2 });
    await bill(stack, { pricePerUnit: '0.000000000001', currency: 'JPY' });
    const totals = new StatementTotals();
    const { cycles, openCycle } = await readStatement(stack.pool, 'the only one', async (statement) => ({
      cycles: await allOf(statement.cycles),
      openCycle: statement.openCycle,
    }));
    expect(cycles).toEqual(await viewRows('user_id = $1', ['the only one']));
    expect(cycles.map(({ cycleNumber }) => Number(cycleNumber))).toEqual(Array.from({ length: 2000 }, (_, i) => i + 1));
    for (const cycle of cycles) totals.add(cycle);
    const { rows } = await stack.pool.query(
      `select currency, count(*) as cycles, sum(calls) as calls, sum(usage) as usage, trim_scale(sum(amount)) as amount
         from billing_records group by currency order by currency`,
    );
    expect(totals.totals()).toMatchObject(rows);
    expect(openCycle).toMatchObject({ nextCycleNumber: '2001', calls: 3 });
  });

  test('of a user without calls do not exist', async () => {
    const statement = await readStatement(stack.pool, 'nobody', async ({ cycles, openCycle }) => [
      await allOf(cycles),
      openCycle,
    ]);
    expect(statement).toEqual([[], null]);
  });

  test.each([
    ['weird user ids', logs.weirdUsers],
    ['unordered times', logs.disorderedTimes],
    ['a skewed log', logs.skewed],
  ])('of a run come as an export: the same rows as the view has (%s)', async (_name, add) => {
    await add(stack.pool, { calls: 3000 });
    await bill(stack);
    await add(stack.pool, { calls: 3000, seed: 2 });
    await bill(stack);
    for (const run of ['1', '2']) {
      const exported = await readRecordsOfRun(stack.pool, run, allOf);
      expect(exported).toEqual(await viewRows('run_id = $1', [run]));
      expect(exported.length).toBeGreaterThan(0);
    }
  });

  test('are found by run and by user with an index', async () => {
    const plan = async (condition: string) => {
      const client = await stack.pool.connect();
      await client.query('begin; set local enable_seqscan = off');
      const { rows } = await client.query(`explain select * from billing_records where ${condition}`);
      await client.query('rollback');
      client.release();
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    const byRun = await plan('run_id = 1');
    expect(byRun).toContain('records_of_run');
    expect(byRun).toContain('repacked_records_runs');
    expect(byRun).not.toContain('Seq Scan');
    const byUser = await plan("user_id = 'a'");
    expect(byUser).toMatch(/ using records_pkey on records /);
    expect(byUser).toContain('repacked_records_pkey');
    expect(byUser).not.toContain('Seq Scan');
  });

  test('are summed to the largest bills, separately for each currency', async () => {
    await logs.skewed(stack.pool, { calls: 3000 });
    await bill(stack);
    await logs.skewed(stack.pool, { calls: 3000, seed: 2 });
    await bill(stack, { currency: 'EUR' });
    const { rows } = await stack.pool.query(
      `select user_id as "userId", currency, count(*) as cycles, sum(usage) as usage, trim_scale(sum(amount)) as amount
         from billing_records group by user_id, currency order by currency, sum(amount) desc, user_id`,
    );
    const expected = ['EUR', 'USD'].flatMap((currency) => rows.filter((row) => row.currency === currency).slice(0, 4));
    expect(await topBills(stack.pool, 4)).toEqual(expected);
  });
});

describe('runs', () => {
  test('are listed newest first, and one run is read with all details', async () => {
    await logs.uniform(stack.pool, { calls: 1000 });
    const first = await bill(stack, { partitions: 3, shards: 2 });
    await bill(stack);
    expect((await listRuns(stack.pool, 10)).map(({ runId, state }) => [runId, state])).toEqual([
      ['2', 'published'],
      ['1', 'published'],
    ]);
    expect(await listRuns(stack.pool, 1)).toHaveLength(1);
    const { calls, users, cycles, usage, billedUsage, amount, currency, pricePerUnit, range, carriedIn, carriedOut } =
      first;
    const run = (await readRun(stack.pool, '1'))!;
    expect(run).toMatchObject({
      state: 'published',
      ...{ calls, users, cycles, usage, billedUsage, amount, currency, pricePerUnit, range, carriedIn, carriedOut },
      callsPerCycle: 5,
      blockedBy: [],
      temporal: { address: stack.temporalAddress, namespace: stack.namespace },
      tasks: [
        { kind: 'map', done: 3, total: 3 },
        { kind: 'reduce', done: 2, total: 2 },
        { kind: 'recount', done: 1, total: 1 },
      ],
    });
    expect(
      run.workers.map(({ activities, callsMapped, callsReduced }) => [activities, callsMapped, callsReduced]),
    ).toEqual([[6, '1000', '1000']]);
    expect(await readRun(stack.pool, '3')).toBeUndefined();
  });
});

test('generated calls are logged as they were generated, after existing calls', async () => {
  const options = { calls: 3000, users: 50, skew: 3, seed: 7, start: defaultStart };
  await logs.oneUser(stack.pool, { calls: 1 });
  const seen: number[] = [];
  expect(await copyCalls(stack.pool, options, (calls) => seen.push(calls))).toBe(3000);
  expect(seen.at(-1)).toBe(3000);
  const { rows } = await stack.pool.query(
    `select user_id as "userId", call_id as "callId", endpoint, method, status, usage::integer, called_at as "calledAt"
       from api_logs order by id offset 1`,
  );
  expect(rows).toEqual([...generateCalls(options)]);
});
