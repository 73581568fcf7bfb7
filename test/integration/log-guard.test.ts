/** The guard of the log keeps billed calls from being changed by accident. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { openPool } from '../../src/postgres/pool.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact } from '../support/runs.js';
import { freshStack, type Stack, urlOf } from '../support/stack.js';

const CALLS = 103;
const CHANGES = [
  ['UPDATE', 'update TABLE set usage = usage + 1 where id = 7'],
  ['UPDATE', 'update TABLE set usage = usage where id = 7'],
  [
    'UPDATE',
    'insert into TABLE (id, user_id, usage, called_at) values (7, $$x$$, 1, now()) on conflict (id) do update set usage = 2',
  ],
  ['DELETE', 'delete from TABLE where id = 7'],
  ['DELETE', 'with gone as (delete from TABLE returning id) select * from gone'],
  ['TRUNCATE', 'truncate TABLE'],
  ['TRUNCATE', 'truncate TABLE restart identity cascade'],
] as const;

let stack: Stack;
let owner: pg.Client;

/** Creates a role with grants from the owner. Returns its name and a function that connects as it. */
async function grantedRole(of: Stack, grants: string): Promise<{ name: string; client: pg.Client }> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await of.pool.query(`create role ${name} login password 'x'; grant ${grants} to ${name}`);
  const drop = async () => {
    await of.pool.query(`drop owned by ${name}; drop role ${name}`);
  };
  const client = await connect(of, { name, password: 'x' });
  onTestFinished(drop);
  return { name, client };
}

/** An ordinary session; the pool of the stack lifts the guard. */
async function connect(of: Stack, role?: { name: string; password: string }): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: urlOf(inject('servers'), of.databaseName, role) });
  await client.connect();
  of.onClose(() => client.end());
  return client;
}

const messageFor = (operation: string, table = 'public.api_logs') =>
  `${operation} of ${table} refused: calls are billed as they were logged`;
const HINT =
  'The owner of the table lifts it for one transaction by "set local meterfold.log_guard = off", or permanently by ' +
  '"meterfold migrate --log-guard off"; "meterfold verify" finds what was changed.';

async function callsOf(of: Stack): Promise<string> {
  const { rows } = await of.pool.query<{ hash: string }>(
    `select count(*) || md5(string_agg(log::text, ' ' order by id)) as hash from public.api_logs log`,
  );
  return rows[0]!.hash;
}

/** Expects that the statement is refused with a hint how to lift the guard, and changes nothing. */
async function expectRefused(client: pg.Client, sql: string, message: string): Promise<void> {
  const before = await callsOf(stack);
  await expect(client.query(sql)).rejects.toMatchObject({ code: '55000', message, hint: HINT });
  await client.query('rollback');
  expect(await callsOf(stack)).toBe(before);
}

/** Replaces the log by one with two partitions, split at position 60. */
async function partition(of: Stack): Promise<void> {
  await of.pool.query(`
    alter table public.api_logs rename to plain;
    create table public.api_logs (like public.plain including all) partition by range (id);
    create table public.low partition of public.api_logs for values from (0) to (60);
    create table public.high partition of public.api_logs for values from (60) to (1000);
    insert into public.api_logs select * from public.plain;
    drop table public.plain;
    select setval(pg_get_serial_sequence('public.api_logs', 'id'), (select max(id) from public.api_logs));
    select meterfold.guard_log(true)`);
}

beforeAll(async () => {
  stack = await freshStack();
  await logs.skewed(stack.pool, { calls: CALLS });
  owner = await connect(stack);
});
afterAll(() => stack.close());

const changesOf = (table: string) =>
  CHANGES.map(([operation, sql]) => ({ operation, sql: sql.replaceAll('TABLE', table) }));

describe('the log refuses changes, with a hint how to lift the guard,', () => {
  test.each(changesOf('public.api_logs'))('to its owner, a superuser here: $sql', async ({ operation, sql }) => {
    await expectRefused(owner, sql, messageFor(operation));
  });

  test('to a role that was granted everything on the log', async () => {
    const { client: other } = await grantedRole(stack, 'all on public.api_logs');
    for (const { operation, sql } of changesOf('public.api_logs').filter((change) => !change.sql.includes('restart'))) {
      await expectRefused(other, sql, messageFor(operation));
    }
  });

  test('in a transaction, which then fails', async () => {
    await owner.query('begin');
    await owner.query(`insert into public.api_logs (user_id, usage, called_at) values ('user-1', 1, now())`);
    await expectRefused(owner, 'delete from public.api_logs where id = 7', messageFor('DELETE'));
  });

  test.each(["''", "'on'", "'OFF '", "'false'"])('while meterfold.log_guard is %s', async (value) => {
    await owner.query(`set meterfold.log_guard = ${value}`);
    await expectRefused(owner, 'delete from public.api_logs where id = 7', messageFor('DELETE'));
    await owner.query('reset meterfold.log_guard');
  });
});

