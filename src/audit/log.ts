/**
 * The log against the runs. One pass counts, sums and digests the calls in each run's range, and finds calls that
 * cannot be billed and calls that were written again after they were billed.
 *
 * The latter are found by row versions: PostgreSQL writes a new version of a row at each change, with the changing
 * transaction as xmin. All calls of a run were committed before transaction `published_xid` published the run, so a
 * version that is not older was written after the call was billed, whichever column it changed.
 *
 * Limits: xmin has 32 bits, so runs that were published more than 2^31 transactions ago cannot be checked. Neither can
 * runs that were restored from a dump, which gives all rows new versions.
 */
import { digestText } from '../billing/digest.js';
import type { Client } from '../postgres/pool.js';
import { checkQuarantine } from './quarantine.js';
import type { Difference, PublishedRun, Scope } from './scope.js';
import { sql } from './sql.js';

export interface LogCheck {
  /** The number of calls checked. */
  calls: string;
  differences: Difference[];
}

/** What the log has in the range of a run. */
interface RangeFigures {
  /** Index of the run by range, from 1; 0 is before the first run. */
  runIndex: number;
  calls: string;
  usage: string;
  digest: string;
  badCalls: string;
  badUsage: string;
  /** Ages of the newest and of the oldest row version, in transactions. */
  newest: string;
  oldest: string;
}

/** A run and the figures of the log in its range; undefined if the range is empty. */
interface RunRange {
  run: PublishedRun;
  figures: RangeFigures | undefined;
}

const rangesSql = sql('log-ranges');
const figuresSql = sql('log-figures');

export async function checkLog(client: Client, scope: Scope, notes: string[]): Promise<LogCheck> {
  const { history, runId, differencesMax } = scope;
  const own = history.runs.find((run) => run.runId === runId);
  if (runId !== undefined && own === undefined) return { calls: '0', differences: [] };
  const to = own?.sealedEnd ?? history.watermark;
  const { rows } = await client.query<RangeFigures>(rangesSql, [history.starts, to, history.after]);
  const figuresOf = new Map(rows.map((row) => [row.runIndex, row]));
  const ranges = history.runs.map((run, index) => ({ run, figures: figuresOf.get(index + 1) }));
  const checked = ranges.filter(({ run }) => runId === undefined || run.runId === runId);
  const differences = [
    ...(runId === undefined ? await beforeTheFirst(client, scope, figuresOf.get(0)) : []),
    ...(await compareFigures(client, checked, differencesMax)),
    ...(await checkQuarantine(client, scope, (id) => {
      return ranges.find(({ run }) => run.runId === id)?.figures?.badCalls ?? '0';
    })),
    ...(await checkVersions(client, ranges, scope, notes)),
  ];
  const calls = checked.reduce(
    (sum, { figures }) => sum + BigInt(figures?.calls ?? 0) + BigInt(figures?.badCalls ?? 0),
    0n,
  );
  return { calls: String(calls), differences };
}

/** Calls that no run can ever bill. */
async function beforeTheFirst(
  client: Client,
  { history, differencesMax }: Scope,
  figures: RangeFigures | undefined,
): Promise<Difference[]> {
  const { rows } = await client.query<Difference>(
    `select 'api_logs' as "check", null as run, user_id as "user", null as cycle, id as call, 'id' as "column",
            'a log position above 0' as expected, id::text as found
       from public.api_logs where id <= 0 order by id limit $1`,
    [differencesMax],
  );
  if (figures === undefined || history.runs.length === 0) return rows;
  return [
    ...rows,
    {
      ...{ check: 'api_logs', run: null, user: null, cycle: null, call: null, column: null, expected: null },
      found: `${figures.calls} calls before the first run, which begins after ${history.runs[0]!.watermark}`,
    },
  ];
}

