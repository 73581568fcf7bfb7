/**
 * Retain verifies and releases the oldest part of the history. Verify then continues from there, whether the calls
 * still exist or not.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { type Verification, verify } from '../../src/audit/verify.js';
import { openPool, type Pool } from '../../src/postgres/pool.js';
import { contents } from '../support/contents.js';
import { type Column, changeOf, columnsOf, DamagedCopies } from '../support/damage.js';
import { hold } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { billingDifferences, noDifferences } from '../support/oracle.js';
import { startHeld } from '../support/phases.js';
import { meterfold, startCommand, startWorker, type WorkerProcess } from '../support/processes.js';
import { bill, fannedOut, published, reset, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;
let worker: WorkerProcess;
let pool: Pool;

beforeAll(async () => {
  stack = await freshStack();
  await logs.dropChecks(stack.pool);
  await stack.pool.query('create table public.kept (like public.api_logs)');
  worker = await startWorker(stack, { env: { BAD_CALLS: 'quarantine' } });
  pool = await openPool(stack.databaseUrl, { applicationName: 'verify', connectionsMax: 3 });
});
afterAll(async () => {
  await pool?.end();
  await stack?.close();
});
beforeEach(async () => {
  await reset(stack);
  await stack.pool.query('truncate public.kept');
});

interface RunEnd {
  runId: string;
  end: string;
}

const retain = (until: string, ...args: string[]) => meterfold(stack, ['retain', '--until', until, ...args]);

async function released(until: string) {
  const { code, stdout, stderr } = await retain(until, '--json');
  expect({ code, stderr, stdout }).toMatchObject({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

async function expectNoDifference(): Promise<Verification> {
  const verification = await verify(pool, { differencesMax: 5 });
  expect(verification.differences).toEqual([]);
  return verification;
}

/**
 * Bills runs after which users are in every state: with open cycles of each length and without one, with calls in every
 * run or in one. There are quarantined calls, a run without calls, and a reverted run.
 */
async function billHistory(): Promise<RunEnd[]> {
  const { pool: log } = stack;
  await logs.skewed(log, { calls: 503 });
  await log.query(`insert into public.api_logs (user_id, usage, called_at)
                   select 'closed', n, now() from generate_series(1, 5) n union all select 'one run', 7, now()`);
  await log.query('update public.api_logs set usage = -id where id % 100 = 7');
  const ends = [await bill(stack)];
  await logs.uniform(log, { calls: 301, seed: 2 });
  await log.query('update public.api_logs set usage = -id where id > 600 and id % 100 = 7');
  ends.push(await bill(stack, { partitions: 2, shards: 3 }), await bill(stack));
  await logs.weirdUsers(log, { calls: 200 });
  await log.query(`insert into public.api_logs (user_id, usage, called_at)
                   select 'closed', n, now() from generate_series(1, 3) n`);
  await bill(stack, { pricePerUnit: '0.7' });
  expect(await meterfold(stack, ['revert', '4', '--yes', '--reason', 'wrong price'])).toMatchObject({ code: 0 });
  ends.push(await bill(stack));
  await logs.skewed(log, { calls: 222, seed: 3 });
  ends.push(await bill(stack));
  return ends.map(({ runId, range }) => ({ runId, end: range.to }));
}

/** Deletes released calls from the log, as dropping old partitions does. */
async function drop(upTo: string): Promise<void> {
  await stack.pool.query(
    `with gone as (delete from public.api_logs where id <= ${upTo} returning *) insert into public.kept select * from gone`,
  );
}

/** Compares all bills with the whole log: deleted calls are restored in a transaction that is rolled back. */
async function expectExactBills(upTo: string): Promise<void> {
  const client = await stack.pool.connect();
  try {
    await client.query('begin; insert into public.api_logs select * from public.kept');
    expect(await billingDifferences(client as never, { upTo })).toEqual(noDifferences);
  } finally {
    await client.query('rollback');
    client.release();
  }
}