describe('a role that is not the owner cannot lift the guard by the setting,', () => {
  const denied = (table = 'public.api_logs') => ({ code: '42501', message: messageFor('UPDATE', table), hint: HINT });

  test('whatever it was granted on the log', async () => {
    const { client } = await grantedRole(stack, 'all on public.api_logs');
    const before = await callsOf(stack);
    await client.query('set meterfold.log_guard = off');
    for (const { operation, sql } of changesOf('public.api_logs').filter((change) => !change.sql.includes('restart'))) {
      await expect(client.query(sql)).rejects.toMatchObject({ ...denied(), message: messageFor(operation) });
    }
    expect(await callsOf(stack)).toBe(before);
  });

  test('or by a function that runs with the privileges of the owner', async () => {
    const { client, name } = await grantedRole(stack, 'select on public.api_logs');
    await owner.query(`
      create function public.correct() returns void language sql security definer set search_path = pg_catalog
        as 'update public.api_logs set usage = usage + 1 where id = 7';
      grant execute on function public.correct() to ${name}`);
    onTestFinished(async () => {
      await owner.query('drop function public.correct()');
    });
    await client.query('set meterfold.log_guard = off');
    await expect(client.query('select public.correct()')).rejects.toMatchObject(denied());
  });

  test('but a member of the owner can, with its own role or as the owner', async () => {
    const own = await freshStack();
    onTestFinished(() => own.close());
    await logs.uniform(own.pool, { calls: 10 });
    const { name: group } = await grantedRole(own, 'all on public.api_logs');
    await own.pool.query(`alter table public.api_logs owner to ${group}`);
    const { client } = await grantedRole(own, group);
    const { name: noInherit, client: asOwner } = await grantedRole(own, 'select on public.api_logs');
    await own.pool.query(`alter role ${noInherit} noinherit; grant ${group} to ${noInherit}`);
    const change = 'update public.api_logs set usage = usage where id = 7';
    await client.query('set meterfold.log_guard = off');
    expect(await client.query(change)).toMatchObject({ rowCount: 1 });
    await asOwner.query(`set meterfold.log_guard = off; set role ${group}`);
    expect(await asOwner.query(change)).toMatchObject({ rowCount: 1 });
    await client.query('reset meterfold.log_guard');
    await expect(client.query(change)).rejects.toMatchObject({ code: '55000' });
    await own.pool.query('alter table public.api_logs owner to current_user');
  });
});

test('INSERT, COPY and statements that change no call are allowed', async () => {
  const { rowCount } = await owner.query(
    `insert into public.api_logs (user_id, usage, called_at) values ('user-1', 1, now()), ('user-2', 2, now())`,
  );
  expect(rowCount).toBe(2);
  const same = `insert into public.api_logs (id, user_id, usage, called_at) values (7, 'x', 1, now()) on conflict (id) do nothing`;
  expect((await owner.query(same)).rowCount).toBe(0);
  expect((await owner.query('delete from public.api_logs where id = -7')).rowCount).toBe(0);
  const copied = await owner.query(`
    create temporary table calls as select user_id, usage, called_at from public.api_logs where id <= 10;
    insert into public.api_logs (user_id, usage, called_at) select * from calls`);
  expect(copied).toHaveLength(2);
  const before = await callsOf(stack);
  expect(await meterfold(stack, ['generate', '--calls', '500'])).toMatchObject({ code: 0 });
  expect(await callsOf(stack)).not.toBe(before);
});

