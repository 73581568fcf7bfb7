/**
 * Segments lie in unlogged tables: a crash of PostgreSQL empties them, and map begins anew. On a server of its own that crashes, and in
 * tables that are emptied at moments that no crash would hit.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { migrate } from '../../src/db/migrate.js';
import { openPool } from '../../src/db/pool.js';
import { type PostgresServer, startPostgres } from '../../src/dev/postgres.js';
import { removeCluster } from '../../src/dev/postgres-cluster.js';
import { eventually } from '../support/eventually.js';
import { type Hold, hold } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { holdTask, startPaused } from '../support/phases.js';
import { startWorker } from '../support/processes.js';
import { expectExact, progressOf, published, type RunHandle, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const TEMPLATE = 'template_of_its_own';
const settings = { fsync: 'off', shared_buffers: '64MB' };
const env = { BAD_CALLS: 'quarantine', SPILL_CALLS: '300', BACKUP_ATTEMPTS: 'off' };

let stateDir: string;
let server: PostgresServer;
let stack: Stack;

beforeAll(async () => {
  stateDir = await mkdtemp(join(tmpdir(), `meterfold-test-${process.pid}-`));
  server = await startPostgres({ stateDir, database: TEMPLATE, settings });
  const pool = await openPool(server.url, { applicationName: 'template', connectionsMax: 1 });
  await migrate(pool).finally(() => pool.end());
});
afterAll(async () => {
  await server.stop('immediate');
  await removeCluster(stateDir);
  await rm(stateDir, { recursive: true, force: true });
});
beforeEach(async () => {
  const servers = { ...inject('servers'), postgresUrl: server.url, templateDatabase: TEMPLATE, stateDir };
  stack = await freshStack({ servers });
  await logs.dropChecks(stack.pool);
  await logs.skewed(stack.pool, { calls: 2003 });
  await stack.pool.query('update public.api_logs set usage = -id where id % 50 = 7');
});
afterEach(() => stack.close());

async function crash(): Promise<void> {
  await server.stop('immediate');
  server = await startPostgres({ stateDir, database: TEMPLATE, settings, port: server.port });
}

/** What a crash leaves of them. */
const lose = (partitions: string) =>
  stack.pool.query(
    `with lost as (delete from meterfold.spills where partition in (${partitions}) returning 1)
     delete from meterfold.segments where partition in (${partitions})`,
  );

const input = { partitions: 3, shards: 2 };
const start = () => startRun(stack, [input]);
const startMapped = () => startPaused(stack, 'mapping', 'reducing', start);

/** How often each activity was begun by the workflow, and how many of them found that the segments are gone. */
async function activitiesOf(run: RunHandle): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const count = (what: string) => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  for (const event of (await run.fetchHistory()).events ?? []) {
    const type = event.activityTaskScheduledEventAttributes?.activityType?.name;
    if (type) count(type);
    const failure = event.activityTaskFailedEventAttributes?.failure?.applicationFailureInfo?.type;
    if (failure) count(failure);
  }
  return counts;
}

describe('PostgreSQL crashes', () => {
  beforeEach(() => startWorker(stack, { env }));

  /** The lock went with the server. */
  const letGo = (held: Hold) => held.release().catch(() => {});

  test('between map and reduce: map begins anew, and every call is billed once', async () => {
    const run = await startMapped();
    await crash();
    await run.executeUpdate('resume');
    const result = published(await run.result());
    await expectExact(stack, result);
    expect(await activitiesOf(run)).toMatchObject({ planRun: 1, mapPartition: 6, publishRun: 1 });
    expect(await progressOf(run)).toMatchObject({
      partitions: { done: 3, total: 3 },
      callsMapped: result.calls,
      mappedAnew: 1,
      callsReduced: result.calls,
    });
  });

  test('in the middle of reduce: the shard that is done stays done', async () => {
    const mapped = await startMapped();
    const held = await holdTask(stack, 'reduce', 1);
    await mapped.executeUpdate('resume');
    await eventually('a shard is done', async () => (await progressOf(mapped)).shards.done === 1);
    await held.waiting();
    const before = await outcomeOf('reduce', 0);
    await crash();
    await letGo(held);
    await expectExact(stack, published(await mapped.result()));
    expect(await activitiesOf(mapped)).toMatchObject({ mapPartition: 6, reduceShard: 3, SegmentsLostError: 1 });
    expect(await outcomeOf('reduce', 0)).toEqual(before);
  });

  test('while it maps: what was stored before is mapped again', async () => {
    const run = await startPaused(stack, 'planning', 'mapping', start);
    const held = await holdTask(stack, 'map', 2);
    await run.executeUpdate('resume');
    await eventually('two are mapped', async () => (await progressOf(run)).partitions.done === 2);
    await held.waiting();
    await crash();
    await letGo(held);
    await expectExact(stack, published(await run.result()));
    expect(await activitiesOf(run)).toMatchObject({ mapPartition: 6 });
  });

  async function outcomeOf(kind: string, number: number): Promise<unknown> {
    const { rows } = await stack.pool.query(
      'select outcome, worker, finished_at from meterfold.tasks where kind = $1 and number = $2',
      [kind, number],
    );
    expect(rows[0].outcome).not.toBeNull();
    return rows[0];
  }
});

describe('the segments are gone', () => {
  test('of one partition: the others answer with what they have stored', async () => {
    await startWorker(stack, { env });
    const run = await startMapped();
    await lose('1');
    await run.executeUpdate('resume');
    await expectExact(stack, published(await run.result()));
    const { rows } = await stack.pool.query(
      `select number from meterfold.tasks where kind = 'map' and finished_at > (select min(finished_at) from meterfold.tasks where kind = 'recount')
        order by number`,
    );
    expect(rows.filter(({ number }) => number !== 1)).toEqual([]);
  });

  test('again and again: until they stay', async () => {
    await startWorker(stack, { env });
    const run = await startMapped();
    for (let times = 1; times <= 3; times++) {
      await lose('0, 1, 2');
      const held = await holdTask(stack, 'map', 2);
      if (times === 1) await run.executeUpdate('resume');
      await held.waiting();
      if (times < 3) await run.executeUpdate('pause');
      await held.release();
      if (times < 3) {
        await eventually('mapped, and paused', async () => (await progressOf(run)).partitions.done === 3);
        await lose('0, 1, 2');
        await run.executeUpdate('resume');
      }
    }
    await expectExact(stack, published(await run.result()));
  });

  test('and a backup maps a partition that begins anew: what the first try had put aside is not there twice', {
    timeout: 60_000,
  }, async () => {
    const roles = ['activity', 'activity', 'workflow'] as const;
    const slow = { ...env, WORKER_SLOTS: '1', BACKUP_ATTEMPTS: 'on' };
    await Promise.all(roles.map((role) => startWorker(stack, { env: slow, role })));
    const run = await startMapped();
    await lose('0, 1, 2');
    const held = await holdTask(stack, 'map', 2);
    await run.executeUpdate('resume');
    await held.waiting();
    await eventually('the others are mapped', async () => (await progressOf(run)).partitions.done === 2);
    const log = await hold(stack, 'lock table public.api_logs in access exclusive mode');
    const [backup] = await log.waiting();
    await log.release();
    await eventually('the backup wants the task', async () => {
      return (await held.waiting()).some(({ pid }) => pid === backup!.pid);
    });
    await held.release();
    const result = published(await run.result());
    await expectExact(stack, result);
    expect(result.activities).toMatchObject({ backups: 1 });
  });
});
