/**
 * Cycle latency: from the acceptance of a cycle's last call (`received_at`, the start of the transaction that inserted it) to
 * the publication of its billing record.
 */
import { one, type Queryable } from './pool.js';
import { numberAt, PLACES, packedRows, RUN_AT, RUN_RANGE } from './records.js';

/** Seconds. Cycles whose last call has no `received_at` are not in it. */
export interface CycleLatency {
  meanSeconds: number;
  p99Seconds: number;
  maxSeconds: number;
  /** Cycles measured; in a run of very many, those of some users. */
  cycles: number;
}

/** Each cycle costs one index probe of the log. */
const CYCLES_MAX = 200_000;

const ofRun = packedRows({ records: 'packed.run_id = $1', repacked: `${RUN_RANGE} @> $1::bigint` });

/** Of a published run; null if it closed no cycle that can be measured. */
export async function readCycleLatency(db: Queryable, runId: string, cycles: string): Promise<CycleLatency | null> {
  const oneOf = Math.max(1, Math.ceil(Number(cycles) / CYCLES_MAX));
  const latency = one(
    await db.query<CycleLatency>(
      `select avg(seconds)::float8 as "meanSeconds", max(seconds)::float8 as "maxSeconds", count(*)::float8 as cycles,
              percentile_cont(0.99) within group (order by seconds) as "p99Seconds"
         from (select extract(epoch from run.published_at - call.received_at)::float8 as seconds
                 from meterfold.runs run
                cross join ${ofRun} packed
                cross join lateral ${PLACES} cycle
                 join public.api_logs call on call.id = ${numberAt('last_call_ids')}
                where run.run_id = $1 and run.state = 'published' and ${RUN_AT} = $1::bigint and call.received_at is not null
                  and abs(hashtextextended(packed.user_id, 0) % $2) = 0) measured`,
      [runId, oneOf],
    ),
  );
  return latency.cycles === 0 ? null : latency;
}
