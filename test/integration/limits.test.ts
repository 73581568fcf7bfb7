/**
 * The limits and layouts that the database states, and those of `meterfold verify`, are the ones that the code defines
 * once (src/billing/call.ts, src/engine/layout.ts).
 */
import type pg from 'pg';
import { afterAll, describe, expect, test } from 'vitest';
import { REASON as AUDIT_REASON, BILLABLE } from '../../src/audit/sql.js';
import {
  CALLED_AT_END_MICROS,
  CALLED_AT_MIN_MICROS,
  REFUSAL,
  REFUSAL_SQL,
  REFUSAL_TEXTS,
  type Refusal,
  USAGE_MAX,
  USER_BYTES_MAX,
  USER_BYTES_MIN,
} from '../../src/billing/call.js';
import { BUCKETS, RECORD_CYCLES_MAX } from '../../src/engine/layout.js';
import { freshStack } from '../support/stack.js';

const stack = await freshStack();
afterAll(() => stack.close());

interface Sample {
  what: string;
  user?: string | null;
  usage?: bigint | null;
  /** Microseconds since 1970. */
  calledAt?: bigint | null;
  refusal?: Refusal;
}

/** Calls at the limits and just beyond them; fields that are absent are within the limits. */
const samples: Sample[] = [
  { what: 'of the shortest user', user: 'x'.repeat(USER_BYTES_MIN) },
  { what: 'of the longest user', user: 'x'.repeat(USER_BYTES_MAX) },
  { what: 'of the least usage', usage: 0n },
  { what: 'of the largest usage', usage: USAGE_MAX },
  { what: 'of the first moment', calledAt: CALLED_AT_MIN_MICROS },
  { what: 'of the last moment', calledAt: CALLED_AT_END_MICROS - 1n },
  { what: 'of a user that is too short', user: 'x'.repeat(USER_BYTES_MIN - 1), refusal: REFUSAL.USER },
  { what: 'of a user that is too long', user: 'x'.repeat(USER_BYTES_MAX + 1), refusal: REFUSAL.USER },
  {
    what: 'of a user of few characters and too many bytes',
    user: 'ü'.repeat(USER_BYTES_MAX / 2 + 1),
    refusal: REFUSAL.USER,
  },
  { what: 'of a negative usage', usage: -1n, refusal: REFUSAL.USAGE },
  { what: 'of too large a usage', usage: USAGE_MAX + 1n, refusal: REFUSAL.USAGE },
  { what: 'before the first moment', calledAt: CALLED_AT_MIN_MICROS - 1n, refusal: REFUSAL.TIME },
  { what: 'after the last moment', calledAt: CALLED_AT_END_MICROS, refusal: REFUSAL.TIME },
  { what: 'without a user', user: null, refusal: REFUSAL.USER },
  { what: 'without a usage', usage: null, refusal: REFUSAL.USAGE },
  { what: 'without a time', calledAt: null, refusal: REFUSAL.TIME_MISSING },
  { what: 'that violates every limit', user: '', usage: -1n, calledAt: null, refusal: REFUSAL.USER },
];

/** Evaluates an expression over a sample as the row `call` of the log. */
async function evaluate<T>(expression: string, { user = 'alice', usage = 1n, calledAt = 1n }: Sample): Promise<T> {
  const { rows } = await stack.pool.query<{ value: T }>(
    `select ${expression} as value
       from (select 7::bigint as id, $1::text as user_id, $2::bigint as usage,
                    timestamptz '1970-01-01Z' + make_interval(hours => div($3::numeric, 3600000000)::integer)
                      + mod($3::numeric, 3600000000)::bigint * interval '1 microsecond' as called_at) call`,
    [user, usage, calledAt],
  );
  return rows[0]!.value;
}

interface Constraint {
  expression: string;
  columns: string[];
}

async function checksOf(db: pg.Pool, table: string): Promise<Constraint[]> {
  const { rows } = await db.query<Constraint>(
    `select pg_get_expr(conbin, conrelid) as expression,
            array(select attname::text from pg_attribute where attrelid = conrelid and attnum = any (conkey)) as columns
       from pg_constraint where contype = 'c' and conrelid = $1::regclass`,
    [table],
  );
  return rows;
}

async function notNullColumns(table: string): Promise<string[]> {
  const { rows } = await stack.pool.query<{ name: string }>(
    'select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and attnotnull',
    [table],
  );
  return rows.map(({ name }) => name);
}

describe.each(samples)('a call $what', (sample) => {
  const reason = sample.refusal === undefined ? null : REFUSAL_TEXTS[sample.refusal];

  test('is refused by the log exactly if it is not billable', async () => {
    const checks = await checksOf(stack.pool, 'public.api_logs');
    const passes = await evaluate<boolean>(
      checks.map(({ expression }) => `(${expression}) is not false`).join(' and '),
      sample,
    );
    const required = await notNullColumns('public.api_logs');
    const hasNull = [
      ['user_id', sample.user],
      ['usage', sample.usage],
      ['called_at', sample.calledAt],
    ].some(([column, value]) => value === null && required.includes(column as string));
    expect(passes && !hasNull).toBe(reason === null);
  });

  test('has the same reason in the dry run and in `meterfold verify`', async () => {
    expect(await evaluate(REFUSAL_SQL, sample)).toBe(reason);
    expect(await evaluate(AUDIT_REASON, sample)).toBe(reason);
    expect(await evaluate(`(${BILLABLE}) is true`, sample)).toBe(reason === null);
  });
});

/** True if a row of a table satisfies all CHECK constraints on its columns; `row` is SQL by column. */
async function accepts(table: string, row: Record<string, string>): Promise<boolean> {
  const checks = (await checksOf(stack.pool, table)).filter(({ columns }) => columns.every((column) => column in row));
  expect(checks).not.toEqual([]);
  const columns = Object.entries(row).map(([column, value]) => `${value} as ${column}`);
  const { rows } = await stack.pool.query<{ passes: boolean }>(
    `select ${checks.map(({ expression }) => `(${expression}) is not false`).join(' and ')} as passes
       from (select ${columns.join(', ')}) as row`,
  );
  return rows[0]!.passes;
}

test('a shard ends at the last bucket', async () => {
  const shard = (end: number) => ({ kind: `'reduce'`, first_bucket: '0', end_bucket: String(end) });
  expect(await accepts('meterfold.tasks', shard(BUCKETS))).toBe(true);
  expect(await accepts('meterfold.tasks', shard(BUCKETS + 1))).toBe(false);
});

test('a row of records holds as many cycles as the kernel packs', async () => {
  const row = (cycles: number) => ({ usages: `repeat('0', ${64 * cycles})::bit varying` });
  expect(await accepts('meterfold.records', row(RECORD_CYCLES_MAX))).toBe(true);
  expect(await accepts('meterfold.records', row(RECORD_CYCLES_MAX + 1))).toBe(false);
});
