import { describe, expect, type TestContext, test } from 'vitest';
import { createTables, searchPathOf } from '../../src/backups/attempt.js';
import type { BillingRunInput, BillingRunProgress } from '../../src/contract/billing-run.js';
import { RowBuffer } from '../../src/postgres/copy/row-buffer.js';
import { begin, openPool, READ_COMMITTED } from '../../src/postgres/pool.js';
import { storeSpill } from '../../src/runs/segments.js';
import { billedContents } from '../support/contents.js';
import { eventually } from '../support/eventually.js';
import { type Hold, hold, holdCommit, holdMap, holdReduce } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { holdTask, startPaused } from '../support/phases.js';
import { startWorker, type WorkerProcess } from '../support/processes.js';
import {
  activitiesOf,
  expectExact,
  progressOf,
  published,
  type RunHandle,
  resultsOf,
  startRun,
} from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const TIMEOUT_MS = 120_000;

/** Each test has its own stack, so that they wait at the same time until a task counts as slow. */
async function stackWithCalls({ onTestFinished }: TestContext): Promise<Stack> {
  const stack = await freshStack();
  onTestFinished(() => stack.close());
  await logs.dropChecks(stack.pool);
  await logs.skewed(stack.pool, { calls: 2003 });
  await stack.pool.query('update public.api_logs set usage = -id where id % 50 = 7');
  return stack;
}

/**
 * Two workers with one activity slot each, so that a frozen one polls for no other activity. A third runs workflows.
 */
async function startWorkers(stack: Stack): Promise<WorkerProcess[]> {
  const env = { BAD_CALLS: 'quarantine', SPILL_CALLS: '400', WORKER_SLOTS: '1' };
  const roles = ['activity', 'activity', 'workflow'] as const;
  const workers = await Promise.all(roles.map((role) => startWorker(stack, { env, role })));
  return workers.slice(0, 2);
}

/** Starts a run that is paused after its plan, before its first task begins. */
const startPlanned = (stack: Stack, input: BillingRunInput) =>
  startPaused(stack, 'planning', 'mapping', () => startRun(stack, [input]));

/** The loser wakes up, reports the end of its activity, and drains. What is billed does not change. */
async function expectHarmless(stack: Stack, loser: WorkerProcess): Promise<void> {
  const before = await billedContents(stack);
  loser.kill('SIGCONT');
  expect(await loser.stop()).toEqual({ code: 0, signal: null });
  expect(await billedContents(stack)).toEqual(before);
}

const stages = [
  {
    stage: 'map',
    input: { partitions: 2, shards: 1 },
    holdFirst: holdMap,
    // A table that only the backup reads while the first attempt waits for its task.
    backupReads: 'public.api_logs',
    done: ({ partitions }: BillingRunProgress) => partitions.done,
  },
  {
    stage: 'reduce',
    input: { partitions: 1, shards: 2 },
    holdFirst: holdReduce,
    backupReads: 'meterfold.segments',
    done: ({ shards }: BillingRunProgress) => shards.done,
  },
] as const;

describe.concurrent.each(stages)('beside a slow $stage', ({ stage, input, holdFirst, backupReads, done }) => {
  test('a backup begins on another worker and wins: the run ends while the first attempt is still frozen', {
    timeout: TIMEOUT_MS,
  }, async (context) => {
    const stack = await stackWithCalls(context);
    const workers = await startWorkers(stack);
    const held = await holdFirst(stack);
    const run = await startRun(stack, [input]);
    await eventually('both workers wait', async () => (await held.waiting()).length === 2);
    const [frozen, other] = workers;
    frozen!.kill('SIGSTOP');
    await held.release();
    const result = published(await run.result());
    await expectExact(stack, result);
    // The first attempt has not missed its heartbeat timeout yet.
    expect(result.activities).toMatchObject({ backups: 1, retried: 0 });
    const { rows } = await stack.pool.query(`select worker from meterfold.tasks where kind = $1`, [stage]);
    expect(rows).toEqual([{ worker: other!.name }, { worker: other!.name }]);

    await expectHarmless(stack, frozen!);
    await expectExact(stack, result);
  });

  test('a backup begins, but the first attempt wins: the rows of the backup are gone', {
    timeout: TIMEOUT_MS,
  }, async (context) => {
    const stack = await stackWithCalls(context);
    const workers = await startWorkers(stack);
    const run = await startPlanned(stack, input);
    const task = await holdTask(stack, stage, 1);
    await run.executeUpdate('resume');
    const first = await workerAt(task, workers);
    await eventually('the other task is done', async () => done(await progressOf(run)) === 1);
    const log = await hold(stack, `lock table ${backupReads} in access exclusive mode`);
    const backup = await workerAt(log, workers);
    expect(backup).not.toBe(first);
    backup.kill('SIGSTOP');
    await log.release();
    await task.release();
    const result = published(await run.result());
    await expectExact(stack, result);
    expect(result.activities).toMatchObject({ backups: 1 });
    const { rows } = await stack.pool.query(`select worker from meterfold.tasks where kind = $1 and number = 1`, [
      stage,
    ]);
    expect(rows).toEqual([{ worker: first.name }]);
    await eventually('the temporary tables are gone', async () => {
      return (await stack.pool.query(`select from pg_class where relpersistence = 't'`)).rows.length === 0;
    });

    await expectHarmless(stack, backup);
    await expectExact(stack, result);
  });
});

