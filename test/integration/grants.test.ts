/** Access to meterfold's objects: the owner, the worker, and roles with deliberate grants. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { openPool } from '../../src/postgres/pool.js';
import { migrate } from '../../src/schema/migrate.js';
import { meterfold } from '../support/processes.js';
import { freshStack, type Stack, urlOf } from '../support/stack.js';

interface Role {
  name: string;
  password: string;
}

/** Creates a role, which is dropped with its grants when the stack closes. */
async function createRole(stack: Stack, label: string): Promise<Role> {
  const role = { name: `${label}_${randomBytes(6).toString('hex')}`, password: 'x' };
  await stack.pool.query(`create role ${role.name} login password 'x'`);
  stack.onClose(async () => {
    await stack.pool.query(`drop owned by ${role.name} cascade; drop role ${role.name}`);
  });
  return role;
}

async function connect(stack: Stack, role: Role): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: urlOf(inject('servers'), stack.databaseName, role) });
  await client.connect();
  stack.onClose(() => client.end());
  return client;
}

/**
 * Default privileges as in hosted PostgreSQL: everything that `owner` creates is granted to a role that anyone can use.
 */
const grantByDefault = (owner: Role, to: Role) => `
  alter default privileges for role ${owner.name} grant all on tables to ${to.name};
  alter default privileges for role ${owner.name} grant all on sequences to ${to.name};
  alter default privileges for role ${owner.name} grant all on functions to ${to.name};
  alter default privileges for role ${owner.name} grant all on schemas to ${to.name};
  alter default privileges for role ${owner.name} in schema public grant all on tables to ${to.name}, public;
  alter default privileges for role ${owner.name} in schema public grant all on sequences to ${to.name}, public`;

/** Undoes a migration, so that `migrate` applies it again to a database with grants. */
const UNDO_CHAIN = `
  drop table meterfold.chain, meterfold.chain_head, meterfold.retentions, meterfold.retained_open_cycles;
  drop function meterfold.append_link, meterfold.link_run, meterfold.retention_digest, meterfold.link_retention,
                meterfold.refuse_revert cascade;
  delete from meterfold.migrations where name = '0004-chain'`;

/** An empty database owned by an ordinary role. */
async function ownedStack(): Promise<{ stack: Stack; owner: Role; anon: Role }> {
  const stack = await freshStack({ bare: true });
  const owner = await createRole(stack, 'owner');
  const anon = await createRole(stack, 'anon');
  await stack.pool.query(
    `alter schema public owner to ${owner.name}; grant all on database ${stack.databaseName} to ${owner.name}`,
  );
  return { stack, owner, anon };
}

async function migrateAs(stack: Stack, role: Role): Promise<void> {
  const pool = await openPool(urlOf(inject('servers'), stack.databaseName, role), {
    applicationName: 'test',
    connectionsMax: 2,
  });
  await migrate(pool).finally(() => pool.end());
}

const ATTACKS = [
  ['read the bills', 'select from public.billing_records'],
  ['read the open cycles', 'select from public.open_cycles'],
  ['read the quarantined calls', 'select from public.quarantined_calls'],
  ['read the runs', 'select from meterfold.runs'],
  ['change the records', 'update meterfold.records set first_cycle = first_cycle'],
  ['read the log', 'select from public.api_logs'],
  ['insert a call', "insert into public.api_logs (user_id, usage, called_at) values ('victim', 1000000, now())"],
  ["lift the log's guard", 'set meterfold.log_guard = off; update public.api_logs set usage = 0'],
  ['empty the log', 'set meterfold.log_guard = off; truncate public.api_logs'],
  [
    'put a trigger on the log',
    'create trigger t before insert on public.api_logs execute function suppress_redundant_updates_trigger()',
  ],
  ['set the sequence back', "select setval('public.api_logs_id_seq', 1)"],
  ['use up positions', "select nextval('public.api_logs_id_seq')"],
  ['call guard_log()', 'select meterfold.guard_log(false)'],
  ['make objects in the schema', 'create table meterfold.mine ()'],
] as const;

describe('a role to which default privileges grant everything on new objects cannot, after `migrate`,', () => {
  let stack: Stack;
  let anon: pg.Client;

  beforeAll(async () => {
    const owned = await ownedStack();
    stack = owned.stack;
    await stack.pool.query(grantByDefault(owned.owner, owned.anon));
    await migrateAs(stack, owned.owner);
    anon = await connect(stack, owned.anon);
  });
  afterAll(() => stack.close());

  test.each(ATTACKS)('%s', async (_title, sql) => {
    await expect(anon.query(sql)).rejects.toMatchObject({ code: '42501' });
  });
});

/** Runs `work` on a new stack whose objects an ordinary role owns. */
async function withOwned(work: (owned: Awaited<ReturnType<typeof ownedStack>>) => Promise<void>): Promise<void> {
  const owned = await ownedStack();
  try {
    await work(owned);
  } finally {
    await owned.stack.close();
  }
}

