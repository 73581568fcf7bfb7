/** Map reads the log from a streaming replica: it waits until the replica shows the run, and the bills are the same. */
import { afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { openPool } from '../../src/postgres/pool.js';
import { eventually } from '../support/eventually.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker, type WorkerProcess } from '../support/processes.js';
import { type Replica, startReplica } from '../support/replica.js';
import { bill, expectExact, failureOf, inPhase, progressOf, published, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;
beforeEach(async () => {
  stack = await freshStack();
});
afterEach(() => stack.close());

const startReader = (url: string) => startWorker(stack, { env: { LOG_REPLICA_URL: url } });

describe('with a streaming replica', () => {
  let replica: Replica;
  let worker: WorkerProcess;

  beforeAll(async () => {
    replica = await startReplica(inject('servers'));
    return () => replica.stop();
  });
  beforeEach(async () => {
    await logs.skewed(stack.pool, { calls: 5000 });
    // The worker connects to the database on the replica, which must have received it.
    worker = await startReader(replica.urlOf(stack.databaseName));
  });

  test('one run after the other is billed exactly', async () => {
    await expectExact(stack, await bill(stack, { partitions: 3, shards: 2 }));
    await logs.skewed(stack.pool, { calls: 777, seed: 2 });
    await expectExact(stack, await bill(stack, { partitions: 3, shards: 2 }));
  });

  test('map waits until the replica has replayed all calls of the run', async () => {
    await bill(stack);
    await replica.pause();
    await logs.skewed(stack.pool, { calls: 1234, seed: 3 });
    const run = await startRun(stack, [{ partitions: 2, shards: 2 }]);
    await inPhase(run, 'mapping');
    await eventually('map queries the position of the replica', async () => {
      const { rows } = await stack.pool.query(
        `select from pg_stat_activity where datname = current_database() and application_name = $1 and query like '%pg_control_system%'`,
        [`meterfold worker ${worker.name}`],
      );
      return rows.length > 0;
    });
    expect(await progressOf(run)).toMatchObject({ phase: 'mapping', partitions: { done: 0, total: 2 } });
    await replica.resume();
    const result = published(await run.result());
    expect(result.calls).toBe('1234');
    await expectExact(stack, result);
  });

  test('a run that is cancelled while map waits is discarded', async () => {
    await bill(stack);
    await replica.pause();
    await logs.skewed(stack.pool, { calls: 10, seed: 4 });
    const run = await startRun(stack);
    await inPhase(run, 'mapping');
    await run.executeUpdate('cancel');
    expect(await run.result()).toMatchObject({ status: 'cancelled' });
    await replica.resume();
    await expectExact(stack, await bill(stack));
  });

  test('verify reads it too', async () => {
    await bill(stack);
    const standby = await openPool(replica.urlOf(stack.databaseName), { applicationName: 'test', connectionsMax: 1 });
    await eventually('it shows the run', async () => {
      return (await standby.query(`select from meterfold.runs where state = 'published'`)).rowCount === 1;
    });
    await standby.end();
    const { code, stdout } = await meterfold(stack, ['verify', '--json'], {
      env: { DATABASE_URL: replica.urlOf(stack.databaseName) },
    });
    expect(JSON.parse(stdout)).toMatchObject({ differences: [], checked: { calls: '5000', runs: '1' } });
    expect(code).toBe(0);
  });

  test('doctor reports that it is usable, and its lag', async () => {
    const { code, stdout } = await meterfold(stack, ['doctor'], {
      env: { LOG_REPLICA_URL: replica.urlOf(stack.databaseName) },
    });
    expect(stdout).toMatch(/✓ log replica +a streaming replica of the database, \d+ bytes of WAL behind/);
    expect(code).toBe(0);
  });
});

describe('refused with the reason and the fix, and nothing is billed:', () => {
  beforeEach(() => logs.skewed(stack.pool, { calls: 100 }));

  test('a server that is not a replica', async () => {
    await startReader(stack.databaseUrl);
    expect(await failureOf(await startRun(stack))).toMatchObject({
      type: 'ReplicaUnfitError',
      message:
        'LOG_REPLICA_URL names a server that is not a replica: give the URL of a streaming replica of the server of DATABASE_URL, or unset it',
    });
    expect(await runRows(stack)).toMatchObject([{ state: 'discarded' }]);
  });

  test('a replica of another server, which doctor reports too', async () => {
    const other = await startReplica(inject('servers'), { streaming: false });
    try {
      const LOG_REPLICA_URL = other.urlOf('postgres');
      await startReader(LOG_REPLICA_URL);
      expect(await failureOf(await startRun(stack))).toMatchObject({
        type: 'ReplicaUnfitError',
        message: expect.stringMatching(
          /^LOG_REPLICA_URL names a replica of another server \(system identifier \d+, not \d+\): /,
        ),
      });
      const { code, stdout } = await meterfold(stack, ['doctor'], { env: { LOG_REPLICA_URL } });
      expect(stdout).toMatch(/✗ log replica +LOG_REPLICA_URL names a replica of another server/);
      expect(code).toBe(1);
    } finally {
      await other.stop();
    }
  });
});
