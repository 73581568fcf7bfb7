/** Quarantine against the log: what was put aside can't be billed, and nothing else up to the watermark can't. */
import type { Client } from '../postgres/pool.js';
import type { Difference, Scope } from './scope.js';

/** What the log promises of a call that can be billed; not true also where it is unknown. */
export const PROMISES = `
  octet_length(user_id) between 1 and 256
  and usage between 0 and 1000000000000000
  and called_at >= '1970-01-01 00:00:00+00' and called_at < '2100-01-01 00:00:00+00'`;

/** Which promise a call breaks; null if none. Over the log as `call`. */
export const REASON = `
  case when (octet_length(call.user_id) between 1 and 256) is not true then 'user_id must have 1 to 256 bytes'
       when (call.usage between 0 and 1000000000000000) is not true then 'usage must be a number from 0 to 10^15'
       when call.called_at is null then 'called_at must not be null'
       when call.called_at < '1970-01-01 00:00:00+00' or call.called_at >= '2100-01-01 00:00:00+00'
         then 'called_at must lie in 1970 to 2099'
  end`;

/** `badCallsOf` a run are those that the log has in its range. */
export async function checkQuarantine(
  client: Client,
  scope: Scope,
  badCallsOf: (runId: string) => string,
): Promise<Difference[]> {
  const { history, runId, differencesMax } = scope;
  const { rows } = await client.query<Difference>(
    `select 'quarantine' as "check", aside.run_id as run, call.user_id as "user", null as cycle, aside.log_position as call,
            item.column, item.expected, item.found
       from meterfold.quarantine aside
       left join public.api_logs call on call.id = aside.log_position
      cross join lateral (
            select ${REASON} as reason,
                   ($1::bigint[])[width_bucket(aside.log_position, $2::bigint[])] as run_id) expected
      cross join lateral (
            select null as "column", null as expected, 'a call that is not in the log' as found where call.id is null
            union all
            select null, null, 'a call that can be billed' where call.id is not null and expected.reason is null
            union all
            select differing.*
              from (values ('usage', call.usage::text, aside.usage::text),
                           ('reason', expected.reason, aside.reason),
                           ('run_id', expected.run_id::text, aside.run_id::text)
                   ) as differing ("column", expected, found)
             where call.id is not null and expected.reason is not null
               and differing.expected is distinct from differing.found) item
      where aside.run_id in (select run_id from meterfold.runs where state = 'published')
        and ($3::bigint is null or aside.run_id = $3)
        -- What was released is checked by its digest.
        and (aside.log_position > $5 or aside.run_id = any ($1))
        and ($6::bigint is null or aside.run_id <= $6)
      order by aside.log_position
      limit $4`,
    [history.runIds, history.starts, runId ?? null, differencesMax, history.after, history.untilRunId ?? null],
  );
  return [...rows, ...(await missing(client, scope, badCallsOf))];
}

/** Calls that had to be put aside. They are looked for in the log only where it has more of them than were. */
async function missing(
  client: Client,
  { history, runId, differencesMax }: Scope,
  badCallsOf: (runId: string) => string,
): Promise<Difference[]> {
  const { rows: aside } = await client.query<{ runId: string; calls: string }>(
    `select aside.run_id as "runId", count(*) as calls
       from meterfold.quarantine aside
       join public.api_logs call on call.id = aside.log_position
      where ${REASON} is not null
      group by aside.run_id`,
  );
  const asideOf = new Map(aside.map((row) => [row.runId, row.calls]));
  const differences: Difference[] = [];
  for (const run of history.runs) {
    if (runId !== undefined && run.runId !== runId) continue;
    if (badCallsOf(run.runId) === (asideOf.get(run.runId) ?? '0') || differences.length >= differencesMax) continue;
    const { rows } = await client.query<Difference>(
      `select 'quarantine' as "check", $3::text as run, call.user_id as "user", null as cycle, call.id as call, null as "column",
              ${REASON} as expected, null as found
         from public.api_logs call
        where call.id > $1 and call.id <= $2 and ${REASON} is not null
          and not exists (select from meterfold.quarantine aside where aside.log_position = call.id)
        order by call.id
        limit $4`,
      [run.watermark, run.sealedEnd, run.runId, differencesMax - differences.length],
    );
    differences.push(...rows);
  }
  return differences;
}