interface Check {
  name: string;
  ok: boolean | null;
  warning?: true;
  found: string;
  fix?: string;
}

/** The access checks of `meterfold doctor`, connected as `role`. */
async function accessSeenBy(stack: Stack, role: Role, ...args: string[]): Promise<Check[]> {
  const env = { DATABASE_URL: urlOf(inject('servers'), stack.databaseName, role) };
  const { stdout } = await meterfold(stack, ['doctor', '--json', ...args], { env });
  return JSON.parse(stdout).checks.filter(({ name }: Check) => name === 'access');
}

const NOBODY = /^only the owner, this role/;

describe('a database with grants', () => {
  test('keeps deliberate grants at a later migration, which grants its tables to the worker and revokes grants by default privileges', async () => {
    await withOwned(async ({ stack, owner, anon }) => {
      await stack.pool.query(grantByDefault(owner, anon));
      const client = await connect(stack, owner);
      await migrateAs(stack, owner);
      const [worker, reporting, app] = [
        await createRole(stack, 'worker'),
        await createRole(stack, 'reporting'),
        await createRole(stack, 'app'),
      ];
      await client.query(`
        grant usage on schema meterfold to ${worker.name};
        grant select, insert, update, delete on all tables in schema meterfold to ${worker.name};
        grant select on public.api_logs, public.api_logs_id_seq, public.billing_records to ${worker.name};
        grant select on public.open_cycles, public.quarantined_calls to ${worker.name};
        grant select on public.billing_records to ${reporting.name};
        grant insert on public.api_logs to ${app.name};
        ${UNDO_CHAIN}`);

      const env = { DATABASE_URL: urlOf(inject('servers'), stack.databaseName, owner) };
      const migrated = await meterfold(stack, ['migrate'], { env });
      expect(migrated).toMatchObject({ code: 0, stderr: '' });
      expect(migrated.stdout).toMatch(
        new RegExp(
          `^revoked from ${anon.name} what default privileges had granted on .*meterfold\\.retentions; grant`,
          'm',
        ),
      );

      const stranger = await connect(stack, anon);
      for (const [, sql] of ATTACKS) await expect(stranger.query(sql)).rejects.toMatchObject({ code: '42501' });
      const call = "insert into public.api_logs (user_id, usage, called_at) values ('user-1', 1, now())";
      expect(await (await connect(stack, app)).query(call)).toMatchObject({ rowCount: 1 });
      expect(await (await connect(stack, reporting)).query('select from public.billing_records')).toMatchObject({
        rowCount: 0,
      });
      const rights = await meterfold(stack, ['doctor', '--json'], {
        env: { DATABASE_URL: urlOf(inject('servers'), stack.databaseName, worker) },
      });
      expect(JSON.parse(rights.stdout).checks).toContainEqual(
        expect.objectContaining({ name: 'rights', ok: true, found: expect.stringMatching(/^all that billing needs/) }),
      );
    });
  });

  test('whose log existed before meterfold keeps the grants on the log, and doctor names them', async () => {
    await withOwned(async ({ stack, owner, anon }) => {
      await stack.pool.query(grantByDefault(owner, anon));
      const client = await connect(stack, owner);
      await client.query(`
        create table public.api_logs (
          id bigserial primary key, user_id text collate "C" not null, call_id text, endpoint text, method text, status int,
          usage bigint not null, called_at timestamptz not null, received_at timestamptz default now())`);
      await migrateAs(stack, owner);
      expect(await accessSeenBy(stack, owner)).toMatchObject([
        {
          warning: true,
          found: expect.stringMatching(new RegExp(`^role ${anon.name} may .*insert.* on public.api_logs; `)),
        },
        { warning: true, found: expect.stringContaining('role PUBLIC (every role) may ') },
      ]);
      const stranger = await connect(stack, anon);
      await stranger.query("insert into public.api_logs (user_id, usage, called_at) values ('user-1', 1, now())");
      await expect(stranger.query('select from public.billing_records')).rejects.toMatchObject({ code: '42501' });
    });
  });
});

test('default privileges that were set for the schema meterfold itself are deliberate, and remain', async () => {
  await withOwned(async ({ stack, owner }) => {
    const worker = await createRole(stack, 'worker');
    const client = await connect(stack, owner);
    await client.query(`
      create schema meterfold;
      alter default privileges in schema meterfold grant select on tables to ${worker.name}`);
    await migrateAs(stack, owner);
    const { rows } = await client.query(
      `select has_table_privilege($1, 'meterfold.runs', 'select') as runs,
              has_table_privilege($1, 'meterfold.runs', 'update') as changes,
              has_table_privilege($1, 'public.billing_records', 'select') as bills`,
      [worker.name],
    );
    expect(rows).toEqual([{ runs: true, changes: false, bills: false }]);
  });
});

