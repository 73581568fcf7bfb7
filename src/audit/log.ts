/**
 * The log against the runs: one pass counts, sums and digests the calls of each run's range, and finds calls that can't be billed
 * and those that were written again after they were billed.
 *
 * The latter by versions: PostgreSQL writes a new version of a row at each change, with the transaction as its xmin. All calls of a run
 * were committed before it was published by transaction `published_xid`, so a version that is not older than that was written
 * after the call had been billed, whatever column it changed. Transactions have 32 bits there: runs that were published
 * more than 2^31 transactions ago can't be judged so, nor those that came here by dump and restore, which gives all rows new versions.
 */
import type { Client } from '../postgres/pool.js';
import { checkQuarantine, PROMISES } from './quarantine.js';
import { digestText } from './retention-figures.js';
import type { Difference, Scope } from './scope.js';

export interface LogCheck {
  /** Checked. */
  calls: string;
  differences: Difference[];
}

/** What the log has in the range of a run. */
interface RangeFigures {
  /** Its place among the runs by range, from 1; 0 is before the first. */
  place: number;
  calls: string;
  usage: string;
  digest: string;
  badCalls: string;
  badUsage: string;
  /** Transactions ago: the newest and the oldest version of a call. */
  newest: string;
  oldest: string;
}

/** `age` is signed, of 32 bits. */
const TRANSACTIONS_AGO = '(age(xmin)::bigint & 4294967295)';

const rangesSql = `
  with call as (
    select width_bucket(id, $1::bigint[]) as place, id, user_id collate "C" as user_id, usage,
           (${PROMISES}) is true as good,
           ${TRANSACTIONS_AGO} as written
      from public.api_logs
     where id > $3 and id <= $2
  )
  select place,
         count(*) filter (where good) as calls,
         coalesce(sum(usage) filter (where good), 0) as usage,
         -- A digest is the sum of hashes mod 2^64; the sum of bigint is exact.
         coalesce(sum(hashint8extended(id, hashtextextended(user_id, 0) # usage)) filter (where good), 0) as digest,
         count(*) filter (where not good) as "badCalls",
         coalesce(sum(usage) filter (where not good), 0) as "badUsage",
         min(written) as newest,
         max(written) as oldest
    from call
   group by place
   order by place`;

export async function checkLog(client: Client, scope: Scope, notes: string[]): Promise<LogCheck> {
  const { history, runId, differencesMax } = scope;
  const own = history.runs.find((run) => run.runId === runId);
  if (runId !== undefined && own === undefined) return { calls: '0', differences: [] };
  const to = own?.sealedEnd ?? history.watermark;
  const ranges = new Map(
    (await client.query<RangeFigures>(rangesSql, [history.starts, to, history.after])).rows.map((row) => [
      row.place,
      row,
    ]),
  );
  const places = history.runs.map((run, index) => ({ run, figures: ranges.get(index + 1) }));
  const judged = places.filter(({ run }) => runId === undefined || run.runId === runId);
  const differences = [
    ...(runId === undefined ? await beforeTheFirst(client, scope, ranges.get(0)) : []),
    ...(await compareFigures(client, judged, differencesMax)),
    ...(await checkQuarantine(client, scope, (run) => {
      const figures = places.find((place) => place.run.runId === run)?.figures;
      return figures?.badCalls ?? '0';
    })),
    ...(await checkVersions(client, places, scope, notes)),
  ];
  const calls = judged.reduce(
    (sum, { figures }) => sum + BigInt(figures?.calls ?? 0) + BigInt(figures?.badCalls ?? 0),
    0n,
  );
  return { calls: String(calls), differences };
}

