/**
 * The oracle: the expected bills, by plain SQL that shares no code with the pipeline. It numbers each user's billable
 * calls in the order of their ids; every fifth call closes a cycle. The result is compared with the views as multisets,
 * in both directions.
 */
import type pg from 'pg';

export interface Billed {
  /** Calls up to this log position are billed. Later calls must not appear in any view. */
  upTo: bigint | string;
  pricePerUnit?: string;
  /** Prices of runs that billed at another price, by run id. */
  prices?: Readonly<Record<string, string>>;
  currency?: string;
  callsPerCycle?: number;
}

/** Samples of differing rows. All are empty if the bills are correct. */
export interface Differences {
  recordsMissing: unknown[];
  recordsExtra: unknown[];
  openCyclesMissing: unknown[];
  openCyclesExtra: unknown[];
  quarantineMissing: unknown[];
  quarantineExtra: unknown[];
}

export const noDifferences: Differences = {
  recordsMissing: [],
  recordsExtra: [],
  openCyclesMissing: [],
  openCyclesExtra: [],
  quarantineMissing: [],
  quarantineExtra: [],
};

const SHOWN = 3;

/** SQL: why a call of the log cannot be billed; null if it can. */
const faultOf = `
  case when user_id is null or octet_length(user_id) < 1 or octet_length(user_id) > 256 then 'user_id must have 1 to 256 bytes'
       when usage is null or usage < 0 or usage > 1000000000000000 then 'usage must be a number from 0 to 10^15'
       when called_at is null then 'called_at must not be null'
       when called_at < '1970-01-01 00:00:00+00' or called_at >= '2100-01-01 00:00:00+00' then 'called_at must lie in 1970 to 2099'
  end`;

/** SQL: a FROM item with the calls that can be billed. */
export const billable = `(select * from public.api_logs where ${faultOf} is null) billable`;

const runOf = (position: string) =>
  `(select run_id from meterfold.runs where state = 'published' and watermark < ${position} and ${position} <= sealed_end)`;

/**
 * $1 position, $2 price, $3 currency, $4 calls per cycle, $5 prices of runs. A record belongs to the run whose range
 * has its last call.
 */
const expected = `
  with call as (
    select user_id, id, usage, called_at,
           row_number() over (partition by user_id order by id) - 1 as number
      from ${billable}
     where id <= $1::bigint
  ), cycle as (
    select user_id, number / $4::int + 1 as cycle_number, count(*)::int as calls, sum(usage)::bigint as usage,
           min(id) as first_call_id, max(id) as last_call_id,
           (array_agg(called_at order by id))[1] as first_called_at,
           (array_agg(called_at order by id desc))[1] as last_called_at
      from call
     group by user_id, number / $4::int
  ), closed as (
    select cycle.*, ${runOf('last_call_id')} as run_id
      from cycle
     where calls = $4::int
  ), expected_records as (
    select user_id, cycle_number, calls, usage, usage * coalesce($5::jsonb ->> run_id::text, $2)::numeric as amount,
           $3::text as currency, first_call_id, last_call_id, first_called_at, last_called_at, run_id
      from closed
  ), expected_open_cycles as (
    select user_id,
           count(*) filter (where calls = $4::int) + 1 as next_cycle_number,
           coalesce(sum(calls) filter (where calls < $4::int), 0)::int as calls,
           coalesce(sum(usage) filter (where calls < $4::int), 0)::bigint as usage
      from cycle
     group by user_id
  ), records as (
    select user_id, cycle_number, calls, usage, amount, currency,
           first_call_id, last_call_id, first_called_at, last_called_at, run_id
      from public.billing_records
  ), open_cycles as (
    select user_id, next_cycle_number, calls, usage from public.open_cycles
  ), expected_quarantine as (
    select id, usage, ${faultOf} as reason, ${runOf('id')} as run_id
      from public.api_logs
     where id <= $1::bigint and ${faultOf} is not null
  ), quarantine as (
    select id, usage, reason, run_id from public.quarantined_calls
  )`;

/** Compares the views with the oracle. */
export async function billingDifferences(pool: pg.Pool, billed: Billed): Promise<Differences> {
  const { upTo, pricePerUnit = '0.0004', prices = {}, currency = 'USD', callsPerCycle = 5 } = billed;
  const sample = (left: string, right: string) =>
    `(select coalesce(json_agg(row_to_json(differing)), '[]')
        from (select * from (select * from ${left} except all select * from ${right}) rest limit ${SHOWN}) differing)`;
  const { rows } = await pool.query<Differences>(
    `${expected}
     select ${sample('expected_records', 'records')} as "recordsMissing",
            ${sample('records', 'expected_records')} as "recordsExtra",
            ${sample('expected_open_cycles', 'open_cycles')} as "openCyclesMissing",
            ${sample('open_cycles', 'expected_open_cycles')} as "openCyclesExtra",
            ${sample('expected_quarantine', 'quarantine')} as "quarantineMissing",
            ${sample('quarantine', 'expected_quarantine')} as "quarantineExtra"`,
    [String(upTo), pricePerUnit, currency, callsPerCycle, JSON.stringify(prices)],
  );
  return rows[0]!;
}

/** The digest of the calls with positions (after, to], by the SQL in the header of src/billing/digest.ts. */
export async function digestOf(pool: pg.Pool, range: { after: string; to: string }): Promise<string> {
  const { rows } = await pool.query<{ digest: string }>(
    `select mod(mod(coalesce(sum(hashint8extended(id, hashtextextended(user_id, 0) # usage)::numeric), 0), 2::numeric ^ 64)
                + 2::numeric ^ 64, 2::numeric ^ 64)::numeric(20, 0) as digest
       from ${billable} where id > $1 and id <= $2`,
    [range.after, range.to],
  );
  return BigInt(rows[0]!.digest).toString(16).padStart(16, '0');
}
