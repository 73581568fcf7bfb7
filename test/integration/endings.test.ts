/**
 * Several processes end one run at the same time: only frozen ones are terminated. A trigger that waits for a lock of
 * the test makes a discard or a publish slow.
 */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { type Hold, hold } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { startPaused } from '../support/phases.js';
import { startCommand, startWorker } from '../support/processes.js';
import { bill, expectExact, published, reset, rowsOfRun, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const SLOW_LOCK = 78;
const CANCELLED_ENDED = 'Run 1 is cancelled; nothing of it remains. Its workflow had ended without cleaning up.\n';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await stack.pool.query(
    `create function public.slow() returns trigger language plpgsql as
       $$ begin perform pg_advisory_xact_lock_shared(${SLOW_LOCK}); return coalesce(new, old); end $$;
     create trigger slow before delete on meterfold.tasks for each row execute function public.slow();
     create trigger slow before update on meterfold.runs for each row
       when (new.state = 'published' and old.state = 'active') execute function public.slow()`,
  );
  await startWorker(stack, { env: { WORKER_SLOTS: '4' } });
});
afterAll(() => stack.close());
beforeEach(async () => {
  await reset(stack);
  await logs.uniform(stack.pool, { calls: 1003 });
});

const slowDown = () => hold(stack, `select pg_advisory_xact_lock(${SLOW_LOCK})`);

/** A run with a plan, whose workflow has ended without cleaning up. */
async function abandonedRun(): Promise<void> {
  const run = await startPaused(stack, 'mapping', 'reducing');
  await run.terminate();
}

/** How many sessions of the database were terminated, as PostgreSQL counts them. */
async function killed(): Promise<number> {
  const { rows } = await stack.pool.query<{ killed: string }>(
    'select sessions_killed as killed from pg_stat_database where datname = current_database()',
  );
  return Number(rows[0]!.killed);
}

/** Waits until one session discards and `others` have waited for it at least twice; returns the pid of the first. */
async function discardersWait(slow: Hold, others: number): Promise<number> {
  const [first] = await slow.waiting({ query: 'delete from' });
  const { pid } = first!;
  const waits = new Map<number, Set<string>>();
  await eventually(`${others} sessions wait for the one that discards, repeatedly`, async () => {
    const { rows } = await stack.pool.query<{ pid: number; since: string }>(
      `select pid, xact_start::text as since from pg_stat_activity
        where $1 = any (pg_blocking_pids(pid)) and query like '%for update'`,
      [pid],
    );
    for (const { pid, since } of rows) waits.set(pid, (waits.get(pid) ?? new Set()).add(since));
    return [...waits.values()].filter((times) => times.size >= 2).length === others;
  });
  expect(await slow.waiting({ query: 'delete from' })).toMatchObject([{ pid }]);
  return pid;
}

describe('a run whose discard is slow', () => {
  test('is discarded once by three commands at the same time: two of them wait, and none is terminated', async () => {
    await abandonedRun();
    const before = await killed();
    const slow = await slowDown();
    const commands = [1, 2, 3].map(() => startCommand(stack, ['cancel', '1']).result);
    await discardersWait(slow, 2);
    await slow.release();
    const done = { code: 0, stdout: CANCELLED_ENDED, stderr: '' };
    expect(await Promise.all(commands)).toEqual([done, done, done]);
    expect(await killed()).toBe(before);
    expect(await runRows(stack)).toMatchObject([{ state: 'discarded', reason: 'cancelled by hand' }]);
    expect(await rowsOfRun(stack, '1')).toEqual({});
    await expectExact(stack, await bill(stack));
  });

  test('is taken over once by three runs that start at the same time: none is retried', async () => {
    await abandonedRun();
    const before = await killed();
    const slow = await slowDown();
    const starts = await Promise.all([1, 2, 3].map(() => startRun(stack)));
    await discardersWait(slow, 2);
    const attempts = await Promise.all(
      starts.map(async (start) => (await start.describe()).raw.pendingActivities?.map(({ attempt }) => attempt)),
    );
    expect(attempts).toEqual([[1], [1], [1]]);
    await slow.release();
    const results = await Promise.all(starts.map((start) => start.result()));
    expect(results.filter((result) => result.status === 'published' && result.calls === '1003')).toHaveLength(1);
    expect(await killed()).toBe(before);
    expect((await runRows(stack))[0]).toMatchObject({ runId: '1', state: 'discarded' });
    expect(await rowsOfRun(stack, '1')).toEqual({});
  });

  test('is taken over from a process that is frozen in the middle of it', { timeout: 60_000 }, async () => {
    await abandonedRun();
    const frozen = new pg.Client({ connectionString: stack.databaseUrl });
    const ended = new Promise<Error>((resolve) => frozen.on('error', resolve));
    await frozen.connect();
    await frozen.query(
      `insert into meterfold.attempts (run_id, activity_id, task_kind, backend_pid, backend_start)
       select 1, 'frozen', 'discard', pid, backend_start from pg_stat_activity where pid = pg_backend_pid()`,
    );
    await frozen.query('begin');
    await frozen.query('select from meterfold.runs where run_id = 1 for update');

    const before = await killed();
    await expectExact(stack, await bill(stack));
    expect(await ended).toMatchObject({ code: '57P01' });
    expect(await killed()).toBe(before + 1);
    expect(await runRows(stack)).toMatchObject([{ state: 'discarded' }, { state: 'published' }]);
  });
});

describe('`meterfold cancel` beside a publish that is slow', () => {
  test.each([
    ['of a run that is fanned out', { partitions: 2, shards: 2 }],
    ['of a small run', {}],
  ])('%s waits for it, and says that the run is published', { timeout: 60_000 }, async (_title, input) => {
    const slow = await slowDown();
    const run = await startRun(stack, [input]);
    await slow.waiting({ query: `state = 'published'` });
    const before = await killed();
    const cancelling = startCommand(stack, ['cancel', '1']);
    await cancelling.noted('Run 1 is being published; waiting for that to end');
    await slow.waiting({ query: `state = 'published'` });
    await slow.release();
    expect(await cancelling.result).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'Run 1 is being published; waiting for that to end …\nmeterfold: Run 1 is already published: its bills stand.\n',
    });
    await expectExact(stack, published(await run.result()));
    expect(await killed()).toBe(before);
    expect(await runRows(stack)).toMatchObject([{ state: 'published' }]);
  });
});
