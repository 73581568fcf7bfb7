/** Checks the bills with the oracle, by counting each user's calls in the log and in the bills, and with `verify`. */
import type pg from 'pg';
import { verify } from '../../src/audit/verify.js';
import { billingDifferences } from '../support/oracle.js';
import type { ChaosStack } from './stack.js';

export interface Bills {
  /** The log position up to which the bills were checked. */
  watermark: string;
  /** Calls in the log up to the watermark. */
  calls: number;
  /** Calls of these that are in no record and no open cycle. */
  lost: number;
  /** Calls in records and open cycles in excess of the log. */
  doubled: number;
  /** Differences found by the oracle and by `verify`. */
  differences: string[];
}

const DIFFERENCES_SHOWN = 3;

/** Checks the bills while runs continue: the oracle uses one snapshot, and `verify` a later one. */
export async function judgeBills(stack: ChaosStack): Promise<Bills> {
  const bills = await compareWithLog(stack);
  const { differences } = await verify(stack.pool, { differencesMax: DIFFERENCES_SHOWN });
  return {
    ...bills,
    differences: [...bills.differences, ...differences.map((found) => `verify: ${JSON.stringify(found)}`)],
  };
}

async function compareWithLog(stack: ChaosStack): Promise<Bills> {
  const client = await stack.pool.connect();
  try {
    await client.query('begin isolation level repeatable read read only');
    const { rows } = await client.query<{ watermark: string }>(
      `select coalesce(max(sealed_end), 0) as watermark from meterfold.runs where state = 'published'`,
    );
    const { watermark } = rows[0]!;
    const counted = await client.query<{ calls: string; lost: string; doubled: string; overlapping: string }>(COUNTS, [
      watermark,
    ]);
    const { calls, lost, doubled, overlapping } = counted.rows[0]!;
    const found = await billingDifferences(client as unknown as pg.Pool, { upTo: watermark });
    await client.query('rollback');
    const differences = Object.entries(found).filter(([, rest]) => rest.length > 0);
    return {
      watermark,
      calls: Number(calls),
      lost: Number(lost),
      doubled: Number(doubled) + Number(overlapping),
      differences: differences.map(([name, sample]) => `${name}: ${JSON.stringify(sample)}`),
    };
  } finally {
    client.release();
  }
}

/** A user's records must not overlap: each begins after the end of the previous one. */
const COUNTS = `
  with logged as (
    select user_id, count(*) as calls from public.api_logs where id <= $1::bigint group by user_id
  ), billed as (
    select user_id, sum(calls) as calls
      from (select user_id, calls from public.billing_records union all select user_id, calls from public.open_cycles) parts
     group by user_id
  ), pair as (
    select first_call_id, lag(last_call_id) over (partition by user_id order by cycle_number) as ended_before
      from public.billing_records
  )
  select coalesce(sum(logged.calls), 0) as calls,
         coalesce(sum(greatest(0, coalesce(logged.calls, 0) - coalesce(billed.calls, 0))), 0) as lost,
         coalesce(sum(greatest(0, coalesce(billed.calls, 0) - coalesce(logged.calls, 0))), 0) as doubled,
         (select count(*) from pair where first_call_id <= ended_before) as overlapping
    from logged full join billed using (user_id)`;
