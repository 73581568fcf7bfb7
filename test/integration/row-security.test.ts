/**
 * If a policy hides rows from the billing role, every command that reads or writes them fails with a clear message,
 * before it writes anything.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest';
import { BILLING_TABLES } from '../../src/schema/tables.js';
import { type BillingRole, makeBillingRole } from '../support/billing-role.js';
import * as logs from '../support/logs.js';
import { startPaused } from '../support/phases.js';
import { type CommandResult, meterfold, startWorker } from '../support/processes.js';
import { startReplica } from '../support/replica.js';
import { bill, expectExact, failureOf, forgetRuns, reset, rowsOfRun, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const CALLS = 100;
const hides = (table: string) => new RegExp(`[Rr]ow-level security on "?${table}"? would hide rows from this role`);

let stack: Stack;
let role: BillingRole;

beforeAll(async () => {
  stack = await freshStack();
  role = await makeBillingRole(stack);
  await startWorker(stack, { env: { DATABASE_URL: role.url } });
});
afterAll(() => stack.close());
beforeEach(() => reset(stack));

const asRole = (args: string[]): Promise<CommandResult> => meterfold(stack, args, { env: { DATABASE_URL: role.url } });

/** Hides every other call from the role. */
async function hideCalls(): Promise<void> {
  await logs.uniform(stack.pool, { calls: CALLS });
  await stack.pool.query(`
    create policy hidden on public.api_logs for select to ${role.name} using (id % 2 = 0);
    alter table public.api_logs enable row level security`);
}

async function showCalls(): Promise<void> {
  await stack.pool.query(`
    alter table public.api_logs disable row level security;
    drop policy if exists hidden on public.api_logs`);
}

describe('a policy on the log that hides calls from the billing role', () => {
  afterEach(showCalls);

  test('fails a run without a retry, before anything is written', async () => {
    await hideCalls();
    const failure = await failureOf(await startRun(stack));
    expect(failure).toMatchObject({ type: 'RowSecurityError', nonRetryable: true });
    expect(failure.message).toMatch(hides('public.api_logs'));
    expect(await runRows(stack)).toEqual([]);
    const { rows } = await stack.pool.query('select * from meterfold.seals');
    expect(rows).toEqual([]);
  });

  test('is reported by `run`, `run --dry-run`, `verify` and `doctor`, which exit with 1', async () => {
    await hideCalls();
    for (const args of [['run'], ['run', '--dry-run'], ['verify']]) {
      const { code, stderr } = await asRole(args);
      expect({ args, code }).toEqual({ args, code: 1 });
      expect(stderr).toMatch(hides('(public\\.)?api_logs'));
      expect(stderr).toContain('bypassrls');
    }
    const doctor = await asRole(['doctor']);
    expect(doctor.code).toBe(1);
    expect(doctor.stdout).toContain(`row-level security hides rows of public.api_logs from role "${role.name}"`);
    expect(doctor.stdout).toContain(`alter role ${role.name} bypassrls`);
  });

  test('that is created during a run fails the run, which is discarded', async () => {
    await logs.uniform(stack.pool, { calls: CALLS });
    const run = await startPaused(stack, 'planning', 'mapping');
    await stack.pool.query(`
      create policy hidden on public.api_logs for select to ${role.name} using (id % 2 = 0);
      alter table public.api_logs enable row level security`);
    await run.executeUpdate('resume');
    expect(await failureOf(run)).toMatchObject({ type: 'RowSecurityError', nonRetryable: true });
    const rows = await runRows(stack);
    expect(rows).toMatchObject([{ state: 'discarded', reason: expect.stringMatching(hides('api_logs')) }]);
    expect(await rowsOfRun(stack, rows[0]!.runId)).toEqual({});
  });

  test('and hides them on a replica from the role of LOG_REPLICA_URL: the run fails, and nothing is billed', async () => {
    const replica = await startReplica(inject('servers'));
    onTestFinished(() => replica.stop());
    const other = await freshStack({ beside: stack });
    onTestFinished(() => other.close());
    const url = new URL(role.url);
    url.host = new URL(replica.urlOf(stack.databaseName)).host;
    await startWorker(other, { env: { LOG_REPLICA_URL: url.toString() } });
    await hideCalls();
    const failure = await failureOf(await startRun(other));
    expect(failure).toMatchObject({ type: 'RowSecurityError', nonRetryable: true });
    expect(failure.message).toMatch(hides('api_logs'));
    expect(await runRows(stack)).toMatchObject([{ state: 'discarded' }]);
  });

  test('has no effect once the role has BYPASSRLS', async () => {
    await hideCalls();
    await stack.pool.query(`alter role ${role.name} bypassrls`);
    await expectExact(stack, await bill(stack));
    await stack.pool.query(`alter role ${role.name} nobypassrls`);
  });
});

describe('row-level security', () => {
  test.each(BILLING_TABLES)('on %s fails a run before anything is written', async (table) => {
    await logs.uniform(stack.pool, { calls: CALLS });
    await stack.pool.query(`alter table ${table} enable row level security`);
    const failure = await failureOf(await startRun(stack));
    await stack.pool.query(`alter table ${table} disable row level security`);
    expect(failure).toMatchObject({ type: 'RowSecurityError', nonRetryable: true });
    expect(failure.message).toMatch(hides(`(${table}|${table.split('.')[1]})`));
    expect(await runRows(stack)).toEqual([]);
  });

  test('that is forced on the owner of the log also fails runs of the owner', async () => {
    await logs.uniform(stack.pool, { calls: CALLS });
    await stack.pool.query(`
      alter table public.api_logs owner to ${role.name};
      alter table public.api_logs enable row level security`);
    try {
      await expectExact(stack, await bill(stack));
      await forgetRuns(stack);
      await stack.pool.query('alter table public.api_logs force row level security');
      const failure = await failureOf(await startRun(stack));
      expect(failure).toMatchObject({ type: 'RowSecurityError', nonRetryable: true });
      expect(await runRows(stack)).toEqual([]);
    } finally {
      await stack.pool.query(`
        alter table public.api_logs no force row level security;
        alter table public.api_logs disable row level security;
        alter table public.api_logs owner to current_user;
        grant select on public.api_logs to ${role.name}`);
    }
  });

  test('on a partition alone hides nothing, because partitions are read through the log', async () => {
    await stack.pool.query(`
      alter table public.api_logs rename to plain;
      create table public.api_logs (like public.plain including all) partition by range (id);
      create table public.part partition of public.api_logs default;
      grant select on public.api_logs, public.part to ${role.name};
      alter table public.part enable row level security`);
    try {
      await stack.pool.query(
        `grant select on sequence ${(await stack.pool.query(`select pg_get_serial_sequence('public.api_logs', 'id') as name`)).rows[0].name} to ${role.name}`,
      );
      await logs.uniform(stack.pool, { calls: 5000 });
      await expectExact(stack, await bill(stack));
    } finally {
      await stack.pool.query('drop table public.api_logs; alter table public.plain rename to api_logs');
    }
  });
});