describe('doctor names roles besides owner and worker that may read or write, and prints the statement that revokes it:', () => {
  /** Migrates a stack, and grants something to another role as the owner. */
  async function afterGrant(
    grant: (roles: { owner: string; other: string; third: string }) => string,
    check: (found: Check[], roles: { other: string; third: string }) => void,
    { asSuperuser = false } = {},
  ): Promise<void> {
    await withOwned(async ({ stack, owner, anon }) => {
      await migrateAs(stack, owner);
      const third = await createRole(stack, 'third');
      const client = await connect(stack, owner);
      expect(await accessSeenBy(stack, owner)).toMatchObject([{ ok: true, found: expect.stringMatching(NOBODY) }]);
      const names = { owner: owner.name, other: anon.name, third: third.name };
      if (asSuperuser) await stack.pool.query(grant(names));
      else await client.query(grant(names));
      const found = await accessSeenBy(stack, owner);
      check(found, names);
      for (const { ok, warning, fix } of found) {
        expect({ ok, warning }).toEqual({ ok: true, warning: true });
        expect(fix).toMatch(/^revoke .*;$/);
        if (asSuperuser) await stack.pool.query(fix!);
        else await client.query(fix!);
      }
      expect(await accessSeenBy(stack, owner)).toMatchObject([{ ok: true, found: expect.stringMatching(NOBODY) }]);
      const stranger = await connect(stack, anon);
      for (const [, sql] of ATTACKS) await expect(stranger.query(sql)).rejects.toMatchObject({ code: '42501' });
    });
  }
  const named = (found: Check[]) => found.map((check) => check.found);

  test('everything, granted to a role by name', () =>
    afterGrant(
      ({ other }) => `
        grant all on schema meterfold to ${other};
        grant all on all tables in schema meterfold, public to ${other};
        grant all on all sequences in schema meterfold, public to ${other};
        grant all on all functions in schema meterfold to ${other}`,
      (found, { other }) => {
        expect(found).toHaveLength(1);
        expect(found[0]!.found).toMatch(new RegExp(`^role ${other} may .*meterfold\\.runs.*`));
        expect(found[0]!.fix).toMatch(
          /revoke all on function .*; revoke all on schema .*; revoke all on sequence .*; revoke all on table /,
        );
      },
    ));

  test('granted to every role', () =>
    afterGrant(
      () =>
        'grant select on public.billing_records, public.open_cycles to public; grant insert on public.api_logs to public',
      (found) => {
        expect(named(found)).toEqual([
          'role PUBLIC (every role) may insert on public.api_logs; select on public.billing_records, public.open_cycles',
        ]);
      },
    ));

  test('on columns', () =>
    afterGrant(
      ({ other }) => `grant insert (user_id, usage, called_at), select (id) on public.api_logs to ${other}`,
      (found, { other }) => {
        expect(named(found)).toEqual([
          `role ${other} may insert (called_at), insert (usage), insert (user_id), select (id) on public.api_logs`,
        ]);
      },
    ));

  test('through a role that others are members of', () =>
    afterGrant(
      ({ other, third }) => `grant usage, update on public.api_logs_id_seq to ${other}; grant ${other} to ${third}`,
      (found, { other, third }) => {
        expect(named(found)).toEqual([
          `role ${other} may update, usage on public.api_logs_id_seq (so may its members: ${third})`,
        ]);
      },
      { asSuperuser: true },
    ));

  test('granted by a role that may grant', () =>
    afterGrant(
      ({ owner, other, third }) => `
        set role ${owner}; grant select on public.billing_records to ${third} with grant option; reset role;
        set role ${third}; grant select on public.billing_records to ${other}; reset role`,
      (found, { other, third }) => {
        expect(named(found)).toEqual([
          `role ${other} may select on public.billing_records`,
          `role ${third} may select on public.billing_records`,
        ]);
      },
      { asSuperuser: true },
    ));

  test('as a member of the owner, or of a role that reads or writes everything', () =>
    afterGrant(
      ({ owner, other, third }) =>
        `grant ${owner} to ${other}; grant pg_read_all_data, pg_write_all_data to ${third}; grant ${third} to ${other}`,
      (found, { other, third }) => {
        const may = named(found).filter((text) => text.includes(other));
        expect(may).toHaveLength(3);
        expect(may[0]).toMatch(/may do everything as a member of the owner owner_/);
        expect(named(found)).toContain(`role ${third} may read everything as a member of pg_read_all_data`);
        expect(named(found)).toContain(`role ${other} may write everything as a member of pg_write_all_data`);
      },
      { asSuperuser: true },
    ));

  test('except roles named by --trust', () =>
    withOwned(async ({ stack, owner, anon }) => {
      await migrateAs(stack, owner);
      await (await connect(stack, owner)).query(`grant insert on public.api_logs to ${anon.name}`);
      expect(await accessSeenBy(stack, owner)).toHaveLength(1);
      expect(await accessSeenBy(stack, owner, '--trust', anon.name)).toMatchObject([
        { ok: true, found: expect.stringMatching(NOBODY) },
      ]);
    }));
});