interface Death {
  death: string;
  /** Kills the backup, which waits for the lock that `task` holds. */
  kill(stack: Stack, backup: WorkerProcess, task: Hold, kind: string): Promise<void>;
}

const deaths: Death[] = [
  {
    death: 'before it has the task',
    async kill(_stack, backup, task) {
      backup.kill('SIGKILL');
      await backup.ended;
      await task.release();
    },
  },
  {
    death: 'between its commit and its answer',
    async kill(stack, backup, task, kind) {
      const when = `new.kind = '${kind}' and new.number = 1 and new.outcome is not null`;
      const commit = await holdCommit(stack, { on: 'update on meterfold.tasks', when });
      await task.release();
      await commit.waiting({ application: backup.name });
      // The process is stopped until the commit is complete. If it ended first, its server process could notice and roll back.
      backup.kill('SIGSTOP');
      await commit.finish();
      backup.kill('SIGKILL');
      await backup.ended;
      await commit.over();
    },
  },
];

describe.concurrent.each(deaths)('a backup that dies $death', ({ death, kill }) => {
  test.each(stages)(
    'beside a frozen first attempt: another attempt completes the $stage, once',
    {
      timeout: TIMEOUT_MS,
    },
    async ({ stage, input }) => {
      const stack = await freshStack();
      try {
        await logs.skewed(stack.pool, { calls: 2003 });
        const workers = await startWorkers(stack);
        const run = await startPlanned(stack, input);
        const task = await holdTask(stack, stage, 1);
        await run.executeUpdate('resume');
        const first = await workerAt(task, workers);
        const backup = workers.find((worker) => worker !== first)!;
        first.kill('SIGSTOP');
        await task.waiting({ application: backup.name });
        await kill(stack, backup, task, stage);
        const env = { SPILL_CALLS: '400', WORKER_SLOTS: '1' };
        const third = await startWorker(stack, { env, role: 'activity' });
        const result = published(await run.result());
        await expectExact(stack, result);
        const { rows } = await stack.pool.query('select worker from meterfold.tasks where kind = $1 and number = 1', [
          stage,
        ]);
        expect(rows).toEqual([{ worker: (death.startsWith('before') ? third : backup).name }]);
        await expectHarmless(stack, first);
        await expectExact(stack, result);
      } finally {
        await stack.close();
      }
    },
  );
});

async function workerAt(held: Hold, workers: WorkerProcess[]): Promise<WorkerProcess> {
  const [waiting] = await held.waiting({ application: 'meterfold worker' });
  const worker = workers.find(({ name }) => waiting!.application.endsWith(name));
  if (worker === undefined) throw new Error(`${waiting!.application} is not one of the test's workers`);
  return worker;
}

