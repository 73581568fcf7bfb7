/** Every printed fix for a log: the fault is created, the fix is read from the output, and runs as printed. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { logFaults } from '../../src/log/faults.js';
import { migrate } from '../../src/schema/migrate.js';
import { meterfold } from '../support/processes.js';
import { freshStack, type Stack, urlOf } from '../support/stack.js';

let stack: Stack;
let client: pg.Client;

beforeAll(async () => {
  stack = await freshStack({ bare: true });
  // A session in a time zone with daylight saving time.
  client = new pg.Client({ connectionString: stack.databaseUrl, options: '-c timezone=America/New_York' });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await stack.close();
});
afterEach(async () => {
  await client.query(`
    rollback; reset role;
    drop schema if exists meterfold cascade;
    drop view if exists public.billing_records, public.open_cycles, public.quarantined_calls;
    drop table if exists public.api_logs, public.api_logs_partitioned, public.api_logs_before, public.base, public.elsewhere cascade;
    drop sequence if exists public.other`);
});

/** SQL that creates a log by hand, with columns replaced by name. */
function handMade(columns: Record<string, string> = {}, rest = ''): string {
  const all = {
    id: 'bigserial primary key',
    user_id: 'text collate "C" not null',
    call_id: 'text',
    endpoint: 'text',
    method: 'text',
    status: 'integer',
    usage: 'bigint not null',
    called_at: 'timestamptz not null',
    received_at: 'timestamptz',
    ...columns,
  };
  const definitions = Object.entries(all).filter(([, type]) => type !== '');
  return `create table public.api_logs (${definitions.map(([name, type]) => `${name} ${type}`).join(', ')}) ${rest};`;
}

const call = (values: Record<string, string> = {}) => {
  const all = { user_id: "'user-1'", usage: '7', called_at: "'2026-10-25 12:00:00Z'", ...values };
  return `insert into public.api_logs (${Object.keys(all).join(', ')}) values (${Object.values(all).join(', ')});`;
};

async function contents(): Promise<unknown[]> {
  const { rows } = await client.query(
    `select id::text, user_id::text, usage::text, called_at::text, endpoint, status::text from public.api_logs order by id, user_id`,
  );
  return rows;
}

const faults = () => logFaults(client as unknown as pg.Pool);

/** Runs printed fixes, changed only by `fill`, until no fault remains. Fails if that takes too many. */
async function runFixes(fill: (fix: string) => string): Promise<void> {
  for (let round = 0; round < 12; round++) {
    const [fault] = await faults();
    if (fault === undefined) return;
    expect(fault.fix).toMatch(/;$/);
    await client.query(fill(fault.fix));
  }
  expect(await faults()).toEqual([]);
}

const asPrinted = (fix: string) => fix;
const inBerlin = (fix: string) => fix.replace(/<the time zone[^>]*>/, 'Europe/Berlin');

