/**
 * Runs against each other and against what people read of them: published runs form one chain, their figures are those of their
 * tasks' outcomes and of the views, and nothing that is known of an ended run has changed since it ended.
 */
import { type Client, one } from '../postgres/pool.js';
import type { Difference, Scope } from './scope.js';

export interface RunsCheck {
  /** Checked: all that have ended. */
  runs: string;
  differences: Difference[];
}

export async function checkRuns(client: Client, scope: Scope): Promise<RunsCheck> {
  const { runId, differencesMax, history } = scope;
  const values = [runId ?? null, history.callsPerCycle ?? null, differencesMax, history.untilRunId ?? null];
  const select = async (sql: string) => (await client.query<Difference>(sql, values)).rows;
  const { runs } = one(
    await client.query<{ runs: string }>(
      `select count(*) as runs from meterfold.runs where state <> 'active'
          and ($1::bigint is null or run_id = $1) and ($2::bigint is null or run_id <= $2)`,
      [runId ?? null, history.untilRunId ?? null],
    ),
  );
  return {
    runs,
    differences: [
      ...(await select(chainSql)),
      ...(await select(figuresSql)),
      ...(await select(outcomesSql)),
      ...(await select(digestsSql)),
      ...(runId === undefined && history.untilRunId === undefined ? await select(openCyclesSql) : []),
    ],
  };
}

/** Differences of runs: `rows` gives run_id, column, expected and found. */
const differencesOf = (table: string, rows: string) => `
  select '${table}' as "check", item.run_id::text as run, null as "user", null as cycle, null as call,
         item.column, item.expected, item.found
    from (${rows}) item ("run_id", "column", expected, found)
   where item.expected is distinct from item.found
     and ($1::bigint is null or item.run_id = $1)
     and ($4::bigint is null or item.run_id <= $4)
     and ($2::integer > 0) is not false
   order by item.run_id
   limit $3`;

/** Each run begins where the published one before it ended; so does the one in progress. */
const chainSql = differencesOf(
  'runs',
  `
      select link.run_id, own.*
        from (select run.*, lag(run_id) over chain as before_id, lag(sealed_end) over chain as before_end,
                     lag(carried_out_calls) over chain as before_calls, lag(carried_out_usage) over chain as before_usage
                from meterfold.runs run
               where state in ('published', 'active')
              window chain as (order by run_id)) link
       cross join lateral (values
             ('previous_run_id', link.before_id::text, link.previous_run_id::text),
             ('watermark', coalesce(link.before_end, 0)::text, link.watermark::text),
             -- The first run may have any number: no run before it has fixed one.
             ('calls_per_cycle', coalesce($2::integer, link.calls_per_cycle)::text, link.calls_per_cycle::text),
             ('carried_in_calls', case state when 'published' then coalesce(link.before_calls, 0)::text end,
                                  link.carried_in_calls::text),
             ('carried_in_usage', case state when 'published' then trim_scale(coalesce(link.before_usage, 0))::text end,
                                  trim_scale(link.carried_in_usage)::text)
             ) own`,
);

/** What a run says that it has billed is what the view of billing records shows of it; what it carried out is the rest. */
const figuresSql = differencesOf(
  'runs',
  `
      select run.run_id, own.*
        from meterfold.runs run
        left join (select run_id, count(*) as cycles, sum(usage) as usage, sum(amount) as amount,
                          min(currency) as currency, max(currency) as currency_too
                     from public.billing_records
                    where ($1::bigint is null or run_id = $1) and ($4::bigint is null or run_id <= $4)
                    group by run_id) shown using (run_id)
       cross join lateral (values
             ('cycles', coalesce(shown.cycles, 0)::text, run.cycles::text),
             ('billed_usage', coalesce(shown.usage, 0)::text, trim_scale(run.billed_usage)::text),
             ('amount', trim_scale(coalesce(shown.usage, 0) * run.price_per_unit)::text, trim_scale(run.amount)::text),
             ('amount', trim_scale(coalesce(shown.amount, 0))::text, trim_scale(run.amount)::text),
             ('currency', coalesce(shown.currency, run.currency), run.currency),
             ('currency', coalesce(shown.currency_too, run.currency), run.currency),
             ('carried_out_calls', (run.carried_in_calls + run.calls - $2::integer * run.cycles)::text,
                                   run.carried_out_calls::text),
             ('carried_out_usage', trim_scale(run.carried_in_usage + run.usage - run.billed_usage)::text,
                                   trim_scale(run.carried_out_usage)::text)
             ) own
       where run.state = 'published'`,
);

/** A figure of the stored outcome of a task; null where it is no whole number. */
const whole = (name: string) =>
  `case when outcome ->> '${name}' ~ '^-?[0-9]{1,60}$' then (outcome ->> '${name}')::numeric end`;
