/**
 * Segments are in unlogged tables: a crash of PostgreSQL empties them, and map restarts. The tests crash a server of
 * their own, or empty the tables at moments that a crash would hardly hit.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { type CrashingPostgres, startCrashingPostgres } from '../support/crashing-postgres.js';
import { eventually } from '../support/eventually.js';
import { type Hold, hold } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { holdTask, startPaused } from '../support/phases.js';
import { startWorker } from '../support/processes.js';
import {
  activitiesOf,
  expectExact,
  inPhase,
  progressOf,
  published,
  type RunHandle,
  startRun,
} from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';
import { lossesIn, tallyHistory } from '../support/tally.js';

const TEMPLATE = 'template_of_its_own';
const settings = { fsync: 'off', shared_buffers: '64MB' };
const env = { BAD_CALLS: 'quarantine', SPILL_CALLS: '300', BACKUP_ATTEMPTS: 'off' };

let server: CrashingPostgres;
let stack: Stack;

beforeAll(async () => {
  server = await startCrashingPostgres(TEMPLATE, settings);
});
afterAll(() => server.stop());
beforeEach(async () => {
  const { url: postgresUrl, stateDir } = server;
  const servers = { ...inject('servers'), postgresUrl, templateDatabase: TEMPLATE, stateDir };
  stack = await freshStack({ servers });
  await logs.dropChecks(stack.pool);
  await logs.skewed(stack.pool, { calls: 2003 });
  await stack.pool.query('update public.api_logs set usage = -id where id % 50 = 7');
});
afterEach(() => stack.close());

/** Deletes the segments of partitions, as a crash does. */
const lose = (partitions: string) =>
  stack.pool.query(
    `with lost as (delete from meterfold.spills where partition in (${partitions}) returning 1)
     delete from meterfold.segments where partition in (${partitions})`,
  );

const input = { partitions: 3, shards: 2 };
const start = () => startRun(stack, [input]);
const startMapped = (begin = start) => startPaused(stack, 'mapping', 'reducing', begin);

/** How many reduces found that segments were lost. */
const lossesOf = async (run: RunHandle): Promise<number> => lossesIn((await run.fetchHistory()).events ?? []);

/** No activity failed or was cancelled. */
async function expectAllCompleted(run: RunHandle): Promise<void> {
  const { scheduled, completed, notCompleted } = tallyHistory((await run.fetchHistory()).events ?? []);
  expect({ completed, notCompleted }).toEqual({
    completed: scheduled,
    notCompleted: { failed: 0, cancelled: 0, abandoned: 0 },
  });
}

/** A task's outcome, with the worker that stored it and the time. */
async function outcomeOf(kind: string, number: number): Promise<unknown> {
  const { rows } = await stack.pool.query(
    'select outcome, worker, finished_at from meterfold.tasks where kind = $1 and number = $2',
    [kind, number],
  );
  expect(rows[0].outcome).not.toBeNull();
  return rows[0];
}

describe('PostgreSQL crashes', () => {
  beforeEach(() => startWorker(stack, { env }));

  /** Releases a hold whose lock the crash has removed. */
  const letGo = (held: Hold) => held.release().catch(() => {});

  test('between map and reduce: map restarts, and every call is billed once', async () => {
    const run = await startMapped();
    await server.crash();
    await run.executeUpdate('resume');
    const result = published(await run.result());
    await expectExact(stack, result);
    expect(await activitiesOf(run)).toMatchObject({ planRun: 1, mapPartition: 6, publishRun: 1 });
    expect(await progressOf(run)).toMatchObject({
      partitions: { done: 3, total: 3 },
      callsMapped: result.calls,
      mapRestarts: 1,
      callsReduced: result.calls,
    });
    expect(await lossesOf(run)).toBeGreaterThan(0);
    await expectAllCompleted(run);
  });

  test('in the middle of reduce: a shard that is reduced stays reduced', async () => {
    const mapped = await startMapped();
    const held = await holdTask(stack, 'reduce', 1);
    await mapped.executeUpdate('resume');
    await eventually('a shard is done', async () => (await progressOf(mapped)).shards.done === 1);
    await held.waiting();
    const before = await outcomeOf('reduce', 0);
    await server.crash();
    await letGo(held);
    await expectExact(stack, published(await mapped.result()));
    expect(await activitiesOf(mapped)).toMatchObject({ mapPartition: 6, reduceShard: 3 });
    expect(await lossesOf(mapped)).toBe(1);
    await expectAllCompleted(mapped);
    expect(await outcomeOf('reduce', 0)).toEqual(before);
  });

  test('during map: partitions that were stored are mapped again', async () => {
    const run = await startPaused(stack, 'planning', 'mapping', start);
    const held = await holdTask(stack, 'map', 2);
    await run.executeUpdate('resume');
    await eventually('two are mapped', async () => (await progressOf(run)).partitions.done === 2);
    await held.waiting();
    await server.crash();
    await letGo(held);
    await expectExact(stack, published(await run.result()));
    expect(await activitiesOf(run)).toMatchObject({ mapPartition: 6 });
    await expectAllCompleted(run);
  });
});