describe.concurrent('backups', () => {
  test('know which tasks began before one that has ended', { timeout: TIMEOUT_MS }, async (context) => {
    const stack = await stackWithCalls(context);
    await startWorkers(stack);
    const run = await startPlanned(stack, { partitions: 2, shards: 1, backups: false });
    const tasks = [await holdTask(stack, 'map', 0), await holdTask(stack, 'map', 1)];
    await run.executeUpdate('resume');
    await eventually('both have begun', async () => (await begunOf(stack)).length === 2);
    const [first, second] = await begunOf(stack);
    await tasks[second!]!.release();
    await eventually('the second is done', async () => (await progressOf(run)).partitions.done === 1);
    await tasks[first!]!.release();
    await expectExact(stack, published(await run.result()));
    const [earlier, later] = await resultsOf(run, 'mapPartition');
    expect(earlier).toMatchObject({ overtaken: [{ number: first, ms: expect.any(Number) }] });
    expect(later).not.toHaveProperty('overtaken');
  });

  test('are not begun by a paused run until it is resumed', { timeout: TIMEOUT_MS }, async (context) => {
    const stack = await stackWithCalls(context);
    await startWorker(stack, { env: { BAD_CALLS: 'quarantine', WORKER_SLOTS: '3' } });
    const { run, task } = await startWithSlowTask(stack, {});
    await run.executeUpdate('pause');
    await eventually('the task counts as slow', async () => (await timersOf(run)).fired === 1);
    expect(await activitiesOf(run)).toMatchObject({ mapPartition: 2 });
    await run.executeUpdate('resume');
    await eventually('its backup begins', async () => (await activitiesOf(run)).mapPartition === 3);
    await task.release();
    const result = published(await run.result());
    await expectExact(stack, result);
    expect(result.activities).toMatchObject({ backups: 1 });
  });

  test.each<[string, Record<string, string>, BillingRunInput, number]>([
    ["by the workers' setting", { BACKUP_ATTEMPTS: 'off' }, {}, 0],
    ["by the run's input", {}, { backups: false }, 0],
    ["but not by the setting if the run's input asks for them", { BACKUP_ATTEMPTS: 'off' }, { backups: true }, 1],
  ])('are switched off %s: no timer is started', async (_title, setting, given, started) => {
    const stack = await freshStack();
    try {
      await logs.skewed(stack.pool, { calls: 2003 });
      await startWorker(stack, { env: { WORKER_SLOTS: '3', ...setting } });
      const { run, task } = await startWithSlowTask(stack, given);
      await task.release();
      const result = published(await run.result());
      await expectExact(stack, result);
      expect(result.activities).toMatchObject({ backups: 0 });
      expect((await timersOf(run)).started).toBe(started);
    } finally {
      await stack.close();
    }
  });

  /** Starts a run in which one partition is mapped and the other waits. */
  async function startWithSlowTask(stack: Stack, input: BillingRunInput): Promise<{ run: RunHandle; task: Hold }> {
    const run = await startPlanned(stack, { partitions: 2, shards: 1, ...input });
    const task = await holdTask(stack, 'map', 1);
    await run.executeUpdate('resume');
    await eventually('the other task is done', async () => (await progressOf(run)).partitions.done === 1);
    return { run, task };
  }

  /** The partitions that are being mapped, in the order in which workers began them. */
  async function begunOf({ pool }: Stack): Promise<number[]> {
    const { rows } = await pool.query<{ number: number }>(
      `select task_number as number from meterfold.attempts where task_kind = 'map' order by attempt_id`,
    );
    return rows.map(({ number }) => number);
  }

  async function timersOf(run: RunHandle): Promise<{ started: number; fired: number }> {
    const { events } = await run.fetchHistory();
    return {
      started: (events ?? []).filter((event) => event.timerStartedEventAttributes).length,
      fired: (events ?? []).filter((event) => event.timerFiredEventAttributes).length,
    };
  }
});

test('in one session, first attempts write to the shared tables and backups to temporary ones', async () => {
  const stack = await freshStack();
  const pool = await openPool(stack.databaseUrl, { applicationName: 'test', connectionsMax: 1 });
  try {
    const client = await pool.connect();
    await client.query(`
      insert into meterfold.runs (temporal_address, temporal_namespace, workflow_id, first_execution_run_id, execution_run_id,
                                  watermark, calls_per_cycle, price_per_unit, currency)
      values ('', '', '', '', '', 0, 5, 1, 'USD')`);
    const spill = { data: Buffer.from('data'), basePosition: 1n, bucketIndex: Buffer.from('index') };
    const rows = new RowBuffer();
    // The session keeps its prepared statements, and from the first backup on it has a temporary schema.
    for (const [partition, backup] of [false, true, false, true, false].entries()) {
      await begin(client, READ_COMMITTED, { search_path: searchPathOf({ backup }) });
      if (backup) await createTables(client, 'map');
      await storeSpill(client, rows, { runId: 1n, partition, number: 0 }, spill);
      const table = backup ? 'pg_temp' : 'meterfold';
      const written = `select (select count(*)::integer from ${table}.segments where partition = $1) as segments,
                              (select count(*)::integer from ${table}.spills where partition = $1) as spills`;
      expect((await client.query(written, [partition])).rows).toEqual([{ segments: 1, spills: 1 }]);
      await client.query('commit');
    }
    const { rows: spills } = await client.query('select partition from meterfold.spills order by partition');
    expect(spills.map(({ partition }) => partition)).toEqual([0, 2, 4]);
    await expect(storeSpill(client, rows, { runId: 1n, partition: 5, number: 0 }, spill)).rejects.toThrow(
      'relation "segments" does not exist',
    );
    client.release();
  } finally {
    await pool.end();
    await stack.close();
  }
});
