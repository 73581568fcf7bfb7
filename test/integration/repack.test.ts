/**
 * Repacking moves records of old runs into fewer rows. No figure changes, whatever runs concurrently and whenever it is
 * terminated.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { verify } from '../../src/audit/verify.js';
import { repack } from '../../src/ledger/repack.js';
import { type BillingRecord, readRecordsOfRun, readStatement } from '../../src/ledger/statements.js';
import { readCycleLatency } from '../../src/runs/latency.js';
import { contents } from '../support/contents.js';
import { hold, holdCommit, holdReduce } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, fannedOut, published, reset, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await startWorker(stack);
});
afterAll(() => stack.close());
beforeEach(() => reset(stack));

const USERS = 4;

/** Runs that close one or two cycles of each user. */
async function billOften(runs: number, terms: (number: number) => Parameters<typeof bill>[1] = () => ({})) {
  let last!: Awaited<ReturnType<typeof bill>>;
  for (let number = 1; number <= runs; number++) {
    await logs.uniform(stack.pool, { calls: 7 * USERS, users: USERS, seed: number });
    last = await bill(stack, terms(number));
  }
  return last;
}

async function allOf(batches: AsyncIterable<BillingRecord[]>): Promise<BillingRecord[]> {
  const rows: BillingRecord[] = [];
  for await (const batch of batches) rows.push(...batch);
  return rows;
}

/** Everything that shows records: the view, statements, exports, and the latency of each run. */
async function shown() {
  const { rows: view } = await stack.pool.query(
    'select to_jsonb(record) as record from public.billing_records record order by user_id, cycle_number',
  );
  const { rows: users } = await stack.pool.query<{ id: string }>(
    'select distinct user_id as id from api_logs order by 1',
  );
  const { rows: runs } = await stack.pool.query<{ id: string; cycles: string }>(
    `select run_id as id, cycles from meterfold.runs where state = 'published' order by run_id`,
  );
  const statements = [];
  for (const { id } of users) statements.push(await readStatement(stack.pool, id, ({ cycles }) => allOf(cycles)));
  const exports = [];
  for (const { id } of runs) exports.push(await readRecordsOfRun(stack.pool, id, allOf));
  const latencies = [];
  for (const { id, cycles: closed } of runs) {
    // The mean is omitted: its last digits depend on the order of the sum.
    const { maxSeconds, p99Seconds, cycles } = (await readCycleLatency(stack.pool, id, closed))!;
    latencies.push({ maxSeconds, p99Seconds, cycles });
  }
  return { view, statements, exports, latencies };
}

async function rowCounts(): Promise<{ small: number; repacked: number }> {
  const { rows } = await stack.pool.query(
    `select (select count(*)::integer from only meterfold.records) as small,
            (select count(*)::integer from meterfold.repacked_records) as repacked`,
  );
  return rows[0];
}

const noDifference = async () => expect((await verify(stack.pool, { differencesMax: 5 })).differences).toEqual([]);

test('rows of many runs become few, and everything that shows them is the same', async () => {
  const last = await billOften(30);
  const before = await shown();
  const { small } = await rowCounts();
  const result = await repack(stack.pool, {});
  expect(result).toMatchObject({ untilRunId: '29', users: USERS });
  // The rows of the newest run are unchanged.
  const after = await rowCounts();
  expect(after.small).toBeLessThanOrEqual(USERS);
  expect(after.repacked).toBe(USERS);
  expect(result.rowsBefore).toBe(small - after.small);
  expect(await shown()).toEqual(before);
  await expectExact(stack, last);
  await noDifference();
  for (const run of ['1', '15', '29', '30']) {
    expect((await verify(stack.pool, { runId: run, differencesMax: 5 })).differences).toEqual([]);
  }
});

