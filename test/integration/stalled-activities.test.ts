/**
 * An activity that makes no progress stops its heartbeat, so that Temporal retries it; one that waits for PostgreSQL
 * does not.
 */
import { describe, expect, test } from 'vitest';
import { STALLED_MS } from '../../src/contract/timeouts.js';
import { copyIn } from '../../src/postgres/copy/copy-in.js';
import { openPool, type Pool } from '../../src/postgres/pool.js';
import { DatabaseWork } from '../../src/postgres/watch/work.js';
import { eventually } from '../support/eventually.js';
import { hold } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { holdTask, startPaused } from '../support/phases.js';
import { startWorker } from '../support/processes.js';
import { expectExact, published, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const TIMEOUT_MS = 3 * STALLED_MS;

const loseAnswer = new URL('../support/lose-answer.js', import.meta.url).href;

async function stackWithCalls(): Promise<Stack> {
  const stack = await freshStack();
  await logs.skewed(stack.pool, { calls: 2003 });
  return stack;
}

const input = { partitions: 1, shards: 1, backups: false };

describe.concurrent('an activity', () => {
  test('whose work never ends is retried on another worker', { timeout: TIMEOUT_MS }, async ({ onTestFinished }) => {
    const stack = await stackWithCalls();
    onTestFinished(() => stack.close());
    const stalled = await startWorker(stack, {
      role: 'activity',
      env: { WORKER_SLOTS: '1', NODE_OPTIONS: `--import ${loseAnswer}` },
    });
    await startWorker(stack, { role: 'workflow' });
    const run = await startRun(stack, [input]);
    await eventually('the map has begun', async () => {
      return (await stack.pool.query(`select from meterfold.attempts where task_kind = 'map'`)).rows.length === 1;
    });
    const other = await startWorker(stack, { role: 'activity', env: { WORKER_SLOTS: '1' } });
    const result = published(await run.result());
    await expectExact(stack, result);
    const { rows } = await stack.pool.query(`select worker, attempt from meterfold.tasks where kind = 'map'`);
    expect(rows).toEqual([{ worker: other.name, attempt: 2 }]);
    await stalled.logged('no progress for');
  });

  test('that waits for a lock for longer is not retried', { timeout: TIMEOUT_MS }, async ({ onTestFinished }) => {
    const stack = await stackWithCalls();
    onTestFinished(() => stack.close());
    await startWorker(stack);
    const run = await startPaused(stack, 'planning', 'mapping', () => startRun(stack, [input]));
    const task = await holdTask(stack, 'map', 0);
    await run.executeUpdate('resume');
    await task.waiting();
    await stack.pool.query(`select pg_sleep(${(STALLED_MS + 15_000) / 1000})`);
    await task.release();
    const result = published(await run.result());
    await expectExact(stack, result);
    expect(result.activities.retried).toBe(0);
  });
});

describe('work makes progress on its connections', () => {
  async function withPool(test: (pool: Pool, stack: Stack) => Promise<void>): Promise<void> {
    const stack = await freshStack();
    const pool = await openPool(stack.databaseUrl, { applicationName: 'test', connectionsMax: 2 });
    try {
      await test(pool, stack);
    } finally {
      await pool.end();
      await stack.close();
    }
  }

  test('while a statement waits for a lock, and not once it is answered', () =>
    withPool(async (pool, stack) => {
      const lock = await hold(stack, 'lock table meterfold.runs');
      const work = new DatabaseWork();
      const answered = work.run(() => pool.query('select from meterfold.runs'));
      await lock.waiting();
      expect([work.hasProgressed(), work.hasProgressed(), work.hasProgressed()]).toEqual([true, true, true]);
      await lock.release();
      await answered;
      expect([work.hasProgressed(), work.hasProgressed()]).toEqual([false, false]);
    }));

  test('if it has sent a statement since the last look, although that is answered', () =>
    withPool(async (pool) => {
      const work = new DatabaseWork();
      await work.run(() => pool.query('select 1'));
      expect([work.hasProgressed(), work.hasProgressed()]).toEqual([true, false]);
    }));

  test('not by statements of other work on the same connection', () =>
    withPool(async (pool) => {
      const [work, other] = [new DatabaseWork(), new DatabaseWork()];
      const client = await pool.connect();
      await work.run(() => client.query('select 1'));
      work.hasProgressed();
      const sleeping = other.run(() => client.query('select pg_sleep(0.1)'));
      expect([work.hasProgressed(), other.hasProgressed()]).toEqual([false, true]);
      await sleeping;
      client.release();
    }));

  test('not by other statements that wait for the same pool', () =>
    withPool(async (pool) => {
      const [work, other] = [new DatabaseWork(), new DatabaseWork()];
      const clients = [await pool.connect(), await pool.connect()];
      const queued = work.run(() => pool.query('select pg_sleep(0.1)'));
      await other.run(async () => {
        await clients[0]!.query('select 1');
        clients[0]!.release();
      });
      other.hasProgressed();
      expect([work.hasProgressed(), work.hasProgressed(), other.hasProgressed()]).toEqual([true, true, false]);
      await queued;
      clients[1]!.release();
    }));

  test('while a COPY sends rows, or the server does not take them; not while it has nothing to send', () =>
    withPool(async (pool, stack) => {
      const work = new DatabaseWork();
      const client = await pool.connect();
      await client.query('create temporary table taken (line text)');
      const copy = await work.run(() => copyIn(client, 'copy taken from stdin'));
      work.hasProgressed();
      expect(work.hasProgressed()).toBe(false);
      await copy.write(Buffer.from('a line\n'));
      expect([work.hasProgressed(), work.hasProgressed()]).toEqual([true, false]);
      await copy.finish();
      client.release(true);

      const blocked = await pool.connect();
      await stack.pool.query(`
        create table public.taken (line text);
        create function public.wait() returns trigger language plpgsql as
          $$ begin perform pg_advisory_xact_lock(79); return new; end $$;
        create trigger wait before insert on public.taken for each row execute function public.wait()`);
      const lock = await hold(stack, 'select pg_advisory_xact_lock(79)');
      const waiting = await work.run(() => copyIn(blocked, 'copy public.taken from stdin'));
      const line = Buffer.from(`${'x'.repeat(65_535)}\n`);
      const sent = Array.from({ length: 500 }, () => waiting.write(line));
      await lock.waiting();
      work.hasProgressed();
      expect([work.hasProgressed(), work.hasProgressed()]).toEqual([true, true]);
      await lock.release();
      await Promise.all(sent);
      await waiting.finish();
      blocked.release();
    }));
});
