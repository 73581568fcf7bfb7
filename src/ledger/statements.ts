/**
 * Reads of billing records: a user's statement, a run's export, the largest bills. They show published runs only.
 *
 * They read packed rows instead of the view public.billing_records. The planner then knows that the cycles of a row are
 * in order, and need not sort millions of them.
 */
import type { Client, Pool, Queryable } from '../postgres/pool.js';
import { batches, readSnapshot } from '../postgres/snapshot.js';
import { amountSql } from '../schema/terms.js';
import { AMOUNT, CYCLE_INDEXES, CYCLES, numberAt, packedRows, RUN_AT, RUN_RANGE } from './records.js';

/** One closed cycle. bigints and decimals are strings; times are ISO 8601 in UTC with microseconds. */
export interface BillingRecord {
  userId: string;
  cycleNumber: string;
  calls: number;
  usage: string;
  amount: string;
  currency: string;
  firstCallId: string;
  lastCallId: string;
  firstCalledAt: string;
  lastCalledAt: string;
  runId: string;
}

/** A user's open cycle: the last calls, which are not billed yet. `usage` is a string. */
export interface OpenCycle {
  nextCycleNumber: string;
  calls: number;
  usage: string;
}

export interface Statement {
  /** Null for a user without calls in published runs. */
  openCycle: OpenCycle | null;
  /** Batches in the order of cycle numbers. It can be iterated once. */
  cycles: AsyncIterable<BillingRecord[]>;
}

/** SELECT list of a BillingRecord, from recordTables(). Times are in PostgreSQL's format. */
export const recordColumns = `
  packed.user_id as "userId", packed.first_cycle + cycle.index - 1 as "cycleNumber",
  run.calls_per_cycle as calls, ${numberAt('usages')} as usage,
  trim_scale(${AMOUNT}) as amount, run.currency,
  ${numberAt('first_call_ids')} as "firstCallId", ${numberAt('last_call_ids')} as "lastCallId",
  to_timestamp(${numberAt('first_called_micros')} / float8 '1e6')::text as "firstCalledAt",
  to_timestamp(${numberAt('last_called_micros')} / float8 '1e6')::text as "lastCalledAt", ${RUN_AT} as "runId"`;

/** FROM items for the cycles of `rows` (packedRows()). All runs of a row have the terms of `packed.run_id`. */
const recordTables = (rows: string) => `
  ${rows} packed
  join meterfold.runs run on run.run_id = packed.run_id and run.state = 'published'
 cross join lateral ${CYCLE_INDEXES} cycle`;

const ofUser = `
  ${recordTables(packedRows({ records: 'packed.user_id = $1', repacked: 'packed.user_id = $1' }))}
 order by packed.first_cycle, cycle.index`;

const ofRun = `
  ${recordTables(packedRows({ records: 'packed.run_id = $1', repacked: `${RUN_RANGE} @> $1::bigint` }))}
 where ${RUN_AT} = $1::bigint
 order by packed.user_id, packed.first_cycle, cycle.index`;

/** Reads a user's statement on one snapshot. `use` iterates the cycles while they stream. */
export function readStatement<T>(pool: Pool, userId: string, use: (statement: Statement) => Promise<T>): Promise<T> {
  return readSnapshot(pool, async (client) => {
    const { rows } = await client.query<OpenCycle>(
      `select next_cycle_number as "nextCycleNumber", calls, usage from public.open_cycles where user_id = $1`,
      [userId],
    );
    const cycles = records(client, ofUser, [userId]);
    return use({ openCycle: rows[0] ?? null, cycles });
  });
}

/**
 * Reads the records of a published run on one snapshot, ordered by user and cycle. `use` iterates them while they
 * stream.
 */
export function readRecordsOfRun<T>(
  pool: Pool,
  runId: string,
  use: (records: AsyncIterable<BillingRecord[]>) => Promise<T>,
): Promise<T> {
  return readSnapshot(pool, (client) => use(records(client, ofRun, [runId])));
}

async function* records(client: Client, from: string, values: unknown[]): AsyncGenerator<BillingRecord[]> {
  const sql = `select ${recordColumns} from ${from}`;
  for await (const rows of batches<BillingRecord>(client, sql, values)) {
    for (const row of rows) {
      row.firstCalledAt = isoTime(row.firstCalledAt);
      row.lastCalledAt = isoTime(row.lastCalledAt);
    }
    yield rows;
  }
}

/** Converts "2026-10-01 00:00:00.025+00", as a session in UTC writes a time, to ISO 8601. */
function isoTime(text: string): string {
  return `${text.slice(0, 10)}T${text.slice(11, -3)}Z`;
}

export interface Bill {
  userId: string;
  cycles: string;
  usage: string;
  amount: string;
  currency: string;
}

/** The `limit` users with the largest total amounts in each currency: amounts of two currencies cannot be compared. */
export async function topBills(queryable: Queryable, limit: number): Promise<Bill[]> {
  const { rows } = await queryable.query<Bill>(
    // This includes repacked_records, which inherits from records: all runs of a row have the terms of packed.run_id.
    `with bills as (
       select packed.user_id, run.currency, sum(${CYCLES}) as cycles, sum(row_usage.usage) as usage,
              sum(${amountSql({ usage: 'row_usage.usage' })}) as amount
         from meterfold.records packed
         join meterfold.runs run on run.run_id = packed.run_id and run.state = 'published'
        cross join lateral (select sum(${numberAt('usages')}) as usage from ${CYCLE_INDEXES} cycle) row_usage
        group by packed.user_id, run.currency
     ), ranked as (
       select bills.*, row_number() over (partition by currency order by amount desc, user_id) as rank from bills
     )
     select user_id as "userId", cycles, usage, trim_scale(amount) as amount, currency
       from ranked where rank <= $1 order by currency, rank`,
    [limit],
  );
  return rows;
}
