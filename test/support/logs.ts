/**
 * Generated logs, inserted by SQL. The same seed gives the same calls, because all draws come from a hash of (number,
 * seed).
 */
import type pg from 'pg';

export interface LogOptions {
  calls: number;
  users?: number;
  seed?: number;
}

type Draws = Required<LogOptions>;

/** SQL expressions for the fields of a call with the number `n`. The parameters are $1 calls, $2 users and $3 seed. */
interface CallSql {
  user: string;
  usage?: string;
  calledAt?: string;
}

/** SQL for a draw from [0, 1), which differs for each `stream`. */
function draw(stream: number): string {
  return `((hashint8extended(n, $3::bigint * 1000 + ${stream}) & 9007199254740991)::float8 / 9007199254740992)`;
}

const someUsage = `floor(${draw(1)} * 1000)::bigint`;
const soonAfterEachOther = `timestamptz '2026-10-01 00:00:00+00' + n * interval '25 milliseconds'`;

async function insertCalls(
  db: pg.Pool | pg.PoolClient,
  { calls, users = 40, seed = 1 }: LogOptions,
  sql: CallSql,
): Promise<void> {
  const draws: Draws = { calls, users, seed };
  // $2 must be used even if one user makes all calls.
  await db.query(
    `insert into public.api_logs (user_id, usage, called_at)
     select ${sql.user}, ${sql.usage ?? someUsage}, ${sql.calledAt ?? soonAfterEachOther}
       from generate_series(1, $1::bigint) as n
      where $2::bigint > 0 and $3::bigint >= 0
      order by n`,
    [draws.calls, draws.users, draws.seed],
  );
}

export type Log = (pool: pg.Pool, options: LogOptions) => Promise<void>;

const uniformUser = `'user-' || floor(${draw(2)} * $2::bigint)`;

export const uniform: Log = (pool, options) => insertCalls(pool, options, { user: uniformUser });

/** A tenth of the users make about half of the calls. */
export const skewed: Log = (pool, options) =>
  insertCalls(pool, options, { user: `'user-' || floor($2::bigint * power(${draw(2)}, 3))` });

export const oneUser: Log = (pool, options) => insertCalls(pool, options, { user: `'the only one'` });

/** Each call has a different user. Different seeds give different users. */
export const everyUserOneCall: Log = (pool, options) =>
  insertCalls(pool, options, { user: `'user-' || $3 || '-' || n` });

/** All calls have the same time, so only the id orders them. */
export const equalTimes: Log = (pool, options) =>
  insertCalls(pool, options, { user: uniformUser, calledAt: `timestamptz '2026-10-01 00:00:00+00'` });

/** Times, to the microsecond, are drawn from the whole permitted range, in no order. */
export const disorderedTimes: Log = (pool, options) =>
  insertCalls(pool, options, {
    user: uniformUser,
    calledAt: `timestamptz '1970-01-01 00:00:00+00' + floor(${draw(3)} * 4102444800000000) * interval '1 microsecond'`,
  });

/** Usage is zero, small, or the maximum of a call. */
export const extremeUsages: Log = (pool, options) =>
  insertCalls(pool, options, {
    user: uniformUser,
    usage: `(array[0, 0, 1, 4294967295, 4294967296, 9007199254740, 1000000000000000])[1 + floor(${draw(1)} * 7)::int]`,
  });

/** User ids that are hard to process: each has 1 to 256 bytes of UTF-8. */
export const weirdUserIds: readonly string[] = [
  ' ',
  '\t',
  'a',
  'A',
  'a ',
  'a\n',
  'line\r\nbreak',
  "Robert'); drop table api_logs; --",
  '"quoted", \'both\' ways',
  '{"json": [1]}',
  '{array,literal}',
  'back\\slash \\N \\.',
  '$1 %s $(x)',
  'Zoë',
  'Zoe\u0308',
  'Ελληνικά',
  '漢字かな',
  'مرحبا',
  '👩‍👩‍👧‍👦',
  '\ufeffbom',
  '\u202eright to left',
  '\u0001\u001b[31m\u007f',
  '\uffff',
  '\u{10ffff}',
  'null',
  'NULL',
  '0',
  '-1',
  'x'.repeat(255),
  'x'.repeat(256),
  'é'.repeat(128),
  '😀'.repeat(64),
];

