/**
 * A replica on another timeline. The primary fails over to a standby that had received less WAL than the replica. The
 * replica cannot follow it, and continues to serve the lost calls. Meanwhile the same number of other calls get
 * positions in the same range.
 */
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import { type PostgresServer, startPostgres } from '../../src/embedded/postgres.js';
import { removeCluster } from '../../src/embedded/postgres-cluster.js';
import { openPool } from '../../src/postgres/pool.js';
import { migrate } from '../../src/schema/migrate.js';
import { eventually } from '../support/eventually.js';
import { meterfold, startWorker } from '../support/processes.js';
import { type Replica, startReplica } from '../support/replica.js';
import { bill, expectExact, failureOf, published, type RunHandle, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

// An attempt waits 15 s for the replica.
vi.setConfig({ testTimeout: 180_000 });

const DATABASE = 'meterfold';
const CALLS = 40;

const insertCalls = (of: string) =>
  `insert into public.api_logs (user_id, usage, called_at)
   select '${of}-' || n % 4, n, '2026-06-01Z'::timestamptz + n * interval '1 second' from generate_series(1, ${CALLS}) n`;

let primary: PostgresServer;
let standby: Replica;
let replica: Replica;
let closers: (() => Promise<void>)[];
/** The stack on the promoted standby. */
let stack: Stack;

beforeEach(async () => {
  closers = [];
  const stateDir = await mkdtemp(join(inject('servers').stateDir, 'primary-'));
  closers.push(() => removeCluster(stateDir));
  const settings = { fsync: 'off', max_connections: '200', max_prepared_transactions: '16' };
  primary = await startPostgres({ stateDir, database: DATABASE, settings });
  closers.push(() => primary.stop('immediate'));
  const pool = await openPool(primary.url, { applicationName: 'test', connectionsMax: 1 });
  await migrate(pool);
  await pool.query(insertCalls('early'));
  const servers = { postgresUrl: primary.url, templateDatabase: DATABASE, stateDir: inject('servers').stateDir };
  standby = await startReplica(servers);
  closers.push(() => standby.stop());
  replica = await startReplica(servers);
  closers.push(() => replica.stop());
  await caughtUp(standby, CALLS);
  await standby.halt();
  await pool.query(insertCalls('lost'));
  await pool.end();
});
afterEach(async () => {
  for (const close of closers.reverse()) await close();
});

async function caughtUp(of: Replica, calls: number): Promise<void> {
  const pool = await openPool(of.urlOf(DATABASE), { applicationName: 'test', connectionsMax: 1 });
  await eventually(`the replica has ${calls} calls`, async () => {
    const { rows } = await pool.query<{ calls: number }>('select count(*)::int as calls from public.api_logs');
    return rows[0]!.calls === calls;
  }).finally(() => pool.end());
}

/**
 * Crashes the primary when the replica has its calls. The standby, which does not have them, is promoted and gets the
 * same number of other calls.
 */
async function failOver(): Promise<void> {
  await caughtUp(replica, 2 * CALLS);
  await primary.stop('immediate');
  await standby.start();
  await standby.promote();
  const servers = { ...inject('servers'), postgresUrl: standby.urlOf(DATABASE), templateDatabase: DATABASE };
  await replica.follow(servers);
  stack = await freshStack({ servers, beside: { databaseName: DATABASE } });
  closers.push(() => stack.close());
  await stack.pool.query(insertCalls('kept'));
}

describe('calls that a failover has lost, but a replica still shows, are not billed', () => {
  test("if the replica's WAL position is before the new primary's", async () => {
    await failOver();
    const worker = await startWorker(stack, { env: { LOG_REPLICA_URL: replica.urlOf(DATABASE) } });
    const run = await startRun(stack);
    const message = await failedAttempt(run);
    expect(message).toMatch(
      /^the replica of LOG_REPLICA_URL did not show run 1 as sealed on the primary within 15 s: it is \d+ bytes of WAL behind/,
    );
    expect(await runRows(stack)).toMatchObject([{ state: 'active' }]);
    // The setting is removed, as the message advises, and the same run continues.
    await worker.stop();
    await startWorker(stack);
    const result = published(await run.result());
    expect(result.calls).toBe(String(2 * CALLS));
    await expectExact(stack, result);
  });

  test("if the replica's WAL position is after one that the new primary has not reached", async () => {
    const old = await openPool(primary.url, { applicationName: 'test', connectionsMax: 1 });
    await old.query('select pg_switch_wal()');
    await old.query('create table public.later ()');
    await old.end();
    await failOver();
    const env = { LOG_REPLICA_URL: replica.urlOf(DATABASE) };
    const worker = await startWorker(stack, { env });
    expect(await failureOf(await startRun(stack))).toMatchObject({
      type: 'ReplicaUnfitError',
      message:
        'the replica of LOG_REPLICA_URL is past the WAL position at which the primary sealed run 1, but does not show the run as it was ' +
        'sealed: it follows another timeline, from before a failover; rebuild it from the primary, or unset LOG_REPLICA_URL',
    });
    expect(await runRows(stack)).toMatchObject([{ state: 'discarded' }]);
    await worker.stop();
    await startWorker(stack);
    await expectExact(stack, await bill(stack));
    const { stdout } = await meterfold(stack, ['doctor'], { env });
    expect(stdout).toMatch(
      /✗ log replica +the replica of LOG_REPLICA_URL has replayed more than the primary has written/,
    );
  });
});

/** Waits until an attempt of a running activity has failed, and returns its message. */
function failedAttempt(run: RunHandle): Promise<string> {
  return eventually('an attempt of an activity has failed', async () => {
    const { raw } = await run.describe();
    return raw.pendingActivities?.[0]?.lastFailure?.message ?? undefined;
  });
}
