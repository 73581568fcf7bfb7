import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { camelCased } from '../support/documents.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, reset } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await startWorker(stack, { env: { SEAL_WAIT_SECONDS: '1' } });
});
afterAll(() => stack.close());
beforeEach(() => reset(stack));

const insertCall = `insert into public.api_logs (user_id, usage, called_at) values ('user-1', 77, now())`;

/** A session of another application. */
async function openSession(application: string, { databaseUrl } = stack): Promise<pg.Client> {
  const session = new pg.Client({ connectionString: databaseUrl, application_name: application });
  session.on('error', () => {});
  await session.connect();
  onTestFinished(() => session.end());
  return session;
}

/** Prepares a session's transaction; returns a function that ends it. */
async function prepare(
  session: pg.Client,
  name = `test_${randomBytes(4).toString('hex')}`,
): Promise<(how: 'commit' | 'rollback') => Promise<unknown>> {
  await session.query(`prepare transaction '${name}'`);
  let over = false;
  const end = async (how: 'commit' | 'rollback') => {
    if (!over) await stack.pool.query(`${how} prepared '${name}'`);
    over = true;
  };
  onTestFinished(() => end('rollback'));
  return end;
}

async function pidOf(session: pg.Client): Promise<number> {
  return (await session.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid;
}

describe('a call that is not committed yet, after which later ones are committed', () => {
  test('is not skipped: the run bills what is safe and names the blocking transaction, and the next run bills the rest', async () => {
    await logs.uniform(stack.pool, { calls: 203 });
    await bill(stack);
    const session = await openSession('slow importer');
    await session.query('begin');
    await session.query(insertCall);
    await logs.uniform(stack.pool, { calls: 300, seed: 2 });

    // Only what is billed already is known to be safe, so this run has no calls.
    const held = await bill(stack);
    expect(held).toMatchObject({ calls: '0', range: { after: '203', to: '203' } });
    expect(held.blockedBy).toMatchObject([
      { pid: await pidOf(session), application: 'slow importer', user: 'meterfold' },
    ]);
    await expectExact(stack, held);
    const status = await meterfold(stack, ['status', held.runId]);
    expect(status).toMatchObject({ code: 0, stderr: '' });
    expect(status.stdout).toContain('Blocked by writers that had not committed:');
    expect(status.stdout).toMatch(
      new RegExp(
        `^  application slow importer, pid ${await pidOf(session)}, role meterfold, since 20[-\\d]+ [:\\d]+ UTC$`,
        'm',
      ),
    );

    await session.query('commit');
    const rest = await bill(stack);
    expect(rest).toMatchObject({ calls: '301', range: { after: '203', to: '504' }, blockedBy: [] });
    await expectExact(stack, rest);
  });

  test('that is rolled back leaves a gap and no longer blocks', async () => {
    const session = await openSession('rolls back');
    await session.query('begin');
    await session.query(insertCall);
    await logs.uniform(stack.pool, { calls: 300 });
    expect(await bill(stack)).toMatchObject({ calls: '0' });
    await session.query('rollback');
    const result = await bill(stack);
    expect(result).toMatchObject({ calls: '300', range: { after: '0', to: '301' } });
    await expectExact(stack, result);
  });

  test('is billed if it commits within the wait', async () => {
    const session = await openSession('in time');
    await session.query('begin');
    await session.query(insertCall);
    const run = bill(stack);
    await session.query('commit');
    const result = await run;
    expect(result).toMatchObject({ calls: '1', blockedBy: [] });
    await expectExact(stack, result);
  });

  test('does not block an end that was sealed before it, although other transactions write later', async () => {
    const first = await openSession('first');
    await first.query('begin');
    await first.query(insertCall);
    await logs.uniform(stack.pool, { calls: 300 });
    expect(await bill(stack)).toMatchObject({ calls: '0' });

    // The writer of that seal ends while another one has begun.
    const second = await openSession('second');
    await second.query('begin');
    await second.query(insertCall);
    await first.query('commit');
    await logs.uniform(stack.pool, { calls: 100, seed: 2 });
    const result = await bill(stack);
    expect(result).toMatchObject({ calls: '301', range: { after: '0', to: '301' } });
    expect(result.blockedBy).toMatchObject([{ application: 'second' }]);
    await expectExact(stack, result);

    await second.query('commit');
    const rest = await bill(stack);
    expect(rest).toMatchObject({ calls: '101', blockedBy: [] });
    await expectExact(stack, rest);
  });

  test('is not skipped when its transaction is prepared', async () => {
    const session = await openSession('two-phase');
    await session.query('begin');
    await session.query(insertCall);
    const end = await prepare(session, 'transfer-7');
    await logs.uniform(stack.pool, { calls: 300 });
    const held = await bill(stack);
    expect(held).toMatchObject({ calls: '0', blockedBy: [{ pid: null, gid: 'transfer-7', user: 'meterfold' }] });
    await expectExact(stack, held);
    // The output says how to end it.
    expect((await meterfold(stack, ['status', held.runId])).stdout).toMatch(
      /^ {2}prepared transaction transfer-7, since 20[-\d]+ [:\d]+ UTC, end it with commit prepared 'transfer-7' or rollback prepared 'transfer-7'$/m,
    );

    await end('commit');
    const rest = await bill(stack);
    expect(rest).toMatchObject({ calls: '301', blockedBy: [] });
    await expectExact(stack, rest);
  });

  test('is not skipped when its transaction is prepared between two runs', async () => {
    const session = await openSession('two-phase');
    await session.query('begin');
    await session.query(insertCall);
    await logs.uniform(stack.pool, { calls: 300 });
    expect(await bill(stack)).toMatchObject({ calls: '0' });
    const end = await prepare(session);
    await logs.uniform(stack.pool, { calls: 50, seed: 2 });
    const held = await bill(stack);
    expect(held).toMatchObject({ calls: '0', blockedBy: [{ pid: null }] });
    await end('rollback');
    const rest = await bill(stack);
    expect(rest).toMatchObject({ calls: '350', blockedBy: [] });
    await expectExact(stack, rest);
  });
});

test('a long transaction delays a run at most SEAL_WAIT_SECONDS: the run bills what is safe, and its result names the transaction', async () => {
  const session = await openSession('nightly import');
  await session.query('begin');
  await session.query(insertCall);
  await logs.uniform(stack.pool, { calls: 50 });
  const { code, stdout } = await meterfold(stack, ['run']);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    new RegExp(
      `^blocked by +application nightly import, pid ${await pidOf(session)}, role meterfold, since .* UTC\\n +later calls are billed by the next run$`,
      'm',
    ),
  );
  await session.query('commit');
  expect(await bill(stack)).toMatchObject({ calls: '51', blockedBy: [] });
});