describe('segments are lost', () => {
  test('of one partition: the others return their stored outcomes', async () => {
    await startWorker(stack, { env });
    const run = await startMapped();
    const outcomes = () => Promise.all([0, 1, 2].map((number) => outcomeOf('map', number)));
    const before = await outcomes();
    await lose('1');
    await run.executeUpdate('resume');
    await expectExact(stack, published(await run.result()));
    const after = await outcomes();
    expect([after[0], after[2]]).toEqual([before[0], before[2]]);
    expect(after[1]).not.toEqual(before[1]);
  });

  test('several times: map restarts until they stay', async () => {
    await startWorker(stack, { env });
    const run = await startMapped();
    for (let times = 1; times <= 3; times++) {
      await lose('0, 1, 2');
      const held = await holdTask(stack, 'map', 2);
      await run.executeUpdate('resume');
      await held.waiting();
      await run.executeUpdate('pause');
      await held.release();
      expect(await inPhase(run, 'reducing')).toMatchObject({ mapRestarts: times });
    }
    await run.executeUpdate('resume');
    await expectExact(stack, published(await run.result()));
  });

  test('each time map stores them: map restarts five times, then the run is held with the reason; a retry starts over', {
    timeout: 120_000,
  }, async () => {
    await startWorker(stack, { env });
    await stack.pool.query(
      `create function public.lose() returns trigger language plpgsql as $$ begin return null; end $$;
       create trigger lose before insert on meterfold.spills for each row execute function public.lose();
       create trigger lose before insert on meterfold.segments for each row execute function public.lose()`,
    );
    const run = await startRun(stack, [{ ...input, holdFailedSeconds: 600 }]);
    const held = await eventually(
      'the run is held',
      async () => {
        const progress = await progressOf(run);
        return progress.phase === 'failed' && progress;
      },
      100_000,
    );
    expect(held).toMatchObject({
      failure: expect.stringMatching(
        /^map was restarted 5 times, and the segments of partition \d are gone: .*: find in PostgreSQL's log why/,
      ),
    });
    await expectAllCompleted(run);
    expect(await activitiesOf(run)).toMatchObject({ mapPartition: 6 * 3, recount: 1 });
    await stack.pool.query('drop function public.lose() cascade');
    await run.executeUpdate('retry');
    await expectExact(stack, published(await run.result()));
  });

  test('and a backup maps a partition again: calls that the first attempt had quarantined are not stored twice', {
    timeout: 60_000,
  }, async () => {
    const roles = ['activity', 'activity', 'workflow'] as const;
    const slow = { ...env, WORKER_SLOTS: '1', BACKUP_ATTEMPTS: 'on' };
    await Promise.all(roles.map((role) => startWorker(stack, { env: slow, role })));
    // A single shard gets no backup. On a slow machine the first maps may get one.
    const run = await startMapped(() => startRun(stack, [{ ...input, shards: 1 }]));
    const mappedFirst = (await activitiesOf(run)).mapPartition!;
    await lose('0, 1, 2');
    const held = await holdTask(stack, 'map', 2);
    await run.executeUpdate('resume');
    await held.waiting();
    await eventually('the others are mapped', async () => (await progressOf(run)).partitions.done === 2);
    const log = await hold(stack, 'lock table public.api_logs in access exclusive mode');
    const [backup] = await log.waiting();
    await log.release();
    await eventually('the backup waits for the task', async () => {
      return (await held.waiting()).some(({ pid }) => pid === backup!.pid);
    });
    await held.release();
    const result = published(await run.result());
    await expectExact(stack, result);
    expect(result.activities).toMatchObject({ backups: mappedFirst - input.partitions + 1 });
  });
});