describe('after a release', () => {
  test.each([[[0]], [[0, 1]], [[1, 3]], [[2]], [[3]], [[0, 2, 3, 4]], [[4]]])(
    'up to the ends of runs %j, verify and billing continue from there',
    async (points) => {
      const ends = await billHistory();
      let after = '0';
      for (const point of points) {
        const { runId, end } = ends[point]!;
        if (end === after) continue;
        expect(await released(end)).toMatchObject({ status: 'released', range: { after, to: end } });
        const { range, retained } = await expectNoDifference();
        expect(range.after).toBe(end);
        expect(retained).toMatchObject({ position: end });
        expect(BigInt(retained!.runId)).toBeGreaterThanOrEqual(BigInt(runId));
        await drop(end);
        await expectNoDifference();
        after = end;
      }
      for (const { runId, state } of await runRows(stack)) {
        expect([state, (await verify(pool, { runId, differencesMax: 5 })).differences]).toEqual([state, []]);
      }
      await logs.skewed(stack.pool, { calls: 100, seed: 4 });
      await logs.uniform(stack.pool, { calls: 100, seed: 5 });
      await bill(stack, { partitions: 2, shards: 2 });
      await expectNoDifference();
      const last = await bill(stack);
      const { checked } = await expectNoDifference();
      await expectExactBills(last.range.to);
      const { rows } = await stack.pool.query<{ users: string }>('select count(*) as users from public.open_cycles');
      expect(checked.users).toBe(rows[0]!.users);
    },
  );

  test('later runs are reverted and billed again, and the next release begins where the last one ended', async () => {
    const ends = await billHistory();
    await released(ends[3]!.end);
    await drop(ends[3]!.end);
    expect(await meterfold(stack, ['revert', '6', '--yes', '--reason', 'wrong price'])).toMatchObject({ code: 0 });
    await expectNoDifference();
    const { runId, range } = await bill(stack);
    await expectNoDifference();
    expect(await released(range.to)).toMatchObject({ run_id: runId, range: { after: ends[3]!.end, to: range.to } });
    await drop(range.to);
    await expectNoDifference();
    await expectExactBills(range.to);
  });

  test('a released run cannot be reverted, not even by a direct update of its row', async () => {
    const ends = await billHistory();
    const { end } = ends.at(-1)!;
    await released(end);
    const before = await contents(stack);
    expect(await meterfold(stack, ['revert', '6', '--yes', '--reason', 'wrong price'])).toEqual({
      code: 1,
      stdout: '',
      stderr: `meterfold: Run 6 cannot be reverted: \`meterfold retain\` has released the log up to position ${end}, and its calls may be gone.\n`,
    });
    await expect(
      stack.pool.query(
        `update meterfold.runs set state = 'reverted', reverted_at = clock_timestamp(), revert_reason = 'x' where run_id = 6`,
      ),
    ).rejects.toThrow('run 6 cannot be reverted');
    expect(await contents(stack)).toEqual(before);
  });

  test('verify says where it begins, and what it can check of a released run', async () => {
    const ends = await billHistory();
    const { end } = ends[1]!;
    await released(end);
    const all = await meterfold(stack, ['verify']);
    expect(all.stdout).toMatch(/^checked +all calls after log position 810 up to the watermark, 1,235\n/);
    expect(all.stdout).toContain(
      'Note: Log positions up to 810, the end of run 3, were released by `meterfold retain` at 20',
    );
    expect((await meterfold(stack, ['verify', '1'])).stdout).toContain(
      'the figures of run 1 are checked, not its calls',
    );
    expect((await meterfold(stack, ['verify', '5'])).stdout).not.toContain('released');
  });
});

