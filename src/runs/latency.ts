/**
 * Cycle latency: from the acceptance of a cycle's last call (`received_at`, the start of the transaction that inserted it) to
 * the publication of its billing record.
 */

import { numberAt, PLACES, packedRows, RUN_AT, RUN_RANGE } from '../ledger/records.js';
import { one, type Queryable } from '../postgres/pool.js';

/** Seconds; null if no cycle was measured. Cycles whose last call has no `received_at` are in none of it. */
export interface CycleLatency {
  meanSeconds: number | null;
  p99Seconds: number | null;
  maxSeconds: number | null;
  /** Cycles measured; in a run of very many, those of some users. */
  cycles: number;
  /** Cycles left out: the `received_at` of their last call can't be right (infinite, before 1970, or after the run was published). */
  cyclesIgnored: number;
}

/** Each cycle costs one index probe of the log. */
const CYCLES_MAX = 200_000;

const ofRun = packedRows({ records: 'packed.run_id = $1', repacked: `${RUN_RANGE} @> $1::bigint` });

/** Of a published run; null if it closed no cycle whose last call has a `received_at`. */
export async function readCycleLatency(db: Queryable, runId: string, cycles: string): Promise<CycleLatency | null> {
  const oneOf = Math.max(1, Math.ceil(Number(cycles) / CYCLES_MAX));
  const latency = one(
    await db.query<CycleLatency>(
      // Only within CASE: the difference of others is infinite, or out of range.
      `select avg(seconds)::float8 as "meanSeconds", max(seconds)::float8 as "maxSeconds", count(seconds)::float8 as cycles,
              percentile_cont(0.99) within group (order by seconds) as "p99Seconds",
              (count(*) - count(seconds))::float8 as "cyclesIgnored"
         from (select case when call.received_at between timestamptz '1970-01-01 00:00:00+00' and run.published_at
                           then extract(epoch from run.published_at - call.received_at)::float8 end as seconds
                 from meterfold.runs run
                cross join ${ofRun} packed
                cross join lateral ${PLACES} cycle
                 join public.api_logs call on call.id = ${numberAt('last_call_ids')}
                where run.run_id = $1 and run.state = 'published' and ${RUN_AT} = $1::bigint and call.received_at is not null
                  and abs(hashtextextended(packed.user_id, 0) % $2) = 0) measured`,
      [runId, oneOf],
    ),
  );
  return latency.cycles + latency.cyclesIgnored === 0 ? null : latency;
}