test('meterfold.records includes every repacked cycle with its amount, and a delete by run removes no repacked row', async () => {
  await billOften(20);
  const cycles = async (from: string) =>
    (
      await stack.pool.query(
        `select packed.user_id, packed.first_cycle + cycle.index - 1 as cycle_number,
                meterfold.number_at(packed.usages, cycle.index) * run.price_per_unit as amount, run.currency
           from ${from} packed
           join meterfold.runs run on run.run_id = packed.run_id and run.state = 'published'
          cross join lateral (select generate_series(1, length(packed.usages) / 64) as index limit 96) cycle
          order by packed.user_id, packed.first_cycle, cycle.index`,
      )
    ).rows;
  const before = await cycles('meterfold.records');
  await repack(stack.pool, {});
  expect((await rowCounts()).repacked).toBe(USERS);
  expect(await cycles('meterfold.records')).toEqual(before);
  const { rowCount } = await stack.pool.query('delete from meterfold.records where run_id = 20');
  expect(rowCount).toBe(USERS);
  expect((await rowCounts()).repacked).toBe(USERS);
});

describe('a full row', () => {
  const callsPerCycle = 1;

  test('has at most 96 cycles, two fit into a page, and later passes do not change it', async () => {
    await logs.uniform(stack.pool, { calls: 1400, users: 2 });
    await bill(stack, { callsPerCycle });
    await splitRows();
    for (const seed of [2, 3]) {
      await logs.uniform(stack.pool, { calls: 8, users: 2, seed });
      await bill(stack, { callsPerCycle });
    }
    const before = await shown();
    // A user has more rows than a batch takes.
    expect((await rowCounts()).small).toBeGreaterThan(1200);
    await repack(stack.pool, {});
    const rowsOf = `select user_id, length(usages) / 64 as cycles, xmin::text from meterfold.repacked_records
                     order by user_id, first_cycle`;
    const { rows: first } = await stack.pool.query(rowsOf);
    expect(first.length).toBeLessThanOrEqual(18);
    const full = ({ cycles }: { cycles: number }) => cycles >= 95;
    expect(first.filter(full).length).toBeGreaterThan(10);
    expect(await shown()).toEqual(before);

    for (let seed = 4; seed < 10; seed++) {
      await logs.uniform(stack.pool, { calls: 20, users: 2, seed });
      await bill(stack, { callsPerCycle });
    }
    const longer = await shown();
    await repack(stack.pool, {});
    const { rows: second } = await stack.pool.query(rowsOf);
    expect(second).toEqual(expect.arrayContaining(first.filter(full)));
    expect(second.length).toBeGreaterThan(first.length);
    expect(await shown()).toEqual(longer);
    await noDifference();
    const { rows: large } = await stack.pool.query(
      'select from meterfold.repacked_records packed where pg_column_size(packed.*) > 4080 or length(usages) > 96 * 64',
    );
    expect(large).toEqual([]);
  });

  /** Moves each cycle to its own row, as many runs would write them. */
  async function splitRows(): Promise<void> {
    const numbers = ['usages', 'first_call_ids', 'last_call_ids', 'first_called_micros', 'last_called_micros'];
    await stack.pool.query(
      `with taken as (delete from only meterfold.records returning *)
       insert into meterfold.records (run_id, first_cycle, user_id, ${numbers})
       select run_id, first_cycle + index - 1, user_id, ${numbers.map((name) => `substring(${name}, 64 * index - 63, 64)`)}
         from taken, generate_series(1, length(usages) / 64) as index`,
    );
  }
});

test('rows of runs with different terms are not merged: each cycle keeps its price and its currency', async () => {
  const prices = ['0.0004', '0.0006', '0.0005'];
  await billOften(30, (number) => ({
    pricePerUnit: prices[Math.floor((number - 1) / 10)]!,
    currency: number > 25 ? 'EUR' : 'USD',
  }));
  const before = await shown();
  await repack(stack.pool, {});
  expect((await rowCounts()).repacked).toBe(4 * USERS);
  expect(await shown()).toEqual(before);
  await noDifference();
});