describe('the released part ends at the end of a published run:', () => {
  test('the newest run that ended at or before the position, or was published at or before the time', async () => {
    const ends = await billHistory();
    const middle = BigInt(ends[0]!.end) + 1n;
    expect(await released(String(middle))).toMatchObject({ run_id: '1', range: { after: '0', to: ends[0]!.end } });
    const { rows } = await stack.pool.query<{ time: string }>(
      `select to_char(published_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time from meterfold.runs where run_id = 5`,
    );
    const { time } = rows[0]!;
    expect(await released(time)).toMatchObject({ run_id: '5', range: { after: ends[0]!.end, to: ends[3]!.end } });
    const stored = await stack.pool.query(
      `select run_id, until_time = $1 as asked, newest_called_at = (select max(called_at) from public.api_logs
                where id > after_position and id <= position and usage >= 0) as newest
         from meterfold.retentions order by run_id`,
      [time],
    );
    expect(stored.rows).toEqual([
      { run_id: '1', asked: null, newest: true },
      { run_id: '5', asked: true, newest: true },
    ]);
  });

  test('without such a run, nothing is released', async () => {
    await billHistory();
    const refusal = (until: string, beyond = '') => ({
      code: 1,
      stdout: '',
      stderr:
        `meterfold: There is nothing to release: no published run ended at or before ${until}${beyond}. ` +
        '`meterfold runs` lists the ends of runs.\n',
    });
    expect(await retain('500')).toEqual(refusal('log position 500'));
    expect(await retain('2020-01-01T00:00:00Z', '--dry-run')).toEqual(refusal('2020-01-01T00:00:00Z'));
    await released('600');
    const beyond = ' after log position 509, up to which the log is already released';
    expect(await retain('600')).toEqual(refusal('log position 600', beyond));
  });

  test.each(['2026-10-01', '2026-10-01T00:00:00', 'yesterday', '-1', '2026-13-01T00:00:00Z'])(
    '%s is refused with exit code 2',
    async (until) => {
      expect(await meterfold(stack, ['retain', `--until=${until}`])).toMatchObject({ code: 2, stdout: '' });
    },
  );
});

describe('nothing is changed', () => {
  test('by a dry run, which shows what would be released', async () => {
    const ends = await billHistory();
    const before = await contents(stack);
    const shown = await retain(ends[1]!.end, '--dry-run');
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toMatch(
      /^would release +log positions after 0 up to 810\nup to the end of +run 3, published 20/,
    );
    expect(shown.stdout).toMatch(/\nNothing was changed\. /);
    const { stdout } = await retain(ends[1]!.end, '--dry-run', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ status: 'dry run', run_id: '3', runs: '3', quarantined_calls: '9' });
    expect(await contents(stack)).toEqual(before);
  });

  test('if verify finds differences in the part: they are shown, and the exit code is 1', async () => {
    const ends = await billHistory();
    await stack.pool.query('update public.api_logs set usage = usage + 1 where id = 333');
    const before = await contents(stack);
    const refused = await retain(ends[0]!.end);
    expect(refused).toMatchObject({ code: 1, stderr: '' });
    expect(refused.stdout).toMatch(/call 333/);
    expect(refused.stdout).toMatch(/\nNothing was changed: calls with differences are not released\.\n$/);
    const { status, differences } = JSON.parse((await retain(ends[0]!.end, '--json')).stdout);
    expect([status, differences.length > 0]).toEqual(['refused', true]);
    expect(await contents(stack)).toEqual(before);
  });

  test('if its connection is terminated in the middle', async () => {
    const ends = await billHistory();
    const before = await contents(stack);
    const held = await hold(stack, 'lock table meterfold.retained_open_cycles in share mode');
    const retaining = startCommand(stack, ['retain', '--until', ends[1]!.end]);
    const [session] = await held.waiting();
    await stack.pool.query('select pg_terminate_backend($1)', [session!.pid]);
    expect(await retaining.result).toMatchObject({ code: 1, stdout: '' });
    await held.release();
    expect(await contents(stack)).toEqual(before);
    await released(ends[1]!.end);
  });

  test('if the run is reverted meanwhile', async () => {
    const ends = await billHistory();
    const held = await hold(stack, 'lock table meterfold.retained_open_cycles in share mode');
    const retaining = startCommand(stack, ['retain', '--until', ends.at(-1)!.end]);
    await held.waiting();
    expect(await meterfold(stack, ['revert', '6', '--yes', '--reason', 'wrong price'])).toMatchObject({ code: 0 });
    const before = await contents(stack);
    await held.release();
    expect(await retaining.result).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'meterfold: Nothing was released: run 6 is reverted since it was verified. Run `meterfold retain` again.\n',
    });
    expect(await contents(stack)).toEqual(before);
    await expectNoDifference();
  });
});

