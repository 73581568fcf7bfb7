import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, failureOf, reset, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await startWorker(stack, { env: { SEAL_WAIT_SECONDS: '1' } });
});
afterAll(() => stack.close());
beforeEach(() => reset(stack));

const insertCall = `insert into public.api_logs (user_id, usage, called_at) values ('user-1', 77, now())`;

/** Somebody else's session. */
async function openSession(application: string, { databaseUrl } = stack): Promise<pg.Client> {
  const session = new pg.Client({ connectionString: databaseUrl, application_name: application });
  session.on('error', () => {});
  await session.connect();
  onTestFinished(() => session.end());
  return session;
}

/** Prepares a session's transaction; returns how to end it. */
async function prepare(session: pg.Client): Promise<(how: 'commit' | 'rollback') => Promise<unknown>> {
  const name = `test_${randomBytes(4).toString('hex')}`;
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

describe('a call that is still to commit, with later ones committed', () => {
  test('is not passed over: the run bills what is safe, says who holds it up, and the next one bills the rest', async () => {
    await logs.uniform(stack.pool, { calls: 203 });
    await bill(stack);
    const session = await openSession('slow importer');
    await session.query('begin');
    await session.query(insertCall);
    await logs.uniform(stack.pool, { calls: 300, seed: 2 });

    // Nothing is known to be safe but what is billed: a run over no calls.
    const held = await bill(stack);
    expect(held).toMatchObject({ calls: '0', range: { after: '203', to: '203' } });
    expect(held.heldUpBy).toMatchObject([
      { pid: await pidOf(session), application: 'slow importer', user: 'meterfold' },
    ]);
    await expectExact(stack, held);
    const status = await meterfold(stack, ['status', held.runId]);
    expect(status).toMatchObject({ code: 0, stderr: '' });
    expect(status.stdout).toContain('Held up by writers that had not committed:');
    expect(status.stdout).toContain(`process ${await pidOf(session)}, role meterfold, application slow importer`);

    await session.query('commit');
    const rest = await bill(stack);
    expect(rest).toMatchObject({ calls: '301', range: { after: '203', to: '504' }, heldUpBy: [] });
    await expectExact(stack, rest);
  });

  test('that is rolled back leaves a gap, and holds nobody up any more', async () => {
    const session = await openSession('changes its mind');
    await session.query('begin');
    await session.query(insertCall);
    await logs.uniform(stack.pool, { calls: 300 });
    expect(await bill(stack)).toMatchObject({ calls: '0' });
    await session.query('rollback');
    const result = await bill(stack);
    expect(result).toMatchObject({ calls: '300', range: { after: '0', to: '301' } });
    await expectExact(stack, result);
  });

  test('is waited for, if it commits in time', async () => {
    const session = await openSession('in time');
    await session.query('begin');
    await session.query(insertCall);
    const run = bill(stack);
    await session.query('commit');
    const result = await run;
    expect(result).toMatchObject({ calls: '1', heldUpBy: [] });
    await expectExact(stack, result);
  });

  test('does not hold up what was sealed before it, however many write after', async () => {
    const first = await openSession('first');
    await first.query('begin');
    await first.query(insertCall);
    await logs.uniform(stack.pool, { calls: 300 });
    expect(await bill(stack)).toMatchObject({ calls: '0' });

    // The writer of that seal ends, but there is always another one.
    const second = await openSession('second');
    await second.query('begin');
    await second.query(insertCall);
    await first.query('commit');
    await logs.uniform(stack.pool, { calls: 100, seed: 2 });
    const result = await bill(stack);
    expect(result).toMatchObject({ calls: '301', range: { after: '0', to: '301' } });
    expect(result.heldUpBy).toMatchObject([{ application: 'second' }]);
    await expectExact(stack, result);

    await second.query('commit');
    const rest = await bill(stack);
    expect(rest).toMatchObject({ calls: '101', heldUpBy: [] });
    await expectExact(stack, rest);
  });

  test('is not passed over either once its transaction is prepared', async () => {
    const session = await openSession('two-phase');
    await session.query('begin');
    await session.query(insertCall);
    const end = await prepare(session);
    await logs.uniform(stack.pool, { calls: 300 });
    const held = await bill(stack);
    expect(held).toMatchObject({ calls: '0', heldUpBy: [{ pid: null }] });
    await expectExact(stack, held);
    expect((await meterfold(stack, ['status', held.runId])).stdout).toContain('prepared transaction');

    await end('commit');
    const rest = await bill(stack);
    expect(rest).toMatchObject({ calls: '301', heldUpBy: [] });
    await expectExact(stack, rest);
  });

  test('and is prepared between two runs', async () => {
    const session = await openSession('two-phase');
    await session.query('begin');
    await session.query(insertCall);
    await logs.uniform(stack.pool, { calls: 300 });
    expect(await bill(stack)).toMatchObject({ calls: '0' });
    const end = await prepare(session);
    await logs.uniform(stack.pool, { calls: 50, seed: 2 });
    const held = await bill(stack);
    expect(held).toMatchObject({ calls: '0', heldUpBy: [{ pid: null }] });
    await end('rollback');
    const rest = await bill(stack);
    expect(rest).toMatchObject({ calls: '350', heldUpBy: [] });
    await expectExact(stack, rest);
  });
});

test('a call that is still to commit in one of the partitions of a log made of partitions is not passed over', async () => {
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
  expect(await bill(parted)).toMatchObject({ calls: '0', heldUpBy: [{ application: 'into a partition' }] });
  await session.query('commit');
  const result = await bill(parted);
  expect(result).toMatchObject({ calls: '401', heldUpBy: [] });
  await expectExact(parted, result);
});

describe('readers and locks of others hold nobody up:', () => {
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
    expect(result).toMatchObject({ calls: '300', heldUpBy: [] });
    await expectExact(stack, result);
  });
});

