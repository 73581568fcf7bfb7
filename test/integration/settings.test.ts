/** What a role, a database or a server sets for its sessions does not reach a run. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest';
import { openPool } from '../../src/postgres/pool.js';
import { migrate } from '../../src/schema/migrate.js';
import { type BillingRole, makeBillingRole } from '../support/billing-role.js';
import { startCrashingPostgres } from '../support/crashing-postgres.js';
import { camelCased } from '../support/documents.js';
import { eventually } from '../support/eventually.js';
import * as logs from '../support/logs.js';
import { type CommandResult, meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, failureOf, reset, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

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

/** Ends the role's sessions, so that the next ones start with the present settings. */
async function restartSessions(): Promise<void> {
  await eventually('all sessions of the role have ended', async () => {
    const { rows } = await stack.pool.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where usename = $1 and backend_start < $2',
      [role.name, new Date()],
    );
    return rows.length === 0;
  });
}

/** By these, runs of earlier builds failed, waited for ever, or could lose what they had published. */
const harmful: [name: string, value: string][] = [
  ['statement_timeout', '15ms'],
  ['transaction_timeout', '50ms'],
  ['idle_session_timeout', '1s'],
  ['idle_in_transaction_session_timeout', '1ms'],
  ['lock_timeout', '1ms'],
  ['default_transaction_isolation', 'serializable'],
  ['default_transaction_isolation', 'repeatable read'],
  ['default_transaction_read_only', 'on'],
  ['synchronous_commit', 'off'],
  ['search_path', 'pg_temp, public, pg_catalog'],
];
/** These change the text of values, or how a statement is read or planned. */
const others: [name: string, value: string][] = [
  ['default_transaction_deferrable', 'on'],
  ['timezone', 'Pacific/Chatham'],
  ['datestyle', 'SQL, DMY'],
  ['intervalstyle', 'sql_standard'],
  ['bytea_output', 'escape'],
  ['extra_float_digits', '-15'],
  ['client_encoding', 'LATIN1'],
  ['standard_conforming_strings', 'off'],
  ['quote_all_identifiers', 'on'],
  ['array_nulls', 'off'],
  ['transform_null_equals', 'on'],
  ['enable_indexscan', 'off'],
  ['plan_cache_mode', 'force_generic_plan'],
];

describe.each([
  ['the role', () => `role ${role.name}`, [...harmful, ...others]],
  ['the database', () => `database ${stack.databaseName}`, harmful],
] as const)(
  'a run bills exactly, nothing is tried twice, and verify agrees, although %s sets',
  (_title, who, settings) => {
    afterEach(() => stack.pool.query(`alter ${who()} reset all`));

    test.each(settings)('%s = %s', async (name, value) => {
      await logs.weirdUsers(stack.pool, { calls: 3000 });
      await stack.pool.query(`alter ${who()} set ${name} = ${name === 'search_path' ? value : `'${value}'`}`);
      await restartSessions();
      const result = await bill(stack, { partitions: 3, shards: 3 });
      expect(result.activities).toMatchObject({ retried: 0 });
      await logs.weirdUsers(stack.pool, { calls: 500, seed: 2 });
      const run = await asRole(['run', '--json']);
      expect(run).toMatchObject({ code: 0 });
      await stack.pool.query(`alter ${who()} reset all`);
      await expectExact(stack, camelCased(JSON.parse(run.stdout)));
      expect(await asRole(['verify'])).toMatchObject({ code: 0 });
    });
  },
);

test('session_replication_role, which disables foreign keys, is refused by name if the role may not reset it', async () => {
  onTestFinished(async () => {
    await stack.pool.query(`alter role ${role.name} reset session_replication_role`);
    await restartSessions();
  });
  await stack.pool.query(`alter role ${role.name} set session_replication_role = replica`);
  await restartSessions();
  const failure = await failureOf(await startRun(stack));
  expect(failure).toMatchObject({ type: 'SessionSettingError', nonRetryable: true });
  expect(failure.message).toContain('"session_replication_role"');
  const { code, stderr } = await asRole(['runs']);
  expect(code).toBe(1);
  expect(stderr).toContain('alter role … reset');
});

test('a function that another role has created in the schema public is never called', async () => {
  await stack.pool.query(`
    create table public.taken (by_role text);
    grant all on public.taken to public;
    create function public.unnest(text[]) returns setof text language plpgsql as
      'begin insert into public.taken values (current_user); return query select pg_catalog.unnest($1); end';
    create function public.min(text) returns text language plpgsql as
      'begin insert into public.taken values (current_user); return $1; end';
    create function public.hashtextextended(text, integer) returns bigint language plpgsql as
      'begin insert into public.taken values (current_user); return 0; end'`);
  onTestFinished(async () => void (await stack.pool.query('drop table public.taken')));
  await logs.weirdUsers(stack.pool, { calls: 2000 });
  await restartSessions();
  const result = await bill(stack, { partitions: 2, shards: 2 });
  for (const args of [['verify'], ['statement', 'user-1'], ['export', '--run', '1'], ['runs'], ['doctor']]) {
    await asRole(args);
  }
  await stack.pool.query(
    'drop function public.unnest(text[]), public.min(text), public.hashtextextended(text, integer)',
  );
  await expectExact(stack, result);
  expect((await stack.pool.query('select * from public.taken')).rows).toEqual([]);
});

test('every function of meterfold has a search path of its own, or a body that was parsed when it was made', async () => {
  const { rows } = await stack.pool.query(
    `select oid::regprocedure::text as function from pg_proc
      where pronamespace = 'meterfold'::regnamespace and prokind <> 'a' and prosqlbody is null
        and not coalesce(proconfig @> array['search_path=pg_catalog, pg_temp'], false)`,
  );
  expect(rows).toEqual([]);
});

test('a publish is not lost by a crash of the server, although the database sets synchronous_commit = off', async () => {
  const server = await startCrashingPostgres('meterfold', { wal_writer_delay: '10s', fsync: 'off', autovacuum: 'off' });
  onTestFinished(() => server.stop());
  const own = await freshStack({
    servers: { ...inject('servers'), postgresUrl: server.url, templateDatabase: 'meterfold' },
  });
  onTestFinished(() => own.close());
  await logs.uniform(own.pool, { calls: 1000 });
  await own.pool.query(`alter database ${own.databaseName} set synchronous_commit = off`);
  await startWorker(own);
  const result = await bill(own);
  await server.crash();
  await expectExact(own, result);
});

describe('migrating, although the database sets', () => {
  test.each([
    ['default_transaction_isolation', 'serializable'],
    ['default_transaction_read_only', 'on'],
    ['search_path', 'pg_temp, public, pg_catalog'],
    ['check_function_bodies', 'off'],
  ])('%s = %s, by ten processes at once applies each migration once', async (name, value) => {
    const bare = await freshStack({ bare: true });
    onTestFinished(() => bare.close());
    await bare.pool.query(
      `alter database ${bare.databaseName} set ${name} = ${name === 'search_path' ? value : `'${value}'`}`,
    );
    const pool = await openPool(bare.databaseUrl, { applicationName: 'test', connectionsMax: 10 });
    onTestFinished(() => pool.end());
    const results = await Promise.all(Array.from({ length: 10 }, () => migrate(pool)));
    const { current } = results[0]!;
    expect(results.flatMap(({ applied }) => applied).sort()).toEqual(current);
  });
});
