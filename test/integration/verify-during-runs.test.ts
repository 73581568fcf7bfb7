/**
 * Verify reports no difference at any moment of a run: with the run held at each stage, and repeatedly while runs
 * continue.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { verify } from '../../src/audit/verify.js';
import { openPool, type Pool } from '../../src/postgres/pool.js';
import { holdInSweep } from '../replay/hold.js';
import { eventually } from '../support/eventually.js';
import { type Hold, hold } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { holdEnding, holdTask } from '../support/phases.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, failureOf, fannedOut, published, type RunHandle, reset, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const WORKER_SLOTS = '1';

let stack: Stack;
let pool: Pool;

beforeAll(async () => {
  stack = await freshStack();
  await logs.dropChecks(stack.pool);
  await startWorker(stack, { env: { BAD_CALLS: 'quarantine' } });
  pool = await openPool(stack.databaseUrl, { applicationName: 'verify', connectionsMax: 3 });
});
afterAll(async () => {
  await pool?.end();
  await stack?.close();
});
beforeEach(async () => {
  await reset(stack);
  await logs.skewed(stack.pool, { calls: 1003 });
  await stack.pool.query('update public.api_logs set usage = -id where id % 100 = 7');
});

async function expectNoDifference(of: Pool = pool): Promise<void> {
  expect((await verify(of, { differencesMax: 5 })).differences).toEqual([]);
}

/** Locks a table against writers; verify may read it. */
const holdWriters = (table: string): Promise<Hold> => hold(stack, `lock table meterfold.${table} in share mode`);

interface Stage {
  name: string;
  take: () => Promise<Hold>;
  /** A substring of the statement that waits there. */
  query: string;
}

/** The stages in the order in which a run reaches them. */
const STAGES: readonly Stage[] = [
  { name: 'planning', take: () => holdWriters('tasks'), query: 'insert into meterfold.tasks' },
  { name: 'mapping', take: () => holdWriters('segments'), query: 'copy segments' },
  { name: 'reducing, before its records', take: () => holdWriters('records'), query: 'copy records' },
  { name: 'reducing, after its records', take: () => holdWriters('open_cycles'), query: 'copy open_cycles' },
];

/** Verifies while a run is held at each stage, and after it has ended. */
async function verifyAtEachStage(start: () => Promise<RunHandle>): Promise<void> {
  const sealing = await hold(
    stack,
    `insert into public.api_logs (user_id, usage, called_at) values ('late', 7, now())`,
  );
  const run = await start();
  await eventually('the run has read the sequence', async () => {
    const sealing = `select from meterfold.runs where state = 'active' and seal_position is not null`;
    return (await stack.pool.query(sealing)).rows.length === 1;
  });
  await expectNoDifference();
  let held = sealing;
  let recounting: Hold | undefined;
  for (const { name, take, query } of STAGES) {
    const next = await take();
    await held.release();
    await next.waiting({ query });
    await expectNoDifference();
    // The recount runs concurrently with reduce: from here on it waits until reduce has ended.
    if (name === 'mapping') recounting = await holdTask(stack, 'recount');
    held = next;
  }
  await held.release();
  await recounting!.waiting();
  await expectNoDifference();
  const publishing = await holdEnding(stack);
  await recounting!.release();
  await publishing.waiting({ query: 'for update' });
  await expectNoDifference();
  await publishing.release();
  published(await run.result());
  await expectNoDifference();
}

/** Verifies repeatedly until the work is done, and once more. */
async function verifyThroughout<T>(of: Pool, work: Promise<T>): Promise<T> {
  let over = false;
  const ended = work.finally(() => {
    over = true;
  });
  ended.catch(() => {});
  while (!over) await expectNoDifference(of);
  await expectNoDifference(of);
  return ended;
}

describe('no difference is reported', () => {
  test('at any stage of the first run, or of a later one', async () => {
    await expectNoDifference();
    await verifyAtEachStage(() => startRun(stack, [fannedOut]));
    await logs.skewed(stack.pool, { calls: 500, seed: 2 });
    await verifyAtEachStage(() => startRun(stack, [fannedOut]));
  });

  test('at any stage of a first run with another number of calls per cycle than five', async () => {
    await verifyAtEachStage(() => startRun(stack, [{ ...fannedOut, callsPerCycle: 7 }]));
  });

  test.each([
    ['a small run', {}],
    ['a run of many tasks', { partitions: 3, shards: 4 }],
  ])('throughout %s, the first and a later one', async (_title, input) => {
    await verifyThroughout(pool, bill(stack, input));
    await logs.skewed(stack.pool, { calls: 500, seed: 2 });
    await verifyThroughout(pool, bill(stack, input));
  });

  test('while a first run and a later one delete data that they no longer need', async () => {
    for (const seed of [2, 3]) {
      const { run, held } = await holdInSweep(stack, 1, () => startRun(stack, [fannedOut]));
      await expectNoDifference();
      await held.release();
      published(await run.result());
      await expectNoDifference();
      await logs.skewed(stack.pool, { calls: 200, seed });
    }
  });

  test('while the first run is discarded, or afterwards', async () => {
    const held = await holdWriters('segments');
    const run = await startRun(stack, [fannedOut]);
    await held.waiting({ query: 'copy segments' });
    const cancelled = run.executeUpdate('cancel');
    await held.waiting({ query: 'delete from meterfold.segments' });
    await expectNoDifference();
    await held.release();
    await cancelled;
    await expectNoDifference();
    await verifyThroughout(pool, bill(stack));
  });

  test('throughout a run that fails', async () => {
    await verifyThroughout(pool, failureOf(await startRun(stack, [{ ...fannedOut, badCalls: 'stop' }])));
    expect((await runRows(stack)).map(({ state }) => state)).toEqual(['discarded']);
  });

  test('while the first run is reverted and its calls are billed again with another number of calls per cycle', async () => {
    await bill(stack, { callsPerCycle: 7 });
    const held = await holdWriters('open_cycles');
    const reverting = meterfold(stack, ['revert', '1', '--yes', '--reason', 'cycles of 7 calls']);
    await held.waiting({ query: 'delete from meterfold.open_cycles' });
    await expectNoDifference();
    await held.release();
    expect(await reverting).toMatchObject({ code: 0 });
    await expectNoDifference();
    await verifyAtEachStage(() => startRun(stack, [{ ...fannedOut, callsPerCycle: 4 }]));
  });
});

test('no difference is reported throughout a run with a backup of a slow map', {
  timeout: 120_000,
}, async ({ onTestFinished }) => {
  const own = await freshStack();
  onTestFinished(() => own.close());
  const ownPool = await openPool(own.databaseUrl, { applicationName: 'verify', connectionsMax: 3 });
  own.onClose(() => ownPool.end());
  await logs.skewed(own.pool, { calls: 2003 });
  const env = { SPILL_CALLS: '400', WORKER_SLOTS };
  const roles = ['activity', 'activity', 'workflow'] as const;
  const workers = await Promise.all(roles.map((role) => startWorker(own, { env, role })));
  const held = await hold(own, 'lock table meterfold.segments in share mode');
  const run = await startRun(own, [{ partitions: 2, shards: 1 }]);
  await eventually('both maps wait', async () => (await held.waiting()).length === 2);
  workers[0]!.kill('SIGSTOP');
  await expectNoDifference(ownPool);
  await held.release();
  const result = published(await verifyThroughout(ownPool, run.result()));
  expect(result.activities).toMatchObject({ backups: 1 });
  workers[0]!.kill('SIGCONT');
});