describe('a log that sealing cannot rely on stops the run, named, and leaves no active run:', () => {
  test.each([
    [
      'truncated with restart',
      'truncate public.api_logs restart identity',
      /^sequence public\.api_logs_id_seq stands at 0, before the watermark 100: .* select setval\('public\.api_logs_id_seq', 100\)$/,
    ],
    [
      'a sequence set back',
      "select setval('public.api_logs_id_seq', 50)",
      /^sequence public\.api_logs_id_seq stands at 50, before the watermark 100: /,
    ],
    [
      'ids beyond the sequence',
      "insert into public.api_logs (id, user_id, usage, called_at) values (5000, 'by hand', 1, now())",
      /^call 5000 lies beyond its sequence public\.api_logs_id_seq, which stands at 100: .* select setval\('public\.api_logs_id_seq', 5000\)$/,
    ],
    [
      'a sequence with a cache',
      'alter sequence public.api_logs_id_seq cache 20',
      /^sequence public\.api_logs_id_seq must ascend without cycle or cache: alter sequence /,
    ],
    [
      'a sequence that starts over',
      'alter sequence public.api_logs_id_seq cycle',
      /^sequence public\.api_logs_id_seq must ascend without cycle or cache: alter sequence /,
    ],
    [
      'a sequence that descends',
      'alter sequence public.api_logs_id_seq increment -1 maxvalue 9223372036854775807',
      /^sequence public\.api_logs_id_seq must ascend without cycle or cache: alter sequence /,
    ],
  ])('%s', async (_title, sql, message) => {
    onTestFinished(async () => {
      await stack.pool.query('alter sequence public.api_logs_id_seq increment 1 no cycle cache 1');
    });
    await logs.uniform(stack.pool, { calls: 100 });
    const before = await bill(stack);
    await stack.pool.query(sql);
    const failure = await failureOf(await startRun(stack));
    expect(failure).toMatchObject({ type: 'LogSequenceError', nonRetryable: true });
    expect(failure.message).toMatch(message);
    expect(await runRows(stack)).toMatchObject([
      { runId: before.runId, state: 'published' },
      { state: 'discarded', reason: failure.message },
    ]);
  });

  test('and once it is mended as the message says, billing goes on', async () => {
    await logs.uniform(stack.pool, { calls: 100 });
    await bill(stack);
    await stack.pool.query('truncate public.api_logs restart identity');
    const failure = await failureOf(await startRun(stack));
    const [mend] = /select setval\(.*\)$/.exec(failure.message)!;
    await stack.pool.query(mend);
    await logs.uniform(stack.pool, { calls: 105, seed: 2 });
    expect(await bill(stack)).toMatchObject({ calls: '105', range: { after: '100', to: '205' } });
  });
});
