/** The lookup of open cycles binds the names of users, so that no statement's text contains them. */
import { beforeAll, describe, expect, test } from 'vitest';
import { openCycleAt, readOpenCycles } from '../../src/ledger/open-cycles.js';
import { TextArray } from '../../src/postgres/copy/text-array.js';
import { openPool, type Pool } from '../../src/postgres/pool.js';
import { migrate } from '../../src/schema/migrate.js';
import { startTlsPostgres } from '../support/tls-postgres.js';

let pool: Pool;
let url: string;

beforeAll(async () => {
  const server = await startTlsPostgres({ shared_preload_libraries: 'pg_stat_statements' });
  url = server.url;
  const first = await openPool(`${url}?sslmode=disable`, { applicationName: 'test', connectionsMax: 1 });
  await migrate(first);
  await first.query('create extension pg_stat_statements schema public');
  await first.end();
  return () => server.stop();
});

/** Names with characters that need quoting somewhere, and the longest name. */
const names = [
  'user-1',
  `o'brien`,
  'back\\slash',
  '"quoted"',
  '{a,b}',
  'NULL',
  ' ',
  '$1',
  'größe',
  '顧客-7',
  '🧾 receipts',
  'line\nbreak',
  'x'.repeat(256),
];

function lookUp(users: readonly string[], asOf: bigint): Promise<BigInt64Array> {
  const names = new TextArray();
  for (const user of users) {
    const bytes = Buffer.from(user);
    names.push(bytes, 0, bytes.length);
  }
  return readOpenCycles(pool, names, asOf);
}

describe.each(['disable', 'require'])('with sslmode=%s', (sslmode) => {
  beforeAll(async () => {
    pool = await openPool(`${url}?sslmode=${sslmode}`, { applicationName: 'test', connectionsMax: 1 });
    return () => pool.end();
  });

  test('each user gets its newest open cycle up to a run, whatever the name', async () => {
    await pool.query('truncate meterfold.open_cycles');
    for (const [index, name] of names.entries()) {
      await pool.query(
        `insert into meterfold.open_cycles values (1, 1, 0, null, null, 0, $1), (2, 2, $2, 7, '1970-01-01 00:00:01Z', 3, $1), (3, 9, 9, 9, now(), 1, $1)`,
        [name, index],
      );
    }
    const asked = [...names, 'nobody', ...names.toReversed()];
    const numbers = await lookUp(asked, 2n);
    const found = asked.map((_, index) => openCycleAt(numbers, index));
    const expected = names.map((_, index) => ({
      cycle: 2n,
      calls: 3,
      usage: BigInt(index),
      firstCallId: 7n,
      // Microseconds since 2000.
      firstCalledAt: -946684799000000n,
    }));
    expect(found).toEqual([...expected, undefined, ...expected.toReversed()]);
    const first = openCycleAt(await lookUp(['user-1'], 1n), 0);
    expect(first).toMatchObject({ cycle: 1n, calls: 0, usage: 0n });
    expect(await lookUp([], 2n)).toHaveLength(0);
  });

  test('sixty lookups are one statement in pg_stat_statements, which names no user', async () => {
    await pool.query('select public.pg_stat_statements_reset()');
    const groups = Array.from({ length: 60 }, (_, group) =>
      Array.from({ length: 50 + group }, (_, index) => `customer-${group}-${index}`),
    );
    for (const users of groups) await lookUp(users, 2n);
    const { rows } = await pool.query<{ calls: string; query: string }>(
      `select calls, query from public.pg_stat_statements where query ~ 'meterfold\\.open_cycles'`,
    );
    expect(rows).toEqual([{ calls: '60', query: expect.stringContaining('unnest($1::text[])') }]);
    const named = await pool.query(`select query from public.pg_stat_statements where query ~ 'customer-'`);
    expect(named.rows).toEqual([]);
  });

  test('a failed lookup reports its error, and the next one uses another connection', async () => {
    await pool.query('alter table meterfold.open_cycles rename to away');
    await expect(lookUp(['user-1'], 2n)).rejects.toThrow('relation "meterfold.open_cycles" does not exist');
    await pool.query('alter table meterfold.away rename to open_cycles');
    expect(openCycleAt(await lookUp(['user-1'], 2n), 0)).toMatchObject({ cycle: 2n });
  });
});
