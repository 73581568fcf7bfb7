import { readdirSync } from 'node:fs';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { logFaults } from '../../src/log/faults.js';
import { migrate, pendingMigrations } from '../../src/schema/migrate.js';
import { BILLING_TABLES, HISTORY_TABLES, RUN_TABLES } from '../../src/schema/tables.js';
import { eventually } from '../support/eventually.js';
import { freshStack, type Stack } from '../support/stack.js';

const directory = new URL('../../src/schema/migrations/', import.meta.url);
const all = readdirSync(directory)
  .map((file) => file.replace('.sql', ''))
  .sort();

let stack: Stack;
let pool: pg.Pool;

beforeAll(async () => {
  stack = await freshStack({ bare: true });
  pool = stack.pool;
});
afterAll(() => stack.close());
afterEach(() => pool.query('drop schema if exists meterfold cascade; drop table if exists public.api_logs cascade'));

describe('migrating', () => {
  test('an empty database applies all migrations, in order, and once', async () => {
    expect(await pendingMigrations(pool)).toEqual(all);
    expect(await migrate(pool)).toEqual({ applied: all, current: all });
    expect(await migrate(pool)).toEqual({ applied: [], current: all });
    expect(await pendingMigrations(pool)).toEqual([]);
    expect(await logFaults(pool)).toEqual([]);
  });

  test('by ten processes at once applies each migration once', async () => {
    const results = await Promise.all(Array.from({ length: 10 }, () => migrate(pool)));
    expect(results.flatMap(({ applied }) => applied).sort()).toEqual(all);
    for (const { current } of results) expect(current).toEqual(all);
  });

  test('that waits for another process holds no snapshot, for which an index build of that process would wait', async () => {
    const other = await pool.connect();
    await other.query('select pg_advisory_lock(30792323054069359)');
    const { rows } = await other.query<{ now: Date }>('select clock_timestamp() as now');
    let migrated = false;
    const waiting = migrate(pool).then(() => {
      migrated = true;
    });
    // Its last statement asks for the lock, waiting or not, or ends that transaction.
    await eventually('it has asked for the lock', async () => {
      const asking = await other.query(
        `select from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid() and state_change > $1
            and (query = 'commit' or strpos(query, 'advisory_xact_lock') > 0)`,
        [rows[0]!.now],
      );
      return asking.rows.length > 0;
    });
    await other.query("create table public.building (id int); set statement_timeout = '20s'");
    await other.query('create index concurrently on public.building (id)');
    expect(migrated).toBe(false);
    await other.query('reset statement_timeout; drop table public.building; select pg_advisory_unlock_all()');
    other.release();
    await waiting;
    expect(await pendingMigrations(pool)).toEqual([]);
  });

  test('stops without a trace of the migration that failed, and continues with it later', async () => {
    await pool.query('create schema meterfold');
    await pool.query('create table meterfold.runs (in_the_way int)');
    await expect(migrate(pool)).rejects.toThrow('already exists');
    expect(await pendingMigrations(pool)).toEqual(all.slice(1));
    await pool.query('drop table meterfold.runs');
    expect((await migrate(pool)).applied).toEqual(all.slice(1));
  });

  describe('on a schema that a newer version has migrated', () => {
    const newest = Number(all.at(-1)!.slice(0, 4));
    const declare = (worksWith: number) =>
      pool.query("insert into meterfold.migrations values (9999, '9999-future', 'x', $1, '7.8.9')", [worksWith]);

    test('does nothing if each newer migration declares that it works with this build', async () => {
      await migrate(pool);
      await declare(newest);
      expect(await pendingMigrations(pool)).toEqual([]);
      expect(await migrate(pool)).toEqual({ applied: [], current: [...all, '9999-future'] });
    });

    test('refuses a migration that needs a newer build, and names the version that has it', async () => {
      await migrate(pool);
      await declare(newest + 1);
      const needed = String(newest + 1).padStart(4, '0');
      const refusal = new RegExp(
        `migration 9999-future of meterfold 7\\.8\\.9, which works with builds from migration ${needed} on, and this build, ` +
          `meterfold [\\d.]+, ends at ${all.at(-1)}: run meterfold 7\\.8\\.9 or newer\\.`,
      );
      await expect(migrate(pool)).rejects.toThrow(refusal);
      await expect(pendingMigrations(pool)).rejects.toThrow(refusal);
    });
  });

  test('refuses a schema from before the first release, and migrates once the printed statement has removed it; the log remains', async () => {
    await migrate(pool);
    await pool.query("insert into public.api_logs (user_id, usage, called_at) values ('a', 1, now())");
    // Those builds had no declarations in this table.
    await pool.query('alter table meterfold.migrations drop column works_with, drop column release');
    const refusal = /^The schema meterfold was created by a development build .* Remove it by `(drop schema [^`]*;)`/;
    await expect(pendingMigrations(pool)).rejects.toThrow(refusal);
    const error = await migrate(pool).catch((caught: Error) => caught as Error);
    const [, fix] = refusal.exec((error as Error).message)!;
    await pool.query(fix!);
    expect((await migrate(pool)).applied).toEqual(all);
    expect(await logFaults(pool)).toEqual([]);
    expect((await pool.query('select user_id from public.api_logs')).rows).toEqual([{ user_id: 'a' }]);
  });

  test('refuses a migration that was changed after it was applied', async () => {
    await migrate(pool);
    await pool.query("update meterfold.migrations set checksum = 'x' where number = 2");
    await expect(migrate(pool)).rejects.toThrow(`Migration ${all[1]} was changed after it was applied`);
  });
});

test('the list of tables in TypeScript matches the tables that the migrations create', async () => {
  await migrate(pool);
  const namesOf = async (sql: string) => (await pool.query<{ name: string }>(sql)).rows.map(({ name }) => name).sort();
  expect([...BILLING_TABLES].sort()).toEqual(
    await namesOf(
      `select schemaname || '.' || tablename as name from pg_tables where schemaname in ('meterfold', 'public')`,
    ),
  );
  expect([...RUN_TABLES.map(({ name }) => name), ...HISTORY_TABLES].sort()).toEqual(
    await namesOf(`select table_name as name from information_schema.columns
                    where table_schema = 'meterfold' and column_name = 'run_id'`),
  );
  expect(RUN_TABLES.flatMap(({ name, isUnlogged }) => (isUnlogged ? [name] : [])).sort()).toEqual(
    await namesOf(`select relname as name from pg_class where relpersistence = 'u' and relkind = 'r'`),
  );
});

test('every constraint has a chosen name, not one that PostgreSQL has numbered', async () => {
  await migrate(pool);
  const { rows } = await pool.query(
    `select conname from pg_constraint where connamespace::regnamespace::text in ('meterfold', 'public') and conname ~ '(check|key)[0-9]*$'
        and (conname ~ '[0-9]$' or conname = conrelid::regclass::text || '_check')`,
  );
  expect(rows).toEqual([]);
});

describe('the limits of a call in the log', () => {
  const insert = (usage: string) =>
    pool.query('insert into public.api_logs (user_id, usage, called_at) values ($1, $2, now())', ['a', usage]);

  test('are replaced when they have changed: calls that are in the log stay, and new ones follow the new limits', async () => {
    await migrate(pool);
    await pool.query(`
      alter table public.api_logs drop constraint api_logs_billable;
      alter table public.api_logs add constraint api_logs_billable check (usage <= 2000000000000000);
      comment on constraint api_logs_billable on public.api_logs is 'usage <= 2000000000000000'`);
    await insert('1000000000000001');
    expect((await migrate(pool)).applied).toEqual([]);
    await expect(insert('1000000000000001')).rejects.toThrow('api_logs_billable');
    await insert('1000000000000000');
    expect((await pool.query('select usage from public.api_logs order by id')).rows).toEqual([
      { usage: '1000000000000001' },
      { usage: '1000000000000000' },
    ]);
  });

  test('stay away if the owner of the log has dropped them', async () => {
    await migrate(pool);
    await pool.query('alter table public.api_logs drop constraint api_logs_billable');
    await migrate(pool);
    await insert('1000000000000001');
  });
});

const handMade = `
  create table public.api_logs (
    id bigserial primary key, user_id text collate "C" not null, call_id text, endpoint text, method text, status int,
    usage bigint not null, called_at timestamptz not null, received_at timestamptz default now())`;

describe('a log that existed before meterfold', () => {
  test('is adopted with its calls if it can be billed from, and then accepts only calls that can be billed', async () => {
    await pool.query(handMade);
    await pool.query("insert into api_logs (user_id, usage, called_at) values ('a', 1, now())");
    expect((await migrate(pool)).applied).toEqual(all);
    expect((await pool.query('select user_id from api_logs')).rows).toEqual([{ user_id: 'a' }]);
    const insert = (user: string, usage: string, calledAt: string) =>
      pool.query('insert into api_logs (user_id, usage, called_at) values ($1, $2, $3)', [user, usage, calledAt]);
    await insert('x'.repeat(256), '1000000000000000', '2099-12-31');
    await expect(insert('', '1', '2026-10-01')).rejects.toThrow('api_logs_billable');
    await expect(insert('x'.repeat(257), '1', '2026-10-01')).rejects.toThrow('api_logs_billable');
    await expect(insert('a', '-1', '2026-10-01')).rejects.toThrow('api_logs_billable');
    await expect(insert('a', '1000000000000001', '2026-10-01')).rejects.toThrow('api_logs_billable');
    await expect(insert('a', '1', '1969-12-31')).rejects.toThrow('api_logs_billable');
  });

  test('is refused and unchanged if it has a call that cannot be billed', async () => {
    await pool.query(handMade);
    await pool.query("insert into api_logs (user_id, usage, called_at) values ('a', -1, now())");
    await expect(migrate(pool)).rejects.toThrow('holds calls that cannot be billed');
    expect(await pendingMigrations(pool)).toEqual(all);
  });

  test('is refused with a list of all wrong columns, and can be billed from once the fixes have run', async () => {
    await pool.query('create table public.api_logs (id int, user_id varchar(20), usage int, called_at timestamp)');
    await expect(migrate(pool)).rejects.toThrow(/column id is integer.*\n.*column id may be null/);
    for (let round = 0; round < 3; round++) {
      for (const { fix } of await logFaults(pool)) await pool.query(fix.replace(/<the time zone[^>]*>/, 'UTC'));
    }
    expect(await logFaults(pool)).toEqual([]);
    expect((await migrate(pool)).applied).toEqual(all);
  });

  test('is refused if it is a view', async () => {
    await pool.query('create view public.api_logs as select 1 as id');
    await expect(migrate(pool)).rejects.toThrow('public.api_logs is not a table');
    await pool.query('drop view public.api_logs');
  });
});

describe("a fault of the log's sequence is found, and removed by the fix:", () => {
  test.each([
    ['it counts down', 'alter sequence api_logs_id_seq increment by -1', /counts by -1/],
    ['it restarts at its end', 'alter sequence api_logs_id_seq cycle', /CYCLE/],
    ['it assigns ids in blocks', 'alter sequence api_logs_id_seq cache 10', /blocks of 10/],
    [
      'it is behind ids that were inserted explicitly',
      "insert into api_logs (id, user_id, usage, called_at) values (77, 'a', 1, now())",
      /call 77 lies beyond sequence/,
    ],
    ['it is unlogged, so a crash would set it back', 'alter sequence api_logs_id_seq set unlogged', /is unlogged/],
    [
      'the id comes from another sequence',
      `create sequence if not exists public.other; alter table api_logs alter column id drop identity;
       create sequence public.api_logs_id_seq owned by public.api_logs.id;
       alter table api_logs alter column id set default nextval('public.other')`,
      /column id of api_logs takes its numbers from nextval\('other'::regclass\) instead of sequence public\.api_logs_id_seq/,
    ],
    ['the log is unlogged', 'alter table api_logs set unlogged', /unlogged/],
    ['the primary key is missing', 'alter table api_logs drop constraint api_logs_pkey', /no unique index/],
  ])('%s', async (_name, damage, found) => {
    await migrate(pool);
    await pool.query(damage);
    const faults = await logFaults(pool);
    expect(faults).toHaveLength(1);
    expect(faults[0]!.what).toMatch(found);
    await pool.query(faults[0]!.fix);
    expect(await logFaults(pool)).toEqual([]);
  });
});
