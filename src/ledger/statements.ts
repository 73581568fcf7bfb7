/**
 * Billing records as they are shown: a user's statement, a run's export, the largest bills. Only published runs exist here.
 *
 * These read the packed rows themselves, where the view `billing_records` would do the same: the order of cycles within a
 * row is known to the planner only if it sees the row, and saves it sorting millions of cycles.
 */
import type { Client, Pool, Queryable } from '../postgres/pool.js';
import { batches, readSnapshot } from '../postgres/snapshot.js';
import { AMOUNT, CYCLES, numberAt, PLACES, packedRows, RUN_AT, RUN_RANGE } from './records.js';

/** One closed billing cycle. bigints and decimals are strings, times are ISO 8601 in UTC with microseconds. */
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

/** A user's last 0–4 calls, not billed yet. */
export interface OpenCycle {
  nextCycleNumber: string;
  calls: number;
  usage: string;
}

export interface Statement {
  /** Null for a user that no published run has seen. */
  openCycle: OpenCycle | null;
  /** By cycle number, in batches; to be read once. */
  cycles: AsyncIterable<BillingRecord[]>;
}

/** Columns of a billing record: `packed` from packedRows(), `run` is that of its run_id, `cycle` one of PLACES. */
export const recordColumns = `
  packed.user_id as "userId", packed.first_cycle + cycle.place - 1 as "cycleNumber",
  run.calls_per_cycle as calls, ${numberAt('usages')} as usage,
  trim_scale(${AMOUNT}) as amount, run.currency,
  ${numberAt('first_call_ids')} as "firstCallId", ${numberAt('last_call_ids')} as "lastCallId",
  to_timestamp(${numberAt('first_called_micros')} / float8 '1e6')::text as "firstCalledAt",
  to_timestamp(${numberAt('last_called_micros')} / float8 '1e6')::text as "lastCalledAt", ${RUN_AT} as "runId"`;

/** The cycles of `rows`, from packedRows(). All runs of a row have the same terms, those of `packed.run_id`. */
const recordTables = (rows: string) => `
  ${rows} packed
  join meterfold.runs run on run.run_id = packed.run_id and run.state = 'published'
 cross join lateral ${PLACES} cycle`;

const ofUser = `
  ${recordTables(packedRows({ records: 'packed.user_id = $1', repacked: 'packed.user_id = $1' }))}
 order by packed.first_cycle, cycle.place`;

const ofRun = `
  ${recordTables(packedRows({ records: 'packed.run_id = $1', repacked: `${RUN_RANGE} @> $1::bigint` }))}
 where ${RUN_AT} = $1::bigint
 order by packed.user_id, packed.first_cycle, cycle.place`;

/** Reads a user's statement, all at one moment; `use` takes it while it streams. */
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

/** The records of a published run in batches, by user and cycle number; `use` takes them while they stream. */
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

/** A session in UTC writes "2026-10-01 00:00:00.025+00". */
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

/** The users with the largest total amounts; apart for each currency, as amounts of two can't be compared. */
export async function topBills(queryable: Queryable, limit: number): Promise<Bill[]> {
  const { rows } = await queryable.query<Bill>(
    // Repacked rows are read here too: of such a row, all runs have the terms of packed.run_id.
    `with bills as (
       select packed.user_id, run.currency, sum(${CYCLES}) as cycles, sum(row_usage.usage) as usage,
              sum(meterfold.amount_of(row_usage.usage, run.price_per_unit)) as amount
         from meterfold.records packed
         join meterfold.runs run on run.run_id = packed.run_id and run.state = 'published'
        cross join lateral (select sum(${numberAt('usages')}) as usage from ${PLACES} cycle) row_usage
        group by packed.user_id, run.currency
     ), ranked as (
       select bills.*, row_number() over (partition by currency order by amount desc, user_id) as place from bills
     )
     select user_id as "userId", cycles, usage, trim_scale(amount) as amount, currency
       from ranked where place <= $1 order by currency, place`,
    [limit],
  );
  return rows;
}