describe('the guard is lifted', () => {
  const changed = async (client: pg.Client) =>
    (await client.query('update public.api_logs set usage = usage where id = 7')).rowCount;

  test('for one transaction by a setting', async () => {
    await owner.query('begin; set local meterfold.log_guard = off');
    expect(await changed(owner)).toBe(1);
    await owner.query('truncate public.api_logs');
    await owner.query('rollback');
    await expectRefused(owner, 'truncate public.api_logs', messageFor('TRUNCATE'));
  });

  test('for one session by the same setting', async () => {
    const session = await connect(stack);
    await session.query('set meterfold.log_guard = off');
    expect(await changed(session)).toBe(1);
    expect(await changed(session)).toBe(1);
    await expectRefused(owner, 'delete from public.api_logs where id = 7', messageFor('DELETE'));
  });

  test('by session_replication_role = replica, which disables all ordinary triggers and only a superuser may set', async () => {
    const session = await connect(stack);
    await session.query('set session_replication_role = replica');
    expect(await changed(session)).toBe(1);
    await session.query('reset session_replication_role');
    await expectRefused(session, 'delete from public.api_logs where id = 7', messageFor('DELETE'));
  });

  test('permanently by `meterfold migrate --log-guard off`, and set again by `on`; both can be repeated', async () => {
    const migrate = async (...args: string[]) => {
      const { code, stdout, stderr } = await meterfold(stack, ['migrate', ...args]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return stdout;
    };
    const lifted =
      'The log is not guarded: calls can be changed and deleted. Guard it with `meterfold migrate --log-guard on`.';
    for (const _ of [1, 2]) {
      expect((await migrate('--log-guard', 'off')).split('\n')).toContain(lifted);
      expect(JSON.parse(await migrate('--json'))).toMatchObject({ applied: [], log_guard: 'off' });
      expect(await changed(owner)).toBe(1);
      await owner.query('begin; truncate public.api_logs; rollback');
    }
    for (const _ of [1, 2]) {
      expect(await migrate('--log-guard', 'on')).toContain('The log is guarded: public.api_logs takes inserts only.\n');
      expect(JSON.parse(await migrate('--json'))).toMatchObject({ applied: [], log_guard: 'on' });
      for (const { operation, sql } of changesOf('public.api_logs')) {
        await expectRefused(owner, sql, messageFor(operation));
      }
    }
    const wrong = await meterfold(stack, ['migrate', '--log-guard', 'perhaps']);
    expect(wrong).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('Allowed choices are on, off.'),
    });
  });
});

describe('doctor', () => {
  beforeAll(async () => {
    await startWorker(stack);
  });

  interface Check {
    name: string;
    ok: boolean;
    warning?: true;
    found: string;
    fix?: string;
  }
  const guardCheck = async (): Promise<Check> => {
    const { stdout } = await meterfold(stack, ['doctor', '--json']);
    return JSON.parse(stdout).checks.find(({ name }: Check) => name === 'log guard');
  };
  const guarded = { name: 'log guard', ok: true, found: 'public.api_logs takes inserts only' };
  const lifted = {
    name: 'log guard',
    ok: true,
    warning: true,
    found: 'calls that may be billed can be changed, deleted or truncated in public.api_logs',
    fix: 'meterfold migrate --log-guard on',
  };

  test('reports that the log is guarded', async () => {
    expect(await guardCheck()).toEqual(guarded);
  });

  test.each([
    ['lifted', 'select meterfold.guard_log(false)'],
    ['switched off', 'alter table public.api_logs disable trigger all'],
    ['switched off in part', 'alter table public.api_logs disable trigger meterfold_guard_truncate'],
    ['enabled for replicas only', 'alter table public.api_logs enable replica trigger meterfold_guard'],
    ['dropped in part', 'drop trigger meterfold_guard on public.api_logs'],
  ])('warns where the guard is %s, and the fix that it prints works', async (_title, sql) => {
    await owner.query(sql);
    expect(await guardCheck()).toEqual(lifted);
    const doctor = await meterfold(stack, ['doctor']);
    expect(doctor).toMatchObject({ code: 0, stderr: '' });
    expect(doctor.stdout).toMatch(/\n! log guard +calls that .*\. Fix: meterfold migrate --log-guard on\n/);
    expect(doctor.stdout).toMatch(/\nAll is well, 1 warning\.\n$/);
    expect(await meterfold(stack, lifted.fix.split(' ').slice(1))).toMatchObject({ code: 0 });
    expect(await guardCheck()).toEqual(guarded);
    await expectRefused(owner, 'truncate public.api_logs', messageFor('TRUNCATE'));
  });
});