const summed = (kind: string, name: string) => `coalesce(sum(${whole(name)}) filter (where kind = '${kind}'), 0)`;
/** The digests are 16 hexadecimal digits, summed mod 2^64, as which bigint is signed. */
const digested = (kind: string) => `
  mod(coalesce(sum(case when outcome ->> 'digest' ~ '^[0-9a-f]{16}$' then ('x' || (outcome ->> 'digest'))::bit(64)::bigint end)
                   filter (where kind = '${kind}'), 0), 18446744073709551616)`;
const digestText = (sum: string) => `
  lpad(to_hex((${sum} - case when ${sum} >= 9223372036854775808 then 18446744073709551616
                             when ${sum} < -9223372036854775808 then -18446744073709551616
                             else 0 end)::bigint), 16, '0')`;

/** The figures of a run are the sums of its tasks' outcomes, taken by map, by reduce, and by the recount. */
const outcomesSql = differencesOf(
  'tasks',
  `
      select run.run_id, 'outcome: ' || own.figure, own.expected, own.found
        from meterfold.runs run
        left join (select run_id,
                          ${summed('map', 'calls')} as map_calls,
                          ${summed('map', 'usage')} as map_usage,
                          ${summed('map', 'quarantinedCalls')} as aside_calls,
                          ${summed('map', 'quarantinedUsage')} as aside_usage,
                          ${digested('map')} as map_digest,
                          ${summed('reduce', 'calls')} as calls,
                          ${summed('reduce', 'usage')} as usage,
                          ${summed('reduce', 'users')} as users,
                          ${summed('reduce', 'cycles')} as cycles,
                          ${summed('reduce', 'billedUsage')} as billed_usage,
                          ${summed('reduce', 'carriedOutCalls')} - ${summed('reduce', 'carriedInCalls')} as more_calls,
                          ${summed('reduce', 'carriedOutUsage')} - ${summed('reduce', 'carriedInUsage')} as more_usage,
                          ${digested('reduce')} as digest,
                          ${summed('recount', 'calls')} as recount_calls,
                          ${summed('recount', 'usage')} as recount_usage
                     from meterfold.tasks
                    where ($1::bigint is null or run_id = $1) and ($4::bigint is null or run_id <= $4)
                    group by run_id) task using (run_id)
       cross join lateral (values
             ('calls of map', run.calls::text, coalesce(task.map_calls, 0)::text),
             ('usage of map', trim_scale(run.usage)::text, coalesce(task.map_usage, 0)::text),
             ('quarantinedCalls of map', run.quarantined_calls::text, coalesce(task.aside_calls, 0)::text),
             ('quarantinedUsage of map', trim_scale(run.quarantined_usage)::text, coalesce(task.aside_usage, 0)::text),
             ('digest of map', run.proof ->> 'digest', ${digestText('coalesce(task.map_digest, 0)')}),
             ('calls of reduce', run.calls::text, coalesce(task.calls, 0)::text),
             ('usage of reduce', trim_scale(run.usage)::text, coalesce(task.usage, 0)::text),
             ('users of reduce', run.users::text, coalesce(task.users, 0)::text),
             ('cycles of reduce', run.cycles::text, coalesce(task.cycles, 0)::text),
             ('billedUsage of reduce', trim_scale(run.billed_usage)::text, coalesce(task.billed_usage, 0)::text),
             ('digest of reduce', run.proof ->> 'digest', ${digestText('coalesce(task.digest, 0)')}),
             ('carriedOutCalls less carriedInCalls of reduce', (run.carried_out_calls - run.carried_in_calls)::text,
                                                             coalesce(task.more_calls, 0)::text),
             ('carriedOutUsage less carriedInUsage of reduce', trim_scale(run.carried_out_usage - run.carried_in_usage)::text,
                                                             coalesce(task.more_usage, 0)::text),
             ('calls of recount', (run.calls + run.quarantined_calls)::text, coalesce(task.recount_calls, 0)::text),
             ('usage of recount', trim_scale(run.usage + run.quarantined_usage)::text,
                                  coalesce(task.recount_usage, 0)::text)
             ) as own (figure, expected, found)
       where run.state = 'published'`,
);

/** All that is known of a run, its tasks included, has the digest that it had when the run ended. */
const digestsSql = differencesOf(
  'runs',
  `
      select run.run_id, 'row_digest', meterfold.run_digest(run.run_id)::text, run.row_digest::text
        from meterfold.runs run
       where run.state <> 'active' and ($4::bigint is null or run.run_id <= $4)`,
);

/** What the newest run has carried out is what the view of open cycles shows. */
const openCyclesSql = differencesOf(
  'runs',
  `
      select newest.run_id, own.*
        from (select * from meterfold.runs where state = 'published' order by run_id desc limit 1) newest
       cross join (select coalesce(sum(calls), 0) as calls, coalesce(sum(usage), 0) as usage from public.open_cycles) shown
       cross join lateral (values
             ('carried_out_calls', shown.calls::text, newest.carried_out_calls::text),
             ('carried_out_usage', shown.usage::text, trim_scale(newest.carried_out_usage)::text)
             ) own`,
);