describe('a printed fix removes the fault and changes no call if', () => {
  test.each<[string, string, RegExp]>([
    [
      'an id is an integer',
      `${handMade({ id: 'serial primary key' })} ${call()}`,
      /column id is integer instead of bigint/,
    ],
    ['an id is numeric', `${handMade({ id: 'numeric primary key' })} ${call({ id: '5' })}`, /column id is numeric/],
    [
      'a user is a varchar',
      `${handMade({ user_id: 'varchar(20) not null' })} ${call()}`,
      /user_id is character varying\(20\)/,
    ],
    [
      'a user is a uuid',
      `${handMade({ user_id: 'uuid not null' })} ${call({ user_id: 'gen_random_uuid()' })}`,
      /user_id is uuid/,
    ],
    [
      'a user is a number',
      `${handMade({ user_id: 'bigint not null' })} ${call({ user_id: '42' })}`,
      /user_id is bigint/,
    ],
    [
      'users have the collation of a locale',
      `${handMade({ user_id: 'text collate "en-x-icu" not null' })} ${call()}`,
      /collation "en-x-icu"/,
    ],
    [
      'a usage is numeric',
      `${handMade({ usage: 'numeric(12,3) not null' })} ${call({ usage: '7.000' })}`,
      /usage is numeric\(12,3\)/,
    ],
    ['a usage is a float', `${handMade({ usage: 'float8 not null' })} ${call()}`, /usage is double precision/],
    ['a usage is an integer', `${handMade({ usage: 'integer not null' })} ${call()}`, /usage is integer/],
    ['a usage is text', `${handMade({ usage: 'text not null' })} ${call({ usage: "'7'" })}`, /usage is text/],
    ['a status is a bigint', `${handMade({ status: 'bigint' })} ${call({ status: '200' })}`, /status is bigint/],
    [
      'an endpoint is a varchar',
      `${handMade({ endpoint: 'varchar(9)' })} ${call({ endpoint: "'/v1'" })}`,
      /endpoint is/,
    ],
    [
      'times have the precision of seconds',
      `${handMade({ called_at: 'timestamptz(0) not null' })} ${call()}`,
      /called_at is timestamp\(0\)/,
    ],
    ['a usage may be null', `${handMade({ usage: 'bigint' })} ${call()}`, /usage may be null/],
    [
      'columns are missing',
      `${handMade({ status: '', endpoint: '' })} ${call()}
      alter table public.api_logs add column status integer, add column endpoint text; alter table public.api_logs drop column method`,
      /column method is missing/,
    ],
    ['an empty log has no id', handMade({ id: '' }), /column id is missing/],
    [
      'an id has no sequence',
      `${handMade({ id: 'bigint primary key' })} ${call({ id: '5' })}`,
      /has no default from a sequence/,
    ],
    ['an id has no key', `${handMade({ id: 'bigserial' })} ${call()}`, /no unique index/],
    [
      'another primary key exists',
      `${handMade({ id: 'bigserial', user_id: 'text collate "C" primary key' })} ${call()}`,
      /no unique index/,
    ],
    [
      'a sequence is not owned by the column',
      `create sequence public.other; ${handMade({ id: "bigint default nextval('public.other') primary key" })} ${call()}`,
      /no sequence belongs to/,
    ],
    [
      'an id is a generated column',
      `${handMade({ id: 'bigint generated always as (77) stored primary key' })} ${call()}`,
      /no sequence belongs to/,
    ],
    [
      'an id has an expression as its default',
      `${handMade({ id: 'bigint default 77 primary key' })} ${call()}`,
      /no sequence belongs to/,
    ],
    [
      'the log is unlogged',
      `${handMade()} ${call()} alter table public.api_logs set unlogged`,
      /public\.api_logs is unlogged/,
    ],
    [
      'a partition is unlogged',
      `${handMade({}, 'partition by range (id)')}
      create unlogged table public.elsewhere partition of public.api_logs for values from (0) to (100); ${call()}`,
      /public\.elsewhere is unlogged/,
    ],
    [
      'the log is a partition',
      `create table public.base (id bigint not null, user_id text collate "C" not null, call_id text, endpoint text, method text, status integer, usage bigint not null, called_at timestamptz not null, received_at timestamptz) partition by range (id);
      ${handMade()} alter table public.base attach partition public.api_logs for values from (0) to (100); ${call()}`,
      /public\.api_logs is a partition of public\.base/,
    ],
    ['a sequence is slightly behind', `${handMade()} ${call({ id: '5000' })}`, /call 5000 lies beyond sequence/],
    [
      'a sequence counts down',
      `${handMade()} ${call()} alter sequence public.api_logs_id_seq increment by -1`,
      /counts by -1/,
    ],
    ['a sequence restarts at its end', `${handMade()} ${call()} alter sequence public.api_logs_id_seq cycle`, /CYCLE/],
    [
      'a sequence assigns ids in blocks',
      `${handMade()} ${call()} alter sequence public.api_logs_id_seq cache 10`,
      /blocks of 10/,
    ],
    [
      'a sequence is unlogged',
      `${handMade()} ${call()} alter sequence public.api_logs_id_seq set unlogged`,
      /is unlogged/,
    ],
    [
      'the log is partitioned by time',
      `${handMade({ id: 'bigserial' }, 'partition by range (called_at)')}
      create table public.elsewhere partition of public.api_logs default; ${call()} ${call({ usage: '8' })}`,
      /partitioned by RANGE \(called_at\)/,
    ],
    [
      'the log is partitioned by a time without zone',
      `${handMade({ id: 'bigint generated by default as identity', called_at: 'timestamp not null' }, 'partition by range (called_at)')}
      create table public.elsewhere partition of public.api_logs default; ${call({ called_at: "'2026-07-01 12:00'" })}`,
      /partitioned by RANGE \(called_at\)/,
    ],
  ])('%s', async (_title, damage, what) => {
    await client.query(damage);
    const before = await contents().catch(() => []);
    expect((await faults()).map((fault) => fault.what)).toEqual(expect.arrayContaining([expect.stringMatching(what)]));
    await runFixes(inBerlin);
    const moments = before.map((row) => ({ ...(row as Record<string, string>) }));
    const after = (await contents()) as Record<string, string>[];
    const local = /timestamp not null/.test(damage);
    const same = (row: Record<string, string>) => ({
      ...row,
      usage: Number(row.usage),
      called_at: local ? undefined : row.called_at,
    });
    expect(after.map(same)).toEqual(moments.map((row) => same(row as Record<string, string>)));
    await client.query(call({ user_id: "'user-2'" }));
    expect(Number((await contents()).length)).toBe(before.length + 1);
    await migrate(stack.pool);
  });

  test('a time has no zone, and the zone is filled in', async () => {
    await client.query(`${handMade({ called_at: 'timestamp not null' })} ${call({ called_at: "'2026-07-01 02:30'" })}`);
    const [fault] = await faults();
    expect(fault!.what).toBe('column called_at is timestamp without time zone instead of timestamp with time zone');
    await expect(client.query(fault!.fix)).rejects.toThrow('time zone "<the time zone of its times');
    await client.query(inBerlin(fault!.fix));
    const { rows } = await client.query(
      "select called_at at time zone 'UTC' = '2026-07-01 00:30' as right from public.api_logs",
    );
    expect(rows).toEqual([{ right: true }]);
    expect(await faults()).toEqual([]);
  });

  test('an id is so large that no sequence could continue after it: the call gets the next position', async () => {
    await client.query(`${handMade()} ${call()} ${call({ id: '9223372036854775807', user_id: "'stray'" })} ${call()}`);
    const [fault] = await faults();
    expect(fault!.what).toMatch(/^call 9223372036854775807 lies beyond sequence/);
    await client.query(fault!.fix);
    expect(await faults()).toEqual([]);
    await client.query(call({ user_id: "'later'" }));
    const users = (await client.query('select user_id from public.api_logs order by id')).rows.map(
      (row) => row.user_id,
    );
    expect(users).toEqual(['user-1', 'user-1', 'stray', 'later']);
  });

  test('the same in a guarded log', async () => {
    await migrate(stack.pool);
    await client.query(`${call()} ${call({ id: '9223372036854775807', user_id: "'stray'" })}`);
    await client.query((await faults())[0]!.fix);
    expect(await faults()).toEqual([]);
    await expect(client.query('update public.api_logs set usage = 0')).rejects.toMatchObject({ code: '55000' });
  });

  test.each([
    ['a view', 'create table public.base (id int); create view public.api_logs as select id from public.base'],
    ['a materialized view', 'create materialized view public.api_logs as select 1 as id'],
    ['a sequence', 'create sequence public.api_logs'],
  ])('the name belongs to %s', async (_title, sql) => {
    await client.query(sql);
    const [fault] = await faults();
    expect(fault!.what).toMatch(/^public\.api_logs is not a table/);
    await client.query(fault!.fix);
    await migrate(stack.pool);
    expect(await faults()).toEqual([]);
    await client.query('drop schema meterfold cascade; drop table public.api_logs');
    const drop = sql.includes('materialized') ? 'materialized view' : sql.includes('sequence') ? 'sequence' : 'view';
    await client.query(`drop ${drop} public.api_logs_before`);
  });

  test('the log was renamed after migrating', async () => {
    await migrate(stack.pool);
    await client.query(`${call()} alter table public.api_logs rename to api_logs_before`);
    const [fault] = await faults();
    await expect(client.query(fault!.fix)).rejects.toMatchObject({ code: '42601' });
    await client.query(fault!.fix.replace('<its present name>', 'public.api_logs_before'));
    expect(await faults()).toEqual([]);
  });

  test('row-level security hides calls from a role', async () => {
    const role = `test_${randomBytes(6).toString('hex')}`;
    await client.query(`${handMade()} ${call()} alter table public.api_logs enable row level security;
      create role ${role} login password 'x'; grant select on public.api_logs, public.api_logs_id_seq to ${role}`);
    const other = new pg.Client({
      connectionString: urlOf(inject('servers'), stack.databaseName, { name: role, password: 'x' }),
    });
    await other.connect();
    try {
      const [fault] = await logFaults(other as unknown as pg.Pool);
      expect(fault!.what).toBe('row-level security hides calls from this role');
      await client.query(fault!.fix);
      expect(await logFaults(other as unknown as pg.Pool)).toEqual([]);
    } finally {
      await other.end();
      await client.query(`drop owned by ${role}; drop role ${role}`);
    }
  });
});