test('in a child table of the log, calls can be changed until the guard is set again; until then doctor warns', async () => {
  const own = await freshStack();
  onTestFinished(() => own.close());
  await own.pool.query('create table public.old () inherits (public.api_logs)');
  await own.pool.query(
    "insert into public.old (id, user_id, usage, called_at) values (nextval('public.api_logs_id_seq'), 'user-1', 1, now())",
  );
  const guardOf = async () => {
    const { checks } = JSON.parse((await meterfold(own, ['doctor', '--json'])).stdout);
    return checks.find(({ name }: { name: string }) => name === 'log guard');
  };
  expect(await guardOf()).toMatchObject({ warning: true, found: expect.stringMatching(/ in public\.old$/) });
  expect(await meterfold(own, ['migrate', '--log-guard', 'on'])).toMatchObject({ code: 0, stderr: '' });
  expect(await guardOf()).toEqual({ name: 'log guard', ok: true, found: 'public.api_logs takes inserts only' });
  const client = await connect(own);
  for (const [operation, sql] of [
    ['UPDATE', 'update public.api_logs set usage = 2'],
    ['DELETE', 'delete from public.old'],
    ['TRUNCATE', 'truncate public.old'],
  ] as const) {
    await expect(client.query(sql)).rejects.toMatchObject({
      code: '55000',
      message: messageFor(operation, 'public.old'),
    });
  }
});

describe('a partitioned log', () => {
  let own: Stack;
  let client: pg.Client;

  beforeAll(async () => {
    own = await freshStack();
    await logs.skewed(own.pool, { calls: CALLS });
    await partition(own);
    client = await connect(own);
    await startWorker(own);
  });
  afterAll(() => own.close());

  const refuses = (sql: string, message: string) =>
    expect(client.query(sql)).rejects.toMatchObject({ code: '55000', message, hint: HINT });

  test('refuses changes through the log and directly in a partition', async () => {
    for (const { operation, sql } of changesOf('public.api_logs')) {
      await refuses(sql, messageFor(operation, operation === 'TRUNCATE' ? 'public.api_logs' : 'public.low'));
    }
    for (const { operation, sql } of changesOf('public.low')) await refuses(sql, messageFor(operation, 'public.low'));
  });

  test('refuses UPDATE and DELETE in a later partition, and TRUNCATE there once the guard is set again', async () => {
    await client.query('create table public.later partition of public.api_logs for values from (1000) to (2000)');
    await client.query(`insert into public.api_logs (id, user_id, usage, called_at) values (1007, 'user-1', 5, now())`);
    await refuses('update public.later set usage = 1', messageFor('UPDATE', 'public.later'));
    await refuses('delete from public.later', messageFor('DELETE', 'public.later'));
    await refuses('truncate public.api_logs', messageFor('TRUNCATE'));
    await client.query('begin; truncate public.later; rollback');

    const { checks } = JSON.parse((await meterfold(own, ['doctor', '--json'])).stdout);
    expect(checks).toContainEqual({
      name: 'log guard',
      ok: true,
      warning: true,
      found: 'calls that may be billed can be changed, deleted or truncated in public.later',
      fix: 'meterfold migrate --log-guard on',
    });
    expect(await meterfold(own, ['migrate', '--log-guard', 'on'])).toMatchObject({ code: 0, stderr: '' });
    await refuses('truncate public.later', messageFor('TRUNCATE', 'public.later'));
    await client.query('delete from public.later where id = 1'); // It has no such call.
  });

  test('is guarded as a whole, and so is lifted', async () => {
    expect(await meterfold(own, ['migrate', '--log-guard', 'off'])).toMatchObject({ code: 0 });
    await client.query('begin; update public.low set usage = usage; truncate public.high; rollback');
    expect(await meterfold(own, ['migrate', '--log-guard', 'on'])).toMatchObject({ code: 0 });
    await refuses('truncate public.high', messageFor('TRUNCATE', 'public.high'));
  });
});

test('runs and their discard work under the guard', async () => {
  const own = await freshStack();
  try {
    const pool = await openPool(own.databaseUrl, { applicationName: 'guarded', connectionsMax: 1 });
    await logs.skewed(pool, { calls: 1003 }).finally(() => pool.end());
    await startWorker(own);
    await expectExact(own, await bill(own));
    expect(await meterfold(own, ['revert', '1', '--yes', '--reason', 'a try'])).toMatchObject({ code: 0 });
    await expectExact(own, await bill(own));
  } finally {
    await own.close();
  }
});
