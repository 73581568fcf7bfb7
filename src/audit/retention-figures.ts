/**
 * What is kept of a released part of the history: digests of its billing records and of its quarantine, and each user's open cycle at
 * its end. Digests are sums of 64-bit hashes mod 2^64, so they do not depend on the order or the packing of rows.
 */
import { type Client, one } from '../postgres/pool.js';
import { PROMISES } from './quarantine.js';
import type { History } from './scope.js';

/** Runs after `afterRunId` up to and including `runId`. */
export interface RunRange {
  afterRunId: string;
  runId: string;
}

export interface Digested {
  rows: string;
  digest: string;
}

/** All users' open cycles at a point. */
export interface OpenCyclesFigures {
  users: string;
  openCalls: string;
  openUsage: string;
  openCyclesDigest: string;
}

/** A sum of hashes as a digest is written. */
export function digestText(sum: string): string {
  return BigInt.asUintN(64, BigInt(sum)).toString(16).padStart(16, '0');
}

/** A time in microseconds since 1970. A double has room for a microsecond until 2106. */
export const micros = (time: string) => `(date_part('epoch', ${time}) * 1000000)::bigint`;

/** The digest of the billing records that the runs show. */
export function digestRecords(client: Client, range: RunRange): Promise<Digested> {
  return digested(
    client,
    `select count(*) as rows,
            coalesce(sum(hashtextextended(
              concat_ws(' ', run_id, cycle_number, calls, usage, first_call_id, last_call_id,
                        ${micros('first_called_at')}, ${micros('last_called_at')}, user_id), 0)), 0) as digest
       from public.billing_records
      where run_id > $1 and run_id <= $2`,
    range,
  );
}

export function digestQuarantine(client: Client, range: RunRange): Promise<Digested> {
  return digested(
    client,
    `select count(*) as rows,
            coalesce(sum(hashtextextended(concat_ws(' ', run_id, id, coalesce(usage::text, 'null'), reason), 0)), 0) as digest
       from public.quarantined_calls
      where run_id > $1 and run_id <= $2`,
    range,
  );
}

async function digested(client: Client, sql: string, { afterRunId, runId }: RunRange): Promise<Digested> {
  const { rows, digest } = one(await client.query<Digested>(sql, [afterRunId, runId]));
  return { rows, digest: digestText(digest) };
}

const figuresOf = (openCycles: string) => `
  select count(*) as users, coalesce(sum(calls), 0) as "openCalls", coalesce(sum(usage), 0) as "openUsage",
         coalesce(sum(hashtextextended(
           concat_ws(' ', run_id, next_cycle, calls, usage, first_call_id, ${micros('first_called_at')}, user_id), 0)), 0)
           as "openCyclesDigest"
    from ${openCycles}`;

/** What lies in meterfold.retained_open_cycles. */
export async function readOpenCyclesFigures(client: Client): Promise<OpenCyclesFigures> {
  return toFigures(one(await client.query<OpenCyclesFigures>(figuresOf('meterfold.retained_open_cycles'))));
}

const toFigures = <Row extends OpenCyclesFigures>(row: Row): Row => ({
  ...row,
  openCyclesDigest: digestText(row.openCyclesDigest),
});

/**
 * The open cycles at the end of the history, of the users that have calls in it: a cycle begun before it goes on from retained_open_cycles.
 * What belongs to an open cycle is what comes after the user's last billing record, which verify has compared with the log.
 *
 * The plan, which src/audit/retain.ts sees to: records hashed by user, the log read once in the range and joined to them by hash, both
 * aggregated by hash; no sort of the log. A hash that outgrows work_mem is spilled to disk. Left alone, PostgreSQL expects few users, as
 * it knows nothing of PROMISES, and compares them one by one: 65 s for 1.5 million calls of 200,000 users.
 */
const SEEN = `
  with closed as (
    select user_id, max(cycle_number) as number, max(last_call_id) as last_id
      from public.billing_records
     where run_id > $1 and run_id <= $2
     group by user_id
  ), call as (
    select id, user_id collate "C" as user_id, usage, called_at
      from public.api_logs
     where id > $3 and id <= $4 and ${PROMISES}
  ), seen as (
    select call.user_id, max(call.id) as last_id, max(call.called_at) as newest_called_at,
           count(*) filter (where call.id > coalesce(closed.last_id, 0)) as calls,
           coalesce(sum(call.usage) filter (where call.id > coalesce(closed.last_id, 0)), 0) as usage,
           min(array[call.id, ${micros('call.called_at')}]) filter (where call.id > coalesce(closed.last_id, 0)) as first
      from call
      left join closed using (user_id)
     group by call.user_id
  ), open_cycle as (
    select ($5::bigint[])[width_bucket(seen.last_id, $6::bigint[])] as run_id,
           coalesce(closed.number + 1, kept.next_cycle, 1) as next_cycle,
           (seen.usage + coalesce(begun.usage, 0))::bigint as usage,
           coalesce(begun.first_call_id, seen.first[1]) as first_call_id,
           coalesce(begun.first_called_at, timestamptz '1970-01-01 00:00:00+00' + seen.first[2] * interval '1 microsecond')
             as first_called_at,
           (seen.calls + coalesce(begun.calls, 0))::smallint as calls,
           seen.user_id
      from seen
      left join closed using (user_id)
      left join meterfold.retained_open_cycles kept using (user_id)
      -- The cycle that was open before, unless it was closed since.
      left join meterfold.retained_open_cycles begun on begun.user_id = seen.user_id and begun.calls > 0 and closed.user_id is null
  )`;

const seenValues = (range: RunRange, history: History) => [
  ...[range.afterRunId, range.runId, history.after, history.watermark],
  ...[history.runIds, history.starts],
];

/** What retained_open_cycles will be once the history is released; writes nothing. */
export async function computeOpenCyclesFigures(
  client: Client,
  range: RunRange,
  history: History,
): Promise<OpenCyclesFigures & { newestCalledAt: string | null }> {
  const { rows } = await client.query<OpenCyclesFigures & { newestCalledAt: string | null }>(
    `${SEEN}, all_open_cycles as (
       select run_id, next_cycle, usage, first_call_id, first_called_at, calls, user_id from open_cycle
       union all
       select run_id, next_cycle, usage, first_call_id, first_called_at, calls, user_id
         from meterfold.retained_open_cycles kept
        where not exists (select from open_cycle where open_cycle.user_id = kept.user_id)
     )
     select figures.*, (select to_char(max(newest_called_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from seen) as "newestCalledAt"
       from (${figuresOf('all_open_cycles')}) figures`,
    seenValues(range, history),
  );
  return toFigures(rows[0]!);
}

/** Brings retained_open_cycles to the end of the history, in one statement: the users that it has seen; the others' state is the same. */
export async function writeOpenCycles(client: Client, range: RunRange, history: History): Promise<void> {
  await client.query(
    `${SEEN}
     insert into meterfold.retained_open_cycles as kept (run_id, next_cycle, usage, first_call_id, first_called_at, calls, user_id)
     select run_id, next_cycle, usage, first_call_id, first_called_at, calls, user_id from open_cycle
     on conflict (user_id) do update
        set run_id = excluded.run_id, next_cycle = excluded.next_cycle, usage = excluded.usage,
            first_call_id = excluded.first_call_id, first_called_at = excluded.first_called_at, calls = excluded.calls`,
    seenValues(range, history),
  );
}