describe('a role that may not see the activity of other roles', () => {
  const role = { name: `test_${randomBytes(6).toString('hex')}`, password: 'x' };
  let ordinary: Stack;

  beforeAll(async () => {
    ordinary = await freshStack();
    const pool = ordinary.pool;
    await pool.query(`create role ${role.name} login password '${role.password}'`);
    await pool.query(`
      grant usage on schema meterfold to ${role.name};
      grant select, insert, update, delete on all tables in schema meterfold to ${role.name};
      grant select on public.api_logs, public.billing_records, public.open_cycles, public.quarantined_calls to ${role.name};
      grant select on sequence public.api_logs_id_seq to ${role.name}`);
    const url = new URL(ordinary.databaseUrl);
    url.username = role.name;
    url.password = role.password;
    await startWorker(ordinary, { env: { SEAL_WAIT_SECONDS: '0', DATABASE_URL: url.toString() } });
    ordinary.onClose(async () => {
      await pool.query(`drop owned by ${role.name} cascade`);
      await pool.query(`drop role ${role.name}`);
    });
  });
  afterAll(() => ordinary.close());

  const fix = `start not visible to this role: grant pg_read_all_stats to ${role.name};`;

  test('sees the blocking transaction, and reports what it does not see and the grant that is missing', async () => {
    const session = await openSession('secretive', ordinary);
    await session.query('begin');
    await session.query(insertCall);
    const held = await bill(ordinary);
    const pid = await pidOf(session);
    expect(held.blockedBy).toMatchObject([
      { application: 'secretive', pid, user: 'meterfold', startedAt: null, hidden: fix },
    ]);
    const shown = await meterfold(ordinary, ['status', held.runId]);
    expect(shown.stdout).toContain(`  application secretive, pid ${pid}, role meterfold, ${fix}\n`);
    const { blockedBy } = camelCased(JSON.parse((await meterfold(ordinary, ['status', held.runId, '--json'])).stdout));
    expect(blockedBy).toEqual(held.blockedBy);

    await ordinary.pool.query(`grant pg_read_all_stats to ${role.name}`);
    const seen = await bill(ordinary);
    expect(seen.blockedBy).toMatchObject([{ pid, startedAt: expect.stringMatching(/^20.*Z$/), hidden: null }]);
    await ordinary.pool.query(`revoke pg_read_all_stats from ${role.name}`);
    await session.query('rollback');
  });

  test('sees all of a prepared transaction', async () => {
    const session = await openSession('two-phase', ordinary);
    await session.query('begin');
    await session.query(insertCall);
    await session.query("prepare transaction 'seen by all'");
    const { blockedBy } = await bill(ordinary);
    await session.query("rollback prepared 'seen by all'");
    expect(blockedBy).toMatchObject([
      { pid: null, gid: 'seen by all', user: 'meterfold', startedAt: expect.stringMatching(/^20.*Z$/), hidden: null },
    ]);
  });

  test('gets a note about the grant from doctor, not a fault', async () => {
    const url = new URL(ordinary.databaseUrl);
    url.username = role.name;
    url.password = role.password;
    const doctor = await meterfold(ordinary, ['doctor'], { env: { DATABASE_URL: url.toString() } });
    expect(doctor).toMatchObject({ code: 0, stderr: '' });
    expect(doctor.stdout).toMatch(
      new RegExp(`^✓ rights .* note: this role cannot see when .* grant pg_read_all_stats to ${role.name};$`, 'm'),
    );
    expect((await meterfold(ordinary, ['doctor'])).stdout).not.toContain('note:');
  });
});