describe('concurrently,', () => {
  test.each(['sealing', 'mapping', 'publishing'] as const)('a run that is %s continues', async (phase) => {
    const ends = await billHistory();
    await logs.skewed(stack.pool, { calls: 100, seed: 6 });
    const { run, held } = await startHeld(stack, phase, () => startRun(stack, [fannedOut]));
    const releasing = phase === 'mapping' ? undefined : await released(ends.at(-1)!.end);
    await held.release();
    const { range } = published(await run.result());
    expect(releasing === undefined ? await released(ends.at(-1)!.end) : releasing).toMatchObject({
      status: 'released',
    });
    await drop(ends.at(-1)!.end);
    await expectNoDifference();
    await expectExactBills(range.to);
  });

  test('of two releases, one fails because the other was first, or finds nothing to release', async () => {
    const ends = await billHistory();
    const held = await hold(stack, 'lock table meterfold.retained_open_cycles in share mode');
    const both = [0, 1].map(() => startCommand(stack, ['retain', '--until', ends[3]!.end]).result);
    await held.waiting();
    await held.release();
    expect((await Promise.all(both)).map(({ code }) => code).sort()).toEqual([0, 1]);
    await expectNoDifference();
  });
});

test('partitions that end at or before the released position may be dropped by the printed SQL; runs and verify continue', async () => {
  const own = await freshStack();
  try {
    await own.pool.query(`
      alter table public.api_logs rename to plain;
      create table public.api_logs (like public.plain including all) partition by range (id);
      create table public."first 300" partition of public.api_logs for values from (minvalue) to (301);
      create table public.low partition of public.api_logs for values from (301) to (601);
      create table public.high partition of public.api_logs for values from (601) to (maxvalue);
      drop table public.plain;
      select meterfold.guard_log(true)`);
    const ownWorker = await startWorker(own);
    await logs.skewed(own.pool, { calls: 650 });
    await bill(own);
    await logs.skewed(own.pool, { calls: 100, seed: 2 });
    await bill(own);
    const { code, stdout } = await meterfold(own, ['retain', '--until', '700', '--json']);
    expect(code).toBe(0);
    const { partitions } = JSON.parse(stdout);
    expect(partitions).toMatchObject({ is_partitioned: true, droppable: ['public."first 300"', 'public.low'] });
    for (const statement of partitions.statements) await own.pool.query(statement);
    await logs.skewed(own.pool, { calls: 100, seed: 3 });
    expect(await bill(own)).toMatchObject({ calls: '100' });
    expect(await meterfold(own, ['verify'])).toMatchObject({ code: 0 });
    expect(await meterfold(own, ['doctor'])).toMatchObject({ code: 0 });
    await ownWorker.stop();
  } finally {
    await own.close();
  }
});

describe('after a release, verify finds', () => {
  /** The row of each table to damage. */
  const ROW: Record<string, string> = {
    'meterfold.retentions': 'run_id = 1',
    'meterfold.retained_open_cycles': 'calls > 0',
    'meterfold.chain': "run_id = 3 and event = 'retained'",
    'meterfold.chain_head': 'true',
    'meterfold.records': 'run_id = 2',
    'meterfold.quarantine': 'run_id = 2',
    'meterfold.open_cycles': "user_id = 'one run'",
    'meterfold.tasks': 'run_id = 2',
  };
  const tables = Object.keys(ROW);
  let copies: DamagedCopies;
  let columns: Column[];

  beforeAll(async () => {
    copies = new DamagedCopies(stack, inject('servers'));
    await copies.open();
    columns = await columnsOf(stack, tables);
  });
  afterAll(() => copies?.close());

  test('a change of any column, a missing row, and a duplicate row', async () => {
    const ends = await billHistory();
    await released(ends[0]!.end);
    await released(ends[1]!.end);
    await drop(ends[1]!.end);
    expect(await copies.differencesAfter([])).toEqual([]);
    const unnoticed: string[] = [];
    const damages = [
      ...columns.map((column) => changeOf(column, ROW[column.table]!)),
      ...tables.flatMap((table) => {
        const row = `ctid = (select min(ctid) from ${table} where ${ROW[table]})`;
        return [`delete from ${table} where ${row}`, `insert into ${table} select * from ${table} where ${row}`];
      }),
      'delete from meterfold.retentions',
      'delete from meterfold.retained_open_cycles',
      `delete from meterfold.retentions where run_id = 3`,
    ];
    for (const damage of damages) if ((await copies.differencesAfter([damage])).length === 0) unnoticed.push(damage);
    expect(columns.length).toBeGreaterThan(50);
    expect(unnoticed).toEqual([]);
  }, 180_000);
});

test('the worker has run without interruption through all tests', async () => {
  expect(await worker.stop()).toEqual({ code: 0, signal: null });
});
