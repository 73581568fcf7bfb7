/**
 * Dry run: what a billing run would bill now, computed by plain SQL that shares no code with the pipeline. It writes
 * nothing.
 *
 * It reads up to the last id that the log's sequence has assigned. Calls below that id whose transactions have not
 * committed are missing; a real run waits for them.
 */

import { REFUSAL_SQL } from '../billing/call.js';
import { formatPicos } from '../billing/money.js';
import { amountOf, type PriceTerms } from '../billing/price.js';
import type { PublishedFigures } from '../billing/proof.js';
import type { BadCalls } from '../billing/terms.js';
import { positionSql } from '../log/sequence.js';
import { type Client, one, type Pool } from '../postgres/pool.js';
import { readSnapshot } from '../postgres/snapshot.js';

export interface DryRunTerms extends PriceTerms {
  callsPerCycle: number;
  badCalls: BadCalls;
}

/**
 * The figures that the run would have. bigints and decimals are strings. `quarantined` counts calls that cannot be billed
 * and would be quarantined.
 */
export interface DryRun extends Omit<PublishedFigures, 'digest'> {
  /** Log positions: calls after `after` up to and including `to`. */
  range: { after: string; to: string };
  /** The first call that cannot be billed, at which the run would stop. The figures omit such calls. */
  stopsAt: { id: string; reason: string } | null;
  /** A run in progress that bills some or all of these calls. */
  activeRunId: string | null;
  /** The value of CALLS_PER_CYCLE that the first run has frozen; null before the first run. */
  frozenCallsPerCycle: number | null;
}

type Figures = Pick<DryRun, 'calls' | 'users' | 'cycles' | 'usage' | 'billedUsage'> & {
  openCalls: string;
  openUsage: string;
};

export function dryRun(pool: Pool, terms: DryRunTerms): Promise<DryRun> {
  return readSnapshot(pool, async (client) => {
    const start = await readStart(client);
    const after = BigInt(start.watermark);
    const to = BigInt(start.last) > after ? BigInt(start.last) : after;
    // With the default of 4 MB, a sort of ten million calls would pass over the disk many times.
    await client.query("set local work_mem = '128MB'");
    const { openCalls, openUsage, ...figures } = one(
      await client.query<Figures>(figuresSql, [after, to, terms.callsPerCycle]),
    );
    return {
      range: { after: String(after), to: String(to) },
      ...figures,
      amount: formatPicos(amountOf({ usage: BigInt(figures.billedUsage) }, terms)),
      carriedIn: { calls: start.carriedCalls, usage: start.carriedUsage },
      carriedOut: {
        calls: String(BigInt(start.carriedCalls) + BigInt(openCalls)),
        usage: String(BigInt(start.carriedUsage) + BigInt(openUsage)),
      },
      ...(await readBadCalls(client, after, to, terms.badCalls)),
      activeRunId: start.activeRunId,
      frozenCallsPerCycle: start.frozenCallsPerCycle,
    };
  });
}

interface Start {
  /** The last id that the sequence has assigned. */
  last: string;
  watermark: string;
  carriedCalls: string;
  carriedUsage: string;
  activeRunId: string | null;
  frozenCallsPerCycle: number | null;
}

async function readStart(client: Client): Promise<Start> {
  const { sequence } = one(
    await client.query<{ sequence: string }>("select pg_get_serial_sequence('public.api_logs', 'id') as sequence"),
  );
  return one(
    await client.query<Start>(`
      select (select ${positionSql(sequence)} from ${sequence} state) as last,
             coalesce(last_run.sealed_end, 0) as watermark,
             coalesce(last_run.carried_out_calls, 0) as "carriedCalls",
             coalesce(last_run.carried_out_usage, 0) as "carriedUsage",
             last_run.calls_per_cycle as "frozenCallsPerCycle",
             (select run_id from meterfold.runs where state = 'active') as "activeRunId"
        from (select) nothing
        left join lateral (select * from meterfold.runs where state = 'published' order by run_id desc limit 1) last_run
          on true`),
  );
}

async function readBadCalls(
  client: Client,
  after: bigint,
  to: bigint,
  badCalls: BadCalls,
): Promise<Pick<DryRun, 'quarantined' | 'stopsAt'>> {
  const { calls, usage, stopsAt } = one(
    await client.query<{ calls: string; usage: string; stopsAt: DryRun['stopsAt'] }>(
      `select count(*) as calls, coalesce(sum(usage), 0) as usage,
              (array_agg(json_build_object('id', id::text, 'reason', ${REFUSAL_SQL}) order by id))[1] as "stopsAt"
         from public.api_logs call
        where id > $1 and id <= $2 and ${REFUSAL_SQL} is not null`,
      [after, to],
    ),
  );
  return badCalls === 'stop'
    ? { quarantined: { calls: '0', usage: '0' }, stopsAt }
    : { quarantined: { calls, usage }, stopsAt: null };
}

/**
 * $1 and $2 the range of log positions, $3 calls per cycle.
 *
 * For each user, the new calls are numbered from the last one. Of the calls carried in plus the new calls, the last
 * `(carried in + new) mod $3` stay open. If no cycle closes, the calls carried in stay open too.
 */
const figuresSql = `
  with fresh as (
    select user_id, usage,
           row_number() over (partition by user_id order by id desc) as from_last
      from public.api_logs call
     where id > $1 and id <= $2 and ${REFUSAL_SQL} is null
  ), newest as (
    select user_id, count(*) as calls, sum(usage) as usage,
           array_agg(usage order by from_last) filter (where from_last < $3) as last_usages
      from fresh
     group by user_id
  ), folded as (
    select newest.calls, newest.usage, newest.last_usages,
           coalesce(carried.calls, 0) as carried_calls, coalesce(carried.usage, 0) as carried_usage,
           (coalesce(carried.calls, 0) + newest.calls) / $3 as cycles,
           (coalesce(carried.calls, 0) + newest.calls) % $3 as open_calls
      from newest
      left join public.open_cycles carried using (user_id)
  ), settled as (
    select folded.*,
           case when cycles = 0 then carried_usage + usage
                else (select coalesce(sum(open.usage), 0) from unnest(last_usages[:open_calls]) as open (usage))
           end as open_usage
      from folded
  )
  select count(*) as users, coalesce(sum(calls), 0) as calls, coalesce(sum(cycles), 0) as cycles,
         coalesce(sum(usage), 0) as usage,
         coalesce(sum(carried_usage + usage - open_usage), 0) as "billedUsage",
         coalesce(sum(open_calls - carried_calls), 0) as "openCalls",
         coalesce(sum(open_usage - carried_usage), 0) as "openUsage"
    from settled`;