/** Inserts calls for each of the weird user ids. */
export async function weirdUsers(pool: pg.Pool, { calls, seed = 1 }: LogOptions): Promise<void> {
  await pool.query(
    `insert into public.api_logs (user_id, usage, called_at)
     select ($2::text[])[1 + floor(${draw(2)} * cardinality($2::text[]))::int], ${someUsage}, ${soonAfterEachOther}
       from generate_series(1, $1::bigint) as n
      order by n`,
    [calls, weirdUserIds, seed],
  );
}

/**
 * Inserts calls in six groups whose ids have gaps as in an old log: single and wide gaps of transactions that were
 * rolled back, calls deleted before they were billed, and jumps of 10^12.
 */
export async function gappyIds(pool: pg.Pool, { calls, users = 40, seed = 1 }: LogOptions): Promise<void> {
  const callsInGroup = Math.ceil(calls / 6);
  for (let number = 0; number < 6; number++) {
    await uniform(pool, { calls: callsInGroup, users, seed: seed * 10 + number });
    await rolledBack(pool, { calls: number % 2 === 0 ? 1 : 700, users });
    if (number === 1 || number === 4) await jump(pool, 10n ** 12n);
  }
  await pool.query(
    `delete from public.api_logs
      where id > (select coalesce(max(sealed_end), 0) from meterfold.runs) and hashint8extended(id, $1) % 7 = 0`,
    [seed],
  );
}

/** Inserts calls whose ids start just below 2^53, above which a double cannot represent them. */
export async function hugeIds(pool: pg.Pool, options: LogOptions): Promise<void> {
  const first = 2n ** 53n - 10n;
  const { rows } = await pool.query<{ last: string }>('select coalesce(max(id), 0) as last from public.api_logs');
  if (BigInt(rows[0]!.last) < first) await restartIds(pool, first);
  await uniform(pool, options);
}

/** Uses up ids without inserting calls. */
export async function rolledBack(pool: pg.Pool, options: LogOptions): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await insertCalls(client, options, { user: uniformUser });
    await client.query('rollback');
  } finally {
    client.release();
  }
}

/** Advances the sequence. */
export async function jump(pool: pg.Pool, by: bigint): Promise<void> {
  await pool.query('select setval($1, nextval($1) + $2)', ['public.api_logs_id_seq', String(by)]);
}

/** Sets the id of the next call. */
export async function restartIds(pool: pg.Pool, id: bigint): Promise<void> {
  await pool.query(`alter table public.api_logs alter column id restart with ${id}`);
}

/** Drops the log's constraints, so that it can contain calls that cannot be billed. */
export async function dropChecks(pool: pg.Pool): Promise<void> {
  await pool.query(`
    do $$ declare name text; begin
      for name in select conname from pg_constraint where conrelid = 'public.api_logs'::regclass and contype = 'c' loop
        execute format('alter table public.api_logs drop constraint %I', name);
      end loop;
    end $$;
    alter table public.api_logs alter column user_id drop not null, alter column usage drop not null,
                                alter column called_at drop not null`);
}

/** SQL assignments that make a call unbillable, with the reason that is reported. */
export const badCalls: readonly [change: string, reason: string][] = [
  ["user_id = ''", 'user_id must have 1 to 256 bytes'],
  ["user_id = repeat('é', 129)", 'user_id must have 1 to 256 bytes'],
  ['user_id = null', 'user_id must have 1 to 256 bytes'],
  ['usage = -1', 'usage must be a number from 0 to 10^15'],
  ['usage = 9223372036854775807', 'usage must be a number from 0 to 10^15'],
  ['usage = null', 'usage must be a number from 0 to 10^15'],
  ["called_at = '1969-12-31 23:59:59.999999+00'", 'called_at must lie in 1970 to 2099'],
  ["called_at = '2100-01-01 00:00:00+00'", 'called_at must lie in 1970 to 2099'],
  ["called_at = 'infinity'", 'called_at must lie in 1970 to 2099'],
  ['called_at = null', 'called_at must not be null'],
];
