/** Migrations, and the guard of the log, beside long transactions and writers. */
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { setLogGuard, unguardedTables } from '../../src/schema/log-guard.js';
import { migrate, pendingMigrations } from '../../src/schema/migrate.js';
import { eventually } from '../support/eventually.js';
import { startCommand } from '../support/processes.js';
import { freshStack, type Stack, urlOf } from '../support/stack.js';

let stack: Stack;
afterEach(() => stack.close());

/** Opens a session whose statements time out if they are blocked forever. */
async function connect(application: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: urlOf(inject('servers'), stack.databaseName),
    application_name: application,
    options: '-c statement_timeout=30s',
  });
  await client.connect();
  stack.onClose(() => client.end());
  return client;
}

const CALL = "insert into public.api_logs (user_id, usage, called_at) values ('user-1', 1, now())";

async function pidOf(client: pg.Client): Promise<number> {
  return (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid;
}

/** Begins a transaction that stays open; `name` is how messages name it. */
async function longTransaction(sql: string): Promise<{ client: pg.Client; name: RegExp }> {
  const client = await connect('nightly report');
  const pid = await pidOf(client);
  await client.query(`begin; ${sql}`);
  const since = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ';
  return {
    client,
    name: new RegExp(
      `pid ${pid} \\(role meterfold, application nightly report, transaction since ${since}, last statement since ${since}\\)`,
    ),
  };
}

/** The sessions that hold, or have requested earlier, the lock that a session waits for. */
async function blockersOf(pid: number): Promise<number[]> {
  const { rows } = await stack.pool.query<{ pids: number[] }>('select pg_blocking_pids($1) as pids', [pid]);
  return rows[0]!.pids;
}

describe('the guard of the log', () => {
  beforeEach(async () => {
    stack = await freshStack();
  });

  test.each(['on', 'off'])(
    'is set %s beside a writer that does not end: it names the writer, blocks no other writer for long, and completes when that one ends',
    async (wanted) => {
      await setLogGuard(stack.pool, wanted === 'off');
      const { client, name } = await longTransaction(CALL);
      const command = startCommand(stack, ['migrate', '--log-guard', wanted]);
      await command.noted('waiting for ');

      // A writer queues behind the command, and is let through while the long transaction is open.
      const writer = await connect('writer');
      const [pid, holder] = [await pidOf(writer), await pidOf(client)];
      await eventually('a writer has waited for the command, and not for the long transaction', async () => {
        const written = writer.query(CALL);
        let over = false;
        void written.finally(() => {
          over = true;
        });
        let sawCommand = false;
        while (!over && !sawCommand) {
          const blockers = await blockersOf(pid);
          expect(blockers).not.toContain(holder);
          sawCommand = blockers.length > 0;
        }
        await written;
        return sawCommand;
      });

      await client.query('commit');
      const { code, stderr } = await command.result;
      expect(code).toBe(0);
      expect(stderr).toMatch(new RegExp(`^waiting for ${name.source}, which uses a table`));
      expect(await unguardedTables(stack.pool)).toEqual(wanted === 'on' ? [] : ['api_logs']);
    },
  );

  test('is set and lifted beside a reader that does not end', async () => {
    await longTransaction('select from public.api_logs');
    await setLogGuard(stack.pool, false, { patienceMs: 0 });
    await setLogGuard(stack.pool, true, { patienceMs: 0 });
    expect(await unguardedTables(stack.pool)).toEqual([]);
  });

  test('fails after a limited time, with the name of the transaction', async () => {
    await setLogGuard(stack.pool, false);
    const { name } = await longTransaction(CALL);
    const given = setLogGuard(stack.pool, true, { patienceMs: 0 });
    await expect(given).rejects.toThrow(
      new RegExp(
        `^A table could not be changed because it is in use by ${name.source}: wait until that transaction has ended`,
      ),
    );
    expect(await unguardedTables(stack.pool)).toEqual(['api_logs']);
  });

  test('waits for a prepared transaction, by its name', async () => {
    const client = await connect('two-phase');
    await client.query(`begin; ${CALL}; prepare transaction 'abandoned'`);
    try {
      await expect(setLogGuard(stack.pool, true, { patienceMs: 0 })).rejects.toThrow(
        "in use by prepared transaction 'abandoned': ",
      );
    } finally {
      await client.query("rollback prepared 'abandoned'");
    }
    await setLogGuard(stack.pool, true, { patienceMs: 0 });
  });

  test('of partitions, each of which is in use, blocks no writer for longer', async () => {
    await stack.pool.query(`
      drop table public.api_logs;
      create table public.api_logs (
        id bigint generated by default as identity primary key, user_id text collate "C" not null, call_id text, endpoint text,
        method text, status integer, usage bigint not null, called_at timestamptz not null, received_at timestamptz
      ) partition by range (id);
      create table public.low partition of public.api_logs for values from (0) to (10);
      create table public.high partition of public.api_logs for values from (10) to (20)`);
    const client = await connect('into the last');
    await client.query(
      "begin; insert into public.high (id, user_id, usage, called_at) values (11, 'user-1', 1, now())",
    );
    const blocked: string[] = [];
    const guarding = setLogGuard(stack.pool, true, { onBlocked: (by) => blocked.push(by) });
    await eventually('it has timed out once', () => blocked.length > 0);
    expect(blocked[0]).toContain('application into the last');
    await (await connect('writer')).query(CALL);
    await client.query('commit');
    await guarding;
    expect(await unguardedTables(stack.pool)).toEqual([]);
  });
});

describe('the first migration of a log that was there before', () => {
  beforeEach(async () => {
    stack = await freshStack({ bare: true });
    await stack.pool.query(`
      create table public.api_logs (
        id bigserial primary key, user_id text collate "C" not null, call_id text, endpoint text, method text, status int,
        usage bigint not null, called_at timestamptz not null, received_at timestamptz default now());
      ${CALL}`);
  });

  test('waits for a long transaction, names it, and lets writers through', async () => {
    const { client, name } = await longTransaction('select from public.api_logs');
    const blocked: string[] = [];
    const migrating = migrate(stack.pool, { onBlocked: (by) => blocked.push(by) });
    await eventually('it has timed out once', () => blocked.length > 0);
    expect(blocked[0]).toMatch(name);
    const writer = await connect('writer');
    for (let n = 0; n < 3; n++) await writer.query(CALL);
    expect(await pendingMigrations(stack.pool)).toContain('0001-log');
    await client.query('commit');
    await migrating;
    const { rows } = await stack.pool.query(
      "select convalidated from pg_constraint where conname = 'api_logs_billable'",
    );
    expect(rows).toEqual([{ convalidated: true }]);
  });

  test('validates the calls under a lock that does not block writers', async () => {
    // The state after the first step, while a writer is in the middle of its transaction.
    const writer = await connect('writer');
    await stack.pool.query(`
      alter table public.api_logs add constraint api_logs_billable check (
            id > 0
        and octet_length(user_id) between 1 and 256
        and usage between 0 and 1000000000000000
        and called_at >= '1970-01-01 00:00:00+00' and called_at < '2100-01-01 00:00:00+00') not valid`);
    await writer.query(`begin; ${CALL}`);
    const blocked: string[] = [];
    const migrating = migrate(stack.pool, { onBlocked: (by) => blocked.push(by) });
    await eventually('the CHECK is validated', async () => {
      const { rows } = await stack.pool.query(
        "select from pg_constraint where conname = 'api_logs_billable' and convalidated",
      );
      return rows.length > 0;
    });
    await writer.query('commit');
    await migrating;
    expect(await pendingMigrations(stack.pool)).toEqual([]);
  });

  test('fails after a limited time, and has changed nothing', async () => {
    const { name } = await longTransaction('select from public.api_logs');
    await expect(migrate(stack.pool, { patienceMs: 0 })).rejects.toThrow(name);
    const { rows } = await stack.pool.query("select from pg_constraint where conname = 'api_logs_billable'");
    expect(rows).toEqual([]);
  });

  test('removes the CHECK again if a call breaks it', async () => {
    await stack.pool.query("insert into public.api_logs (user_id, usage, called_at) values ('user-1', -1, now())");
    await expect(migrate(stack.pool)).rejects.toThrow('holds calls that cannot be billed');
    const { rows } = await stack.pool.query("select from pg_constraint where conname = 'api_logs_billable'");
    expect(rows).toEqual([]);
  });
});
