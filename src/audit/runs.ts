/**
 * Runs against each other and against the public views: published runs form one chain, their figures equal those of
 * their tasks' outcomes and of the views, and no row of an ended run has changed since it ended.
 */
import { type Client, one } from '../postgres/pool.js';
import type { Difference, Scope } from './scope.js';
import { sql } from './sql.js';

export interface RunsCheck {
  /** The number of runs checked: all that have ended. */
  runs: string;
  differences: Difference[];
}

/**
 * A statement of Differences from `rows` of (run_id, column, expected, found). $1 the only run or null, $2 calls per
 * cycle or null, $3 limit, $4 the last run or null.
 */
const differencesOf = (table: string, rows: string) => `
  select '${table}' as "check", item.run_id::text as run, null as "user", null as cycle, null as call,
         item.column, item.expected, item.found
    from (${rows}) item ("run_id", "column", expected, found)
   where item.expected is distinct from item.found
     and ($1::bigint is null or item.run_id = $1)
     and ($4::bigint is null or item.run_id <= $4)
     -- Always true. PostgreSQL derives the type of $2 from it.
     and ($2::integer > 0) is not false
   order by item.run_id
   limit $3`;

const chainSql = differencesOf('runs', sql('runs-chain'));
const figuresSql = differencesOf('runs', sql('runs-figures'));
const outcomesSql = differencesOf('tasks', sql('runs-outcomes'));
/** What the newest run carried out is what the view of open cycles shows. */
const openCyclesSql = differencesOf(
  'runs',
  `select newest.run_id, own.*
     from (select * from meterfold.runs where state = 'published' order by run_id desc limit 1) newest
    cross join (select coalesce(sum(calls), 0) as calls, coalesce(sum(usage), 0) as usage from public.open_cycles) shown
    cross join lateral (values
          ('carried_out_calls', shown.calls::text, newest.carried_out_calls::text),
          ('carried_out_usage', shown.usage::text, trim_scale(newest.carried_out_usage)::text)
          ) own`,
);
/** An ended run and its tasks have the digest that they had when the run ended. */
const digestsSql = differencesOf(
  'runs',
  `select run.run_id, 'row_digest', meterfold.run_digest(run.run_id)::text, run.row_digest::text
     from meterfold.runs run
    where run.state <> 'active' and ($4::bigint is null or run.run_id <= $4)`,
);

export async function checkRuns(client: Client, scope: Scope): Promise<RunsCheck> {
  const { runId, differencesMax, history } = scope;
  const values = [runId ?? null, history.callsPerCycle ?? null, differencesMax, history.untilRunId ?? null];
  const select = async (statement: string) => (await client.query<Difference>(statement, values)).rows;
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
