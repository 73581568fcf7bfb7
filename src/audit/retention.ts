/**
 * What `meterfold retain` has stored, against what remains of the part that it has released: the runs' rows, their billing records and
 * their quarantine. Calls of that part are not looked at: they may be gone.
 */
import type { Client } from '../postgres/pool.js';
import { digestQuarantine, digestRecords, readOpenCyclesFigures } from './retention-figures.js';
import type { Difference, Scope } from './scope.js';

interface RetentionRow {
  runId: string;
  afterRunId: string;
  recordsDigest: string;
  quarantineDigest: string;
  users: string;
  openCalls: string;
  openUsage: string;
  openCyclesDigest: string;
}

const difference = (check: string, run: string, column: string, expected: string, found: string): Difference[] =>
  expected === found ? [] : [{ check, run, user: null, cycle: null, call: null, column, expected, found }];

/** Each point against the run whose end it is, the runs that it has released, and its link in the chain. */
const POINTS = `
  select 'retentions' as "check", point.run_id::text as run, null as "user", null as cycle, null as call,
         own.column, own.expected, own.found
    from (select retention.*, lag(run_id, 1, 0::bigint) over points as after_run_id,
                 lag(position, 1, 0::bigint) over points as position_before,
                 run_id = max(run_id) over () as is_newest
            from meterfold.retentions retention
          window points as (order by run_id)) point
    left join meterfold.runs run using (run_id)
    left join meterfold.chain link on link.run_id = point.run_id and link.event = 'retained'
    left join lateral (
         select count(*) as runs, coalesce(sum(calls), 0) as calls, coalesce(sum(usage), 0) as usage,
                coalesce(sum(quarantined_calls), 0) as quarantined_calls, coalesce(sum(cycles), 0) as cycles,
                mod(sum(case when proof ->> 'digest' ~ '^[0-9a-f]{16}$'
                             then mod(('x' || (proof ->> 'digest'))::bit(64)::bigint + 18446744073709551616::numeric,
                                      18446744073709551616) end), 18446744073709551616) as digest
           from meterfold.runs released
          where state = 'published' and run_id > point.after_run_id and run_id <= point.run_id) released on true
   cross join lateral (values
         ('state of its run', 'published', coalesce(run.state, 'unknown')),
         ('position', run.sealed_end::text, point.position::text),
         ('after_position', point.position_before::text, point.after_position::text),
         ('runs', released.runs::text, point.runs::text),
         ('calls', released.calls::text, point.calls::text),
         ('usage', trim_scale(released.usage)::text, trim_scale(point.usage)::text),
         ('quarantined_calls', released.quarantined_calls::text, point.quarantined_calls::text),
         ('cycles', released.cycles::text, point.cycles::text),
         ('log_digest', lpad(to_hex((case when released.digest >= 9223372036854775808
                                          then released.digest - 18446744073709551616 else released.digest end)::bigint), 16, '0'),
                        point.log_digest),
         ('open_calls', case when point.is_newest then run.carried_out_calls::text end,
                        case when point.is_newest then point.open_calls::text end),
         ('open_usage', case when point.is_newest then trim_scale(run.carried_out_usage)::text end,
                        case when point.is_newest then trim_scale(point.open_usage)::text end),
         ('its link in the chain', meterfold.retention_digest(point.run_id)::text, link.digest::text)
         ) own ("column", expected, found)
   where own.expected is distinct from own.found
  union all
  select 'retentions', link.run_id::text, null, null, null, null, 'a retained point', null
    from meterfold.chain link
   where link.event = 'retained' and not exists (select from meterfold.retentions point where point.run_id = link.run_id)
   order by run
   limit $1`;

/** Of the whole history; nothing is looked at where one run is. */
export async function checkRetention(client: Client, { runId, differencesMax }: Scope): Promise<Difference[]> {
  if (runId !== undefined) return [];
  const { rows: differences } = await client.query<Difference>(POINTS, [differencesMax]);
  const { rows: points } = await client.query<RetentionRow>(
    `select run_id as "runId", lag(run_id, 1, 0::bigint) over (order by run_id) as "afterRunId",
            records_digest as "recordsDigest", quarantine_digest as "quarantineDigest",
            users, open_calls as "openCalls", open_usage as "openUsage", open_cycles_digest as "openCyclesDigest"
       from meterfold.retentions
      order by run_id`,
  );
  for (const point of points) {
    const records = await digestRecords(client, point);
    const quarantine = await digestQuarantine(client, point);
    const released = `digest of what runs ${BigInt(point.afterRunId) + 1n} to ${point.runId} have`;
    differences.push(
      ...difference('records', point.runId, released, point.recordsDigest, records.digest),
      ...difference('quarantine', point.runId, released, point.quarantineDigest, quarantine.digest),
    );
  }
  return [...differences, ...(await checkOpenCycles(client, points.at(-1)))].slice(0, differencesMax);
}

/** The state that verify counts on from. */
async function checkOpenCycles(client: Client, point: RetentionRow | undefined): Promise<Difference[]> {
  const openCycles = await readOpenCyclesFigures(client);
  const run = point?.runId ?? '0';
  return [
    ...difference('retained_open_cycles', run, 'rows', point?.users ?? '0', openCycles.users),
    ...difference('retained_open_cycles', run, 'sum of calls', point?.openCalls ?? '0', openCycles.openCalls),
    ...difference('retained_open_cycles', run, 'sum of usage', point?.openUsage ?? '0', openCycles.openUsage),
    ...difference(
      'retained_open_cycles',
      run,
      'digest',
      point?.openCyclesDigest ?? '0'.repeat(16),
      openCycles.openCyclesDigest,
    ),
  ];
}