test.each([
  ['weird user ids', logs.weirdUsers],
  ['unordered times', logs.disorderedTimes],
  ['extreme usages', logs.extremeUsages],
  ['gaps in the ids', logs.gappyIds],
])('a log with %s is repacked without a difference', async (_title, add) => {
  for (let seed = 1; seed <= 12; seed++) {
    await add(stack.pool, { calls: 200, users: 20, seed });
    await bill(stack);
  }
  const before = await shown();
  const { rowsBefore, rowsAfter } = await repack(stack.pool, {});
  expect(rowsAfter).toBeLessThan(rowsBefore / 4);
  expect(await shown()).toEqual(before);
  await noDifference();
});

describe('concurrently with a run', () => {
  test('that has written records and is not published, it moves none of them', async () => {
    await billOften(12);
    await logs.uniform(stack.pool, { calls: 100, users: USERS, seed: 99 });
    const held = await holdReduce(stack);
    const run = await startRun(stack, [fannedOut]);
    await held.waiting();
    expect(await repack(stack.pool, {})).toMatchObject({ untilRunId: '11' });
    await held.release();
    await expectExact(stack, published(await run.result()));
    await noDifference();
  });

  test('and with verify, no figure is wrong at any moment', async () => {
    await billOften(3);
    let over = false;
    const differences: unknown[] = [];
    const verifying = (async () => {
      do differences.push(...(await verify(stack.pool, { differencesMax: 5 })).differences);
      while (!over);
    })();
    const repacking = (async () => {
      let rows = 0;
      do rows += (await repack(stack.pool, {})).rowsBefore;
      while (!over);
      return rows;
    })();
    const last = await billOften(25).finally(() => {
      over = true;
    });
    await verifying;
    expect(await repacking).toBeGreaterThan(10 * USERS);
    expect(differences).toEqual([]);
    await expectExact(stack, last);
  });
});

describe('a run that may be reverted', () => {
  const revert = (run: string) => meterfold(stack, ['revert', run, '--yes', '--reason', 'wrong price']);

  test('is not repacked: before and after, the newest run is reverted exactly, and reverts of earlier runs are refused', async () => {
    const twelfth = await billOften(12);
    await repack(stack.pool, {});
    const before = await shown();
    await logs.uniform(stack.pool, { calls: 200, users: USERS, seed: 13 });
    await bill(stack, { pricePerUnit: '0.7' });
    await repack(stack.pool, {});
    const refusal = {
      code: 1,
      stderr: expect.stringMatching(/cannot be reverted: run 13 was published after it, and/),
    };
    expect(await revert('12')).toMatchObject(refusal);
    expect(await revert('13')).toMatchObject({ code: 0 });
    expect((await shown()).view).toEqual(before.view);

    // A run was published after run 12, so run 12 remains.
    expect(await revert('12')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/run 13 was published after it and then reverted/),
    });
    expect(await repack(stack.pool, {})).toMatchObject({ untilRunId: '12' });
    expect((await shown()).view).toEqual(before.view);
    await expectExact(stack, twelfth);
    expect(await repack(stack.pool, {})).toMatchObject({ cycles: 0 });

    await expectExact(stack, await bill(stack));
    await repack(stack.pool, {});
    expect(await revert('14')).toMatchObject({ code: 0 });
    await expectExact(stack, await bill(stack));
    await noDifference();
  });

  test('can be reverted while a pass is in the middle of a batch', async () => {
    await billOften(12);
    const held = await holdCommit(stack, { on: 'insert on meterfold.repacked_records', when: 'true' });
    const repacking = repack(stack.pool, {});
    await held.waiting();
    expect(await revert('12')).toMatchObject({ code: 0 });
    await held.over();
    expect(await repacking).toMatchObject({ untilRunId: '11' });
    await noDifference();
    await expectExact(stack, await bill(stack));
  });
});