test('a call that is not committed yet in a partition of a partitioned log is not skipped', async () => {
  const parted = await freshStack({ bare: true });
  onTestFinished(() => parted.close());
  await parted.pool.query(`
    create table public.api_logs (
      id bigint generated by default as identity primary key, user_id text collate "C" not null, call_id text,
      endpoint text, method text, status integer, usage bigint not null, called_at timestamptz not null,
      received_at timestamptz default now()
    ) partition by range (id);
    create table public.api_logs_1 partition of public.api_logs for values from (1) to (200);
    create table public.api_logs_2 partition of public.api_logs for values from (200) to (100000)`);
  expect(await meterfold(parted, ['migrate'])).toMatchObject({ code: 0, stderr: '' });
  await startWorker(parted, { env: { SEAL_WAIT_SECONDS: '0' } });
  const session = await openSession('into a partition', parted);
  await session.query('begin');
  await session.query(
    insertCall
      .replace('api_logs (', `api_logs_1 (id, `)
      .replace('values (', "values (nextval('public.api_logs_id_seq'), "),
  );
  await logs.uniform(parted.pool, { calls: 400 });
  expect(await bill(parted)).toMatchObject({ calls: '0', blockedBy: [{ application: 'into a partition' }] });
  await session.query('commit');
  const result = await bill(parted);
  expect(result).toMatchObject({ calls: '401', blockedBy: [] });
  await expectExact(parted, result);
});

describe('does not block a run:', () => {
  test.each([
    ['a long read', 'select count(*) from public.api_logs'],
    ['a row lock', 'select from public.api_logs for update'],
    ['a share lock', 'lock table public.api_logs in share mode'],
  ])('%s', async (_title, sql) => {
    await logs.uniform(stack.pool, { calls: 300 });
    const session = await openSession('reader');
    await session.query('begin isolation level repeatable read');
    await session.query(sql);
    const result = await bill(stack);
    expect(result).toMatchObject({ calls: '300', blockedBy: [] });
    await expectExact(stack, result);
  });
});
