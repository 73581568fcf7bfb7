/**
 * What is stored about a released part of the history: digests of its billing records and quarantined calls, and each
 * user's open cycle at its end. Digests are sums of 64-bit hashes mod 2^64, so they do not depend on the order or the
 * packing of rows.
 */
import { digestText } from '../billing/digest.js';
import { type Client, one } from '../postgres/pool.js';
import type { History } from './scope.js';
import { sql } from './sql.js';

/** Runs after `afterRunId` up to and including `runId`. */
export interface RunRange {
  afterRunId: string;
  runId: string;
}

export interface Digested {
  rows: string;
  digest: string;
}

/** The figures of all users' open cycles at a log position. */
export interface OpenCyclesFigures {
  users: string;
  openCalls: string;
  openUsage: string;
  openCyclesDigest: string;
}

/** SQL: a time in microseconds since 1970. A double is exact to the microsecond until 2106. */
const micros = (time: string) => `(date_part('epoch', ${time}) * 1000000)::bigint`;

/** The digest of the billing records of these runs. */
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

async function digested(client: Client, statement: string, { afterRunId, runId }: RunRange): Promise<Digested> {
  const { rows, digest } = one(await client.query<Digested>(statement, [afterRunId, runId]));
  return { rows, digest: digestText(BigInt(digest)) };
}

const figuresOf = (openCycles: string) => `
  select count(*) as users, coalesce(sum(calls), 0) as "openCalls", coalesce(sum(usage), 0) as "openUsage",
         coalesce(sum(hashtextextended(
           concat_ws(' ', run_id, next_cycle, calls, usage, first_call_id, ${micros('first_called_at')}, user_id), 0)), 0)
           as "openCyclesDigest"
    from ${openCycles}`;

/** The figures of meterfold.retained_open_cycles. */
export async function readOpenCyclesFigures(client: Client): Promise<OpenCyclesFigures> {
  return toFigures(one(await client.query<OpenCyclesFigures>(figuresOf('meterfold.retained_open_cycles'))));
}

const toFigures = <Row extends OpenCyclesFigures>(row: Row): Row => ({
  ...row,
  openCyclesDigest: digestText(BigInt(row.openCyclesDigest)),
});

const withOpenCycles = sql('retained-open-cycles');
/** The parameters of withOpenCycles. */
const partOf = (range: RunRange, history: History) => [
  ...[range.afterRunId, range.runId, history.after, history.watermark],
  ...[history.runIds, history.starts],
];

/** The figures that retained_open_cycles will have once the history is released. Writes nothing. */
export async function computeOpenCyclesFigures(
  client: Client,
  range: RunRange,
  history: History,
): Promise<OpenCyclesFigures & { newestCalledAt: string | null }> {
  const { rows } = await client.query<OpenCyclesFigures & { newestCalledAt: string | null }>(
    `${withOpenCycles}, all_open_cycles as (
       select run_id, next_cycle, usage, first_call_id, first_called_at, calls, user_id from open_cycle
       union all
       select run_id, next_cycle, usage, first_call_id, first_called_at, calls, user_id
         from meterfold.retained_open_cycles kept
        where not exists (select from open_cycle where open_cycle.user_id = kept.user_id)
     )
     select figures.*,
            (select to_char(max(newest_called_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
               from seen) as "newestCalledAt"
       from (${figuresOf('all_open_cycles')}) figures`,
    partOf(range, history),
  );
  return toFigures(rows[0]!);
}

/** Updates retained_open_cycles to the end of the history. Rows of users without calls in it remain unchanged. */
export async function writeOpenCycles(client: Client, range: RunRange, history: History): Promise<void> {
  await client.query(
    `${withOpenCycles}
     insert into meterfold.retained_open_cycles as kept
            (run_id, next_cycle, usage, first_call_id, first_called_at, calls, user_id)
     select run_id, next_cycle, usage, first_call_id, first_called_at, calls, user_id from open_cycle
     on conflict (user_id) do update
        set run_id = excluded.run_id, next_cycle = excluded.next_cycle, usage = excluded.usage,
            first_call_id = excluded.first_call_id, first_called_at = excluded.first_called_at, calls = excluded.calls`,
    partOf(range, history),
  );
}
