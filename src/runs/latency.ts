/**
 * Cycle latency: the time from the acceptance of a cycle's last call (`received_at`, the start of the transaction that
 * inserted it) to the publication of its billing record.
 */

import { CYCLE_INDEXES, numberAt, packedRows, RUN_AT, RUN_RANGE } from '../ledger/records.js';
import { one, type Queryable } from '../postgres/pool.js';

/** Times are null if no cycle was measured. Cycles whose last call has no `received_at` are not counted anywhere. */
export interface CycleLatency {
  meanSeconds: number | null;
  p99Seconds: number | null;
  maxSeconds: number | null;
  /** Cycles measured; in a run of more than 200,000 cycles, those of a sample of users. */
  cycles: number;
  /**
   * Cycles omitted because the `received_at` of the last call is invalid: infinite, before 1970, or after publication.
   */
  cyclesIgnored: number;
}

/** The most cycles to measure: each costs one index lookup in the log. */
const CYCLES_MAX = 200_000;

const ofRun = packedRows({ records: 'packed.run_id = $1', repacked: `${RUN_RANGE} @> $1::bigint` });

/** The latency of a published run with `cycles` cycles; null if no last call of a cycle has a `received_at`. */
export async function readCycleLatency(db: Queryable, runId: string, cycles: string): Promise<CycleLatency | null> {
  const oneOf = Math.max(1, Math.ceil(Number(cycles) / CYCLES_MAX));
  const latency = one(
    await db.query<CycleLatency>(
      // The difference is computed only inside CASE: for an invalid time it is infinite or out of range.
      `select avg(seconds)::float8 as "meanSeconds", max(seconds)::float8 as "maxSeconds", count(seconds)::float8 as cycles,
              percentile_cont(0.99) within group (order by seconds) as "p99Seconds",
              (count(*) - count(seconds))::float8 as "cyclesIgnored"
         from (select case when call.received_at between timestamptz '1970-01-01 00:00:00+00' and run.published_at
                           then extract(epoch from run.published_at - call.received_at)::float8 end as seconds
                 from meterfold.runs run
                cross join ${ofRun} packed
                cross join lateral ${CYCLE_INDEXES} cycle
                 join public.api_logs call on call.id = ${numberAt('last_call_ids')}
                where run.run_id = $1 and run.state = 'published' and ${RUN_AT} = $1::bigint and call.received_at is not null
                  and abs(hashtextextended(packed.user_id, 0) % $2) = 0) measured`,
      [runId, oneOf],
    ),
  );
  return latency.cycles + latency.cyclesIgnored === 0 ? null : latency;
}