describe('a printed fix fails, and changes nothing, if', () => {
  const local = handMade({ called_at: 'timestamp not null' });
  test.each<[string, string, RegExp, (fix: string) => string]>([
    [
      'a usage has a fraction',
      `${handMade({ usage: 'numeric not null' })} ${call({ usage: '0.5' })} ${call({ usage: '2' })}`,
      /usage of public\.api_logs holds values that bigint would change/,
      asPrinted,
    ],
    [
      'a usage in floating point has a fraction',
      `${handMade({ usage: 'real not null' })} ${call({ usage: '1.5' })}`,
      /holds values that bigint would change/,
      asPrinted,
    ],
    ['a usage is NaN', `${handMade({ usage: 'numeric not null' })} ${call({ usage: "'NaN'" })}`, /NaN/, asPrinted],
    [
      'a usage in text is not a number',
      `${handMade({ usage: 'text not null' })} ${call({ usage: "'2.5'" })}`,
      /invalid input syntax/,
      asPrinted,
    ],
    [
      'an id has a fraction',
      `${handMade({ id: 'numeric primary key' })} ${call({ id: '1.5' })} ${call({ id: '2.5' })}`,
      /id of public\.api_logs holds values/,
      asPrinted,
    ],
    [
      'a local time exists twice',
      `${local} ${call({ called_at: "'2026-10-25 02:30'" })}`,
      /twice or never in this zone/,
      inBerlin,
    ],
    [
      'a local time does not exist',
      `${local} ${call({ called_at: "'2026-03-29 02:30'" })}`,
      /twice or never in this zone/,
      inBerlin,
    ],
    ['the zone is not filled in', `${local} ${call()}`, /time zone "<the time zone/, asPrinted],
    [
      'a date has no time',
      `${handMade({ called_at: 'date not null' })} ${call()}`,
      /time zone "<the time zone/,
      asPrinted,
    ],
    [
      'a time is a number of unknown unit',
      `${handMade({ called_at: 'bigint not null' })} ${call({ called_at: '1700000000' })}`,
      /syntax error at or near "<"/,
      asPrinted,
    ],
    [
      'a time is text',
      `${handMade({ called_at: 'text not null' })} ${call()}`,
      /syntax error at or near "<"/,
      asPrinted,
    ],
    [
      'equal users would become different users',
      `create collation if not exists public.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      ${handMade({ user_id: 'text collate public.nocase not null' })} ${call({ user_id: "'Ann'" })} ${call({ user_id: "'ann'" })}`,
      /spells some users in several ways/,
      asPrinted,
    ],
    [
      'a column has nulls',
      `${handMade({ usage: 'bigint' })} ${call({ usage: 'null' })}`,
      /contains null values/,
      asPrinted,
    ],
    [
      'two calls have one id',
      `${handMade({ id: 'bigserial' })} ${call({ id: '1' })} ${call({ id: '1' })}`,
      /could not create unique index/,
      asPrinted,
    ],
    ['calls have no id', `${handMade({ id: '' })} ${call()}`, /calls of unknown order/, asPrinted],
    [
      'a status is out of range',
      `${handMade({ status: 'bigint' })} ${call({ status: '3000000000' })}`,
      /out of range/,
      asPrinted,
    ],
  ])('%s', async (_title, damage, refusal, fill) => {
    await client.query(damage);
    const text = async () =>
      (await client.query('select array_agg(api_logs::text order by api_logs::text) as all from public.api_logs')).rows;
    const before = await text();
    const [fault] = await faults();
    expect(fault!.fix).toMatch(/;$/);
    await expect(client.query(fill(fault!.fix))).rejects.toThrow(refusal);
    await client.query('rollback');
    expect(await text()).toEqual(before);
    expect((await faults())[0]).toEqual(fault);
  });
});

test('doctor and migrate print the same fixes', async () => {
  await client.query(
    `${handMade({ called_at: 'timestamp not null', usage: 'numeric not null' })} ${call({ usage: '0.5' })}`,
  );
  const found = await faults();
  expect(found).toHaveLength(2);
  const { checks } = JSON.parse((await meterfold(stack, ['doctor', '--json'])).stdout);
  expect(checks.filter((check: { name: string }) => check.name === 'log')).toEqual(
    found.map(({ what, fix }) => ({ name: 'log', ok: false, found: what, fix })),
  );
  const { stderr } = await meterfold(stack, ['migrate']);
  for (const { what, fix } of found) expect(stderr).toContain(`  ${what}: ${fix}\n`);
});

test('for a database with another encoding, doctor prints how to create one with UTF8', async () => {
  const databaseName = `test_${randomBytes(6).toString('hex')}`;
  await client.query(`create database ${databaseName} encoding 'SQL_ASCII' locale 'C' template template0`);
  try {
    const env = { DATABASE_URL: urlOf(inject('servers'), databaseName) };
    const { checks } = JSON.parse((await meterfold(stack, ['doctor', '--json'], { env })).stdout);
    const { fix } = checks.find(({ name }: { name: string }) => name === 'encoding');
    expect(fix).toMatch(/;$/);
    await client.query(fix);
    const { rows } = await client.query(
      "select pg_encoding_to_char(encoding) as encoding from pg_database where datname = 'meterfold'",
    );
    expect(rows).toEqual([{ encoding: 'UTF8' }]);
  } finally {
    await client.query(`drop database if exists meterfold`);
    await client.query(`drop database ${databaseName} with (force)`);
  }
});
