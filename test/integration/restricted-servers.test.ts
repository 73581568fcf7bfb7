/** Restrictions of managed servers do not stop a run that is not affected by them, and are named if they do. */
import { afterEach, beforeEach, expect, inject, onTestFinished, test } from 'vitest';
import { openPool } from '../../src/postgres/pool.js';
import { attempt } from '../../src/runs/attempts.js';
import { type BillingRole, makeBillingRole } from '../support/billing-role.js';
import { eventually } from '../support/eventually.js';
import * as logs from '../support/logs.js';
import { holdTask, startPaused } from '../support/phases.js';
import { type CommandResult, meterfold, startWorker } from '../support/processes.js';
import { startReplica } from '../support/replica.js';
import { bill, expectExact, failureOf, published, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const CALLS = 3000;

let stack: Stack;
let role: BillingRole;
beforeEach(async () => {
  stack = await freshStack();
  role = await makeBillingRole(stack);
  await logs.uniform(stack.pool, { calls: CALLS });
});
afterEach(() => stack.close());

const startRoleWorker = (env: Record<string, string> = {}) =>
  startWorker(stack, { env: { DATABASE_URL: role.url, ...env } });
const doctor = (): Promise<CommandResult> => meterfold(stack, ['doctor'], { env: { DATABASE_URL: role.url } });

/** Refuses functions that return a WAL position or read the control file, as some managed servers do. */
async function refuseWalFunctions(): Promise<void> {
  const functions: [name: string, columns: string][] = [
    ['pg_current_wal_insert_lsn', 'returns pg_lsn'],
    ['pg_current_wal_lsn', 'returns pg_lsn'],
    [
      'pg_control_system',
      'returns table (pg_control_version integer, catalog_version_no integer, system_identifier bigint, pg_control_last_modified timestamptz)',
    ],
  ];
  for (const [name, returns] of functions) {
    await stack.pool.query(`
      alter function pg_catalog.${name}() rename to ${name}_of_old;
      create function pg_catalog.${name}() ${returns} language plpgsql as
        $$begin raise '${name} is not supported here' using errcode = 'object_not_in_prerequisite_state'; end$$`);
  }
}

test('on a server that refuses the WAL functions, billing works if no replica is configured', async () => {
  await refuseWalFunctions();
  await startRoleWorker();
  const result = await bill(stack, { partitions: 2, shards: 2 });
  expect(result.activities).toMatchObject({ retried: 0 });
  await expectExact(stack, result);
  expect(await doctor()).toMatchObject({ code: 0 });
});

test('with a role that may not call the WAL functions, billing works if no replica is configured', async () => {
  await stack.pool.query(`
    revoke execute on function pg_catalog.pg_current_wal_insert_lsn() from public;
    revoke execute on function pg_catalog.pg_current_wal_lsn() from public;
    revoke execute on function pg_catalog.pg_control_system() from public`);
  await startRoleWorker();
  await expectExact(stack, await bill(stack));
});

test('a server that refuses the WAL functions fails a run with a configured replica, with a clear error and without retries', async () => {
  const replica = await startReplica(inject('servers'));
  onTestFinished(() => replica.stop());
  await refuseWalFunctions();
  await startRoleWorker({ LOG_REPLICA_URL: replica.urlOf(stack.databaseName) });
  const failure = await failureOf(await startRun(stack));
  expect(failure).toMatchObject({ type: 'ReplicaUnfitError', nonRetryable: true });
  expect(failure.message).toContain('LOG_REPLICA_URL');
  expect(await runRows(stack)).toMatchObject([{ state: 'discarded' }]);
});

test('without TEMPORARY on the database a straggler gets no backup attempt, the bills are exact, and doctor names the grant', async () => {
  await stack.pool.query(`revoke temporary on database ${stack.databaseName} from public`);
  await Promise.all([startRoleWorker({ WORKER_SLOTS: '1' }), startRoleWorker({ WORKER_SLOTS: '1' })]);
  const run = await startPaused(stack, 'planning', 'mapping', () => startRun(stack, [{ partitions: 2, shards: 1 }]));
  const first = await holdTask(stack, 'map', 1);
  await run.executeUpdate('resume');
  await eventually('the backup attempt is refused', async () => {
    const { events } = await run.fetchHistory();
    return events?.some(
      ({ activityTaskFailedEventAttributes: failed }) =>
        failed?.failure?.applicationFailureInfo?.type === 'BackupRefusedError',
    );
  });
  await first.release();
  await expectExact(stack, published(await run.result()));
  const { code, stdout } = await doctor();
  expect(code).toBe(0);
  expect(stdout).toContain(`Fix: grant temporary on database ${stack.databaseName} to ${role.name};`);
});

test('an attempt does not end a server process if its role may not', async () => {
  await stack.pool.query(`grant pg_read_all_stats to ${role.name}`);
  await stack.pool.query(`
    insert into meterfold.runs (temporal_address, temporal_namespace, workflow_id, first_execution_run_id, execution_run_id,
                                watermark, calls_per_cycle, price_per_unit, currency)
    values ('', '', '', '', '', 0, 5, 1, 'USD')`);
  const other = await stack.pool.connect();
  await other.query(`
    insert into meterfold.attempts (run_id, activity_id, task_kind, task_number, backend_pid, backend_start)
    select 1, '7', 'map', 0, pid, backend_start from pg_stat_activity where pid = pg_backend_pid()`);
  const pool = await openPool(role.url, { applicationName: 'test', connectionsMax: 1 });
  onTestFinished(() => pool.end());
  const of = { runId: 1n, activityId: '7', target: { kind: 'map', number: 0 } } as const;
  const done = await attempt(pool, of, {}, new AbortController().signal, async () => 'done');
  expect(done).toBe('done');
  expect((await other.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  other.release();
});

test('doctor names the overridden settings of the role, and suggests no wrong fix for default_transaction_read_only', async () => {
  await stack.pool.query(`
    alter role ${role.name} set statement_timeout = '100ms';
    alter role ${role.name} set default_transaction_read_only = on`);
  const { stdout } = await doctor();
  expect(stdout).toContain('statement_timeout (0ms instead of 100ms)');
  expect(stdout).toContain('default_transaction_read_only (off instead of on)');
  expect(stdout).not.toContain('set DATABASE_URL to the primary');
});