/** Compares the figures of the log with those of the runs. */
async function compareFigures(
  client: Client,
  ranges: readonly RunRange[],
  differencesMax: number,
): Promise<Difference[]> {
  const of = (pick: (figures: RangeFigures) => string) =>
    ranges.map(({ figures }) => (figures === undefined ? '0' : pick(figures)));
  const { rows } = await client.query<Difference>(figuresSql, [
    ranges.map(({ run }) => run.runId),
    of(({ calls }) => calls),
    of(({ usage }) => usage),
    ranges.map(({ figures }) => digestText(BigInt(figures?.digest ?? '0'))),
    of(({ badCalls }) => badCalls),
    of(({ badUsage }) => badUsage),
    differencesMax,
  ]);
  return rows;
}

/** Finds calls whose row version is not older than the transaction that published their run. */
async function checkVersions(
  client: Client,
  ranges: readonly RunRange[],
  { runId, differencesMax }: Scope,
  notes: string[],
): Promise<Difference[]> {
  const agesOfRuns = await readPublishAges(client);
  const differences: Difference[] = [];
  const unknown: string[] = [];
  const rewritten: string[] = [];
  let oldest = -1n;
  for (const { run, figures } of ranges) {
    if (figures !== undefined && BigInt(figures.oldest) > oldest) oldest = BigInt(figures.oldest);
    if (runId !== undefined && run.runId !== runId) continue;
    if (figures === undefined) continue;
    const age = agesOfRuns.get(run.runId);
    if (age === undefined) unknown.push(run.runId);
    else if (BigInt(figures.newest) > age) continue;
    // A statement that rewrites the whole table also rewrites the calls of all earlier runs.
    else if (oldest <= age) rewritten.push(run.runId);
    else if (differences.length < differencesMax) {
      differences.push(...(await rewrittenCalls(client, run, age, differencesMax - differences.length)));
    }
  }
  if (unknown.length > 0) {
    notes.push(
      `Changes of calls of ${named(unknown)} after they were billed cannot be detected by row versions: published before ` +
        'meterfold stored the transaction, restored from a dump, or more than 2^31 transactions ago.',
    );
  }
  if (rewritten.length > 0) {
    notes.push(
      `All calls up to the end of ${named(rewritten)} were rewritten after they were billed, as some ALTER TABLE statements do: ` +
        'changes of columns that are not billed cannot be detected.',
    );
  }
  return differences;
}

function named(runs: readonly string[]): string {
  if (runs.length === 1) return `run ${runs[0]}`;
  return `${runs.length} runs (${runs[0]} to ${runs.at(-1)})`;
}

/**
 * How many transactions ago each run was published; runs for which this is unknown are missing. It is unknown for a run
 * whose row was restored from a dump, because the row version does not belong to the transaction that published it, and
 * for all runs before such a run.
 */
async function readPublishAges(client: Client): Promise<Map<string, bigint>> {
  const { rows } = await client.query<{ runId: string; age: string; distance: string; own: boolean }>(
    `select run_id as "runId", age(published_xid::xid)::bigint & 4294967295 as age,
            pg_snapshot_xmax(pg_current_snapshot())::text::numeric - published_xid::text::numeric as distance,
            xmin = published_xid::xid as own
       from meterfold.runs
      where state = 'published' and published_xid is not null
      order by run_id`,
  );
  const first = rows.findIndex(({ own }) => own);
  if (first === -1) return new Map();
  return new Map(
    rows
      .slice(first)
      .filter(({ distance }) => BigInt(distance) > 0n && BigInt(distance) < 2n ** 31n)
      .map(({ runId, age }) => [runId, BigInt(age)]),
  );
}

async function rewrittenCalls(
  client: Client,
  { runId, watermark, sealedEnd }: PublishedRun,
  age: bigint,
  limit: number,
): Promise<Difference[]> {
  const { rows } = await client.query<Difference>(
    `select 'api_logs' as "check", $4 as run, user_id as "user", null as cycle, id as call, 'xmin' as "column",
            'as it was when it was billed' as expected,
            format('written again by transaction %s', xmin) as found
       from public.api_logs
      where id > $1 and id <= $2 and (age(xmin)::bigint & 4294967295) <= $3
      order by id
      limit $5`,
    [watermark, sealedEnd, String(age), runId, limit],
  );
  return rows;
}
