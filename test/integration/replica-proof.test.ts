/** The proof of a run that has read a replica: the recount on the primary compares the digest of the calls. */
import { afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { openPool } from '../../src/postgres/pool.js';
import { eventually } from '../support/eventually.js';
import * as logs from '../support/logs.js';
import { holdTask, startPaused } from '../support/phases.js';
import { meterfold, startWorker } from '../support/processes.js';
import { type Replica, startReplica } from '../support/replica.js';
import {
  bill,
  expectExact,
  failureOf,
  fannedOut,
  inPhase,
  progressOf,
  published,
  type RunHandle,
  resultsOf,
  runRows,
  startRun,
} from '../support/runs.js';
import { adminOf, freshStack, type Stack, urlOf } from '../support/stack.js';

let replica: Replica;
let stack: Stack;

beforeAll(async () => {
  replica = await startReplica(inject('servers'));
  return () => replica.stop();
});
beforeEach(async () => {
  stack = await freshStack();
  await logs.skewed(stack.pool, { calls: 1000 });
});
afterEach(async () => {
  await replica.resume();
  await stack.close();
});

const startReader = (env: Record<string, string> = {}) =>
  startWorker(stack, { env: { LOG_REPLICA_URL: replica.urlOf(stack.databaseName), ...env } });
const startMapped = () => startPaused(stack, 'mapping', 'reducing', () => startRun(stack, [fannedOut]));

/** Waits until a statement returns a row on the replica. */
async function replicaShows(sql: string): Promise<void> {
  const pool = await openPool(replica.urlOf(stack.databaseName), { applicationName: 'test', connectionsMax: 1 });
  await eventually(`the replica shows: ${sql}`, async () =>
    pool.query(sql).then(
      ({ rows }) => rows.length > 0,
      () => false,
    ),
  ).finally(() => pool.end());
}

/**
 * Swaps the users of two calls on the primary, so that the replica shows other calls with the same number and usage.
 */
async function swapUsers(): Promise<void> {
  const { rowCount } = await stack.pool.query(
    `with pair as (
       select one.id as one_id, one.user_id as one_user, other.id as other_id, other.user_id as other_user
         from public.api_logs one join public.api_logs other on other.user_id <> one.user_id order by 1, 3 limit 1)
     update public.api_logs call set user_id = case call.id when one_id then other_user else one_user end
       from pair where call.id in (one_id, other_id)`,
  );
  expect(rowCount).toBe(2);
}

const outcomesOf = async (run: RunHandle, type: string) =>
  (await resultsOf(run, type)).map((result) => (result as { outcome: Record<string, unknown> }).outcome);

const DIGESTS_DIFFER =
  /^run 1 does not add up: digest of the calls counted by SQL is [0-9a-f]{16}, of those read by map [0-9a-f]{16}/;

describe('if map has read a replica', () => {
  test('the same number of calls with the same usage, but of other users, is not billed: the digests differ', async () => {
    await startReader();
    const run = await startMapped();
    await swapUsers();
    await run.executeUpdate('resume');
    expect(await failureOf(run)).toMatchObject({ type: 'ProofError', message: expect.stringMatching(DIGESTS_DIFFER) });
    expect(await runRows(stack)).toMatchObject([{ state: 'discarded' }]);
    await expectExact(stack, await bill(stack));
  });

  test('the digest excludes all quarantined calls', async () => {
    await logs.dropChecks(stack.pool);
    for (const [number, [change]] of logs.badCalls.entries()) {
      await stack.pool.query(`update public.api_logs set ${change} where id = $1`, [number * 37 + 5]);
    }
    await startReader({ BAD_CALLS: 'quarantine' });
    const run = await startRun(stack, [{ partitions: 3, shards: 2 }]);
    const result = published(await run.result());
    expect(result.quarantined.calls).toBe(String(logs.badCalls.length));
    expect(await outcomesOf(run, 'recount')).toMatchObject([{ digest: result.digest }]);
    await expectExact(stack, result);
  });

  test('and the calls change after the recount, publish computes the digest itself', async () => {
    const first = await startWorker(stack);
    const run = await startMapped();
    first.kill('SIGKILL');
    await first.ended;
    await stack.pool.query('delete from meterfold.segments');
    await stack.pool.query('delete from meterfold.spills');
    await startReader();
    const reduce = await holdTask(stack, 'reduce');
    await run.executeUpdate('resume');
    await eventually('the recount has ended', async () => (await outcomesOf(run, 'recount')).length === 1);
    // Map will read the replica in its current state.
    await replicaShows(`select from meterfold.runs where seal_id is not null`);
    await replica.pause();
    await swapUsers();
    await reduce.release();
    expect(await failureOf(run)).toMatchObject({ type: 'ProofError', message: expect.stringMatching(DIGESTS_DIFFER) });
    expect(await outcomesOf(run, 'mapPartition')).toMatchObject([{ readFrom: 'primary' }, { readFrom: 'replica' }]);
    expect((await outcomesOf(run, 'recount'))[0]).not.toHaveProperty('digest');
  });
});

describe('the primary is read', () => {
  test('and no digest is computed if no replica is configured', async () => {
    await startWorker(stack);
    const run = await startRun(stack, [fannedOut]);
    await expectExact(stack, published(await run.result()));
    expect(await outcomesOf(run, 'mapPartition')).toMatchObject([{ readFrom: 'primary' }]);
    expect((await outcomesOf(run, 'recount'))[0]).not.toHaveProperty('digest');
  });

  test('if an earlier version has planned the run, whose seal has no number', async () => {
    await startReader();
    const run = await startPaused(stack, 'planning', 'mapping', () => startRun(stack, [fannedOut]));
    await stack.pool.query('update meterfold.runs set seal_id = null');
    await run.executeUpdate('resume');
    await expectExact(stack, published(await run.result()));
    expect(await outcomesOf(run, 'mapPartition')).toMatchObject([{ readFrom: 'primary' }]);
  });
});

test('map waits for a replica that has not received the latest migration', async () => {
  await stack.pool.query('alter table meterfold.runs drop column seal_id');
  await replicaShows(
    `select where not exists (select from pg_attribute where attrelid = 'meterfold.runs'::regclass and attname = 'seal_id')`,
  );
  await startReader();
  await replica.pause();
  await stack.pool.query('alter table meterfold.runs add column seal_id uuid');
  const run = await startRun(stack, [fannedOut]);
  await inPhase(run, 'mapping');
  await eventually('map queries the replica for the run', async () => {
    const pool = await openPool(replica.urlOf(stack.databaseName), { applicationName: 'test', connectionsMax: 1 });
    const { rows } = await pool
      .query(
        `select from pg_stat_activity where application_name like 'meterfold worker%' and query ilike '%rollback%'`,
      )
      .finally(() => pool.end());
    return rows.length > 0;
  });
  expect(await progressOf(run)).toMatchObject({ phase: 'mapping', partitions: { done: 0, total: 1 } });
  await replica.resume();
  await expectExact(stack, published(await run.result()));
});

test('a replica that refuses to report its position stops the run with one sentence, which doctor prints too', async () => {
  const role = { name: `reader_${stack.databaseName}`, password: 'secret' };
  const admin = adminOf(inject('servers'));
  await admin.connect();
  await admin.query(`create role ${role.name} login password '${role.password}'`);
  stack.onClose(async () => {
    await stack.pool.query(`drop owned by ${role.name}`);
    await admin.query(`drop role ${role.name}`);
    await admin.end();
  });
  await stack.pool.query('revoke execute on function pg_last_wal_replay_lsn() from public');
  await replicaShows(`select from pg_roles where rolname = '${role.name}'`);
  const postgresUrl = replica.urlOf(stack.databaseName);
  const LOG_REPLICA_URL = urlOf({ postgresUrl }, stack.databaseName, role);
  await startReader({ LOG_REPLICA_URL });
  const message =
    'the server of LOG_REPLICA_URL does not report its position in the WAL (permission denied for function pg_last_wal_replay_lsn), ' +
    "so a replica can't be compared with it: unset LOG_REPLICA_URL";
  expect(await failureOf(await startRun(stack))).toMatchObject({ type: 'ReplicaUnfitError', message });
  const { stdout } = await meterfold(stack, ['doctor'], { env: { LOG_REPLICA_URL } });
  expect(stdout.replaceAll(/\s+/g, ' ')).toContain(message);
});