test('two concurrent passes alternate, and move each cycle once', async () => {
  await billOften(12);
  const before = await shown();
  const held = await hold(stack, 'lock table meterfold.repacks in share row exclusive mode');
  const passes = [repack(stack.pool, {}), repack(stack.pool, {})];
  await held.waiting({ query: 'lock table meterfold.repacks' });
  await held.release();
  const [one, two] = await Promise.all(passes);
  expect(Math.min(one!.cycles, two!.cycles)).toBe(0);
  expect(Math.max(one!.cycles, two!.cycles)).toBeGreaterThan(12 * USERS);
  expect(await shown()).toEqual(before);
  await noDifference();
});

test('a pass that is terminated in the middle of a batch has changed nothing of it, and the next pass repeats it', async () => {
  await billOften(12);
  const before = await contents(stack);
  const held = await holdCommit(stack, { on: 'insert on meterfold.repacked_records', when: 'true' });
  const repacking = meterfold(stack, ['repack']);
  const [session] = await held.waiting();
  await stack.pool.query('select pg_terminate_backend($1)', [session!.pid]);
  expect(await repacking).toMatchObject({ code: 1, stdout: '' });
  await held.over();
  expect(await contents(stack)).toEqual(before);
  expect(await meterfold(stack, ['repack'])).toMatchObject({ code: 0, stderr: '' });
  expect((await rowCounts()).repacked).toBe(USERS);
  await noDifference();
});

test('a batch that would change a figure fails with the names of its users, and is not written', async () => {
  await billOften(12);
  const before = await contents(stack);
  await stack.pool.query(`
    create function public.damage() returns trigger language plpgsql as
      $$ begin new.usages = set_bit(new.usages, 63, 1 - get_bit(new.usages, 63)); return new; end $$;
    create trigger damage before insert on meterfold.repacked_records for each row execute function public.damage()`);
  const refused = await meterfold(stack, ['repack']);
  await stack.pool.query('drop function public.damage() cascade');
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toMatch(
    /^meterfold: Repacking the records of user-0 to user-3 would change what they show .* the batch was not written\./,
  );
  expect(await contents(stack)).toEqual(before);
});

describe('`meterfold repack`', () => {
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await meterfold(stack, ['repack', '--json', ...args]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout);
  };

  test('does nothing without a settled run, and says so', async () => {
    const nothing = 'Nothing to repack: the newest published run is never repacked, and there is no run before it.\n';
    expect(await meterfold(stack, ['repack'])).toEqual({ code: 0, stdout: nothing, stderr: '' });
    await billOften(1);
    expect(await meterfold(stack, ['repack'])).toEqual({ code: 0, stdout: nothing, stderr: '' });
  });

  test('--dry-run counts what a pass then does, and writes nothing', async () => {
    await billOften(12);
    const before = await contents(stack);
    const dry = await json('--dry-run');
    expect(await contents(stack)).toEqual(before);
    expect(dry).toMatchObject({ status: 'dry run', until_run_id: '11', users: USERS });
    expect(dry.rows_after).toBe(USERS);
    expect(await json()).toEqual({ ...dry, status: 'repacked' });
  });

  test('--until takes a run or a time, and later runs are not changed', async () => {
    await billOften(12);
    expect(await json('--until', '6', '--dry-run')).toMatchObject({ until_run_id: '6' });
    expect(await json('--until', '2020-01-01')).toMatchObject({ until_run_id: null, cycles: 0 });
    const { rows } = await stack.pool.query<{ time: Date }>(
      'select published_at as time from meterfold.runs where run_id = 8',
    );
    expect(await json('--until', rows[0]!.time.toISOString())).toMatchObject({ until_run_id: '7' });
    const { rows: later } = await stack.pool.query('select from only meterfold.records where run_id > 7');
    expect(later.length).toBeGreaterThan(4 * USERS);
    expect((await meterfold(stack, ['repack', '--until', 'yesterday'])).code).toBe(2);
    expect(await json()).toMatchObject({ until_run_id: '11' });
    await noDifference();
  });
});