interface Place {
  run: Scope['history']['runs'][number];
  figures: RangeFigures | undefined;
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

/** The figures of the log against those of the runs. */
async function compareFigures(client: Client, places: readonly Place[], differencesMax: number): Promise<Difference[]> {
  const of = (pick: (figures: RangeFigures) => string) =>
    places.map(({ figures }) => (figures === undefined ? '0' : pick(figures)));
  const { rows } = await client.query<Difference>(
    `select 'runs' as "check", run.run_id as run, null as "user", null as cycle, null as call,
            figure.column, figure.expected, figure.found
       from unnest($1::bigint[], $2::bigint[], $3::numeric[], $4::text[], $5::bigint[], $6::numeric[])
            as log (run_id, calls, usage, digest, bad_calls, bad_usage)
       join meterfold.runs run on run.run_id = log.run_id and run.state = 'published'
      cross join lateral (values
            ('calls', log.calls::text, run.calls::text),
            ('usage', log.usage::text, trim_scale(run.usage)::text),
            ('proof: digest', log.digest, run.proof ->> 'digest'),
            ('quarantined_calls', log.bad_calls::text, run.quarantined_calls::text),
            ('quarantined_usage', log.bad_usage::text, trim_scale(run.quarantined_usage)::text)
            ) as figure ("column", expected, found)
      where figure.expected is distinct from figure.found
      order by run.run_id
      limit $7`,
    [
      places.map(({ run }) => run.runId),
      of(({ calls }) => calls),
      of(({ usage }) => usage),
      places.map(({ figures }) => digestText(figures?.digest ?? '0')),
      of(({ badCalls }) => badCalls),
      of(({ badUsage }) => badUsage),
      differencesMax,
    ],
  );
  return rows;
}

/** Calls whose version is not older than the publishing of their run. */
async function checkVersions(
  client: Client,
  places: readonly Place[],
  { runId, differencesMax }: Scope,
  notes: string[],
): Promise<Difference[]> {
  const published = await readPublishings(client);
  const differences: Difference[] = [];
  const blind: string[] = [];
  const rewritten: string[] = [];
  let oldest = -1n;
  for (const { run, figures } of places) {
    if (figures !== undefined && BigInt(figures.oldest) > oldest) oldest = BigInt(figures.oldest);
    if (runId !== undefined && run.runId !== runId) continue;
    if (figures === undefined) continue;
    const ago = published.get(run.runId);
    if (ago === undefined) blind.push(run.runId);
    else if (BigInt(figures.newest) > ago) continue;
    // Whatever writes the whole table anew does so with the calls of all earlier runs, too.
    else if (oldest <= ago) rewritten.push(run.runId);
    else if (differences.length < differencesMax) {
      differences.push(...(await writtenAgain(client, run, ago, differencesMax - differences.length)));
    }
  }
  if (blind.length > 0) {
    notes.push(
      `Whether calls of ${named(blind)} were written again after they were billed can't be told: published before ` +
        'meterfold kept the transaction, restored from a dump, or more than 2^31 transactions ago.',
    );
  }
  if (rewritten.length > 0) {
    notes.push(
      `All calls up to the end of ${named(rewritten)} were written again after they were billed, as a change of the table's ` +
        "columns does it: whether something else changed one of them, in columns that are not billed, can't be told.",
    );
  }
  return differences;
}

function named(runs: readonly string[]): string {
  if (runs.length === 1) return `run ${runs[0]}`;
  return `${runs.length} runs (${runs[0]} to ${runs.at(-1)})`;
}

/**
 * How many transactions ago each run was published, where that can be told. It can't for a run whose row came here by dump and
 * restore: its version is not of the transaction that published it, nor is that of any run before it.
 */
async function readPublishings(client: Client): Promise<Map<string, bigint>> {
  const { rows } = await client.query<{ runId: string; ago: string; distance: string; own: boolean }>(
    `select run_id as "runId", age(published_xid::xid)::bigint & 4294967295 as ago,
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
      .map(({ runId, ago }) => [runId, BigInt(ago)]),
  );
}

async function writtenAgain(
  client: Client,
  { runId, watermark, sealedEnd }: Place['run'],
  ago: bigint,
  limit: number,
): Promise<Difference[]> {
  const { rows } = await client.query<Difference>(
    `select 'api_logs' as "check", $4 as run, user_id as "user", null as cycle, id as call, 'xmin' as "column",
            'as it was when it was billed' as expected,
            format('written again by transaction %s', xmin) as found
       from public.api_logs
      where id > $1 and id <= $2 and ${TRANSACTIONS_AGO} <= $3
      order by id
      limit $5`,
    [watermark, sealedEnd, String(ago), runId, limit],
  );
  return rows;
}
