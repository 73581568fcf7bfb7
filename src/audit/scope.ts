/**
 * What every check of verify is given: the published runs, by which it judges all else. Whether they are right is checked apart.
 * Calls are checked from the point up to which `meterfold retain` has released the log, if it has, and up to a run if one is named.
 */
import { one, type Queryable } from '../postgres/pool.js';

/** One place where what is stored is not what it should be. What does not apply is null. */
export interface Difference {
  /** The table it lies in, without its schema. */
  check: string;
  run: string | null;
  user: string | null;
  cycle: string | null;
  /** Its log position. */
  call: string | null;
  /** Null where a whole row is missing, or one too many. */
  column: string | null;
  /** Null where there should be nothing. */
  expected: string | null;
  /** Null where there is nothing. */
  found: string | null;
}

export interface Scope {
  history: History;
  /** The only run to check; undefined for all. */
  runId: string | undefined;
  /** Each check tells up to this many differences. */
  differencesMax: number;
}

export interface PublishedRun {
  runId: string;
  watermark: string;
  sealedEnd: string;
}

/** The newest point up to which the log was released. */
export interface Retained {
  runId: string;
  /** The end of that run. */
  position: string;
  /** When, in ISO 8601. */
  at: string;
  /** That have state there. */
  users: number;
}

export interface History {
  /** Undefined where nothing was released. */
  retained: Retained | undefined;
  /** Calls up to there are not checked: the retained position, or 0. */
  after: string;
  /** Published runs up to the retained point. */
  released: PublishedRun[];
  /** The last run to check; undefined for the newest. */
  untilRunId: string | undefined;
  /** Whose calls are checked, in the order of their ranges. */
  runs: PublishedRun[];
  /** Up to there calls are billed. */
  watermark: string;
  /** Undefined until a run is published: the first one fixes it. */
  callsPerCycle: number | undefined;
  /** First log position of each run: width_bucket(id, starts) is the place of the run that has billed call `id`. */
  starts: string[];
  runIds: string[];
  /** Calls that the runs say they have billed. */
  calls: number;
  /** Where the newest of these runs begins. */
  newestAfter: string;
  /** The open cycles that the newest run has left are all there; not where later runs have superseded them. */
  keepsOpenCycles: boolean;
  /** The open cycles that the newest run has superseded are all there still. */
  keepsSuperseded: boolean;
}

export async function readHistory(db: Queryable, untilRunId?: string): Promise<History> {
  const retained = await readRetained(db);
  const { rows: published } = await db.query<PublishedRun>(
    `select distinct on (watermark, sealed_end, run_id)
            run_id as "runId", watermark, coalesce(sealed_end, watermark) as "sealedEnd"
       from meterfold.runs
      where state = 'published' and ($1::bigint is null or run_id <= $1)
      order by watermark, sealed_end, run_id`,
    [untilRunId ?? null],
  );
  const isReleased = ({ runId }: PublishedRun) => retained !== undefined && BigInt(runId) <= BigInt(retained.runId);
  const runs = published.filter((run) => !isReleased(run));
  const after = retained?.position ?? '0';
  const totals = await readTotals(db, runs, untilRunId);
  return {
    retained,
    after,
    released: published.filter(isReleased),
    untilRunId,
    runs,
    watermark: runs.at(-1)?.sealedEnd ?? after,
    starts: runs.map(({ watermark }) => String(BigInt(watermark) + 1n)),
    runIds: runs.map(({ runId }) => runId),
    newestAfter: runs.at(-1)?.watermark ?? after,
    ...totals,
    callsPerCycle: totals.callsPerCycle ?? undefined,
  };
}

async function readRetained(db: Queryable): Promise<Retained | undefined> {
  const { rows } = await db.query<Retained>(`
    select run_id as "runId", position, users::float8 as users,
           to_char(retained_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at
      from meterfold.retentions
     order by run_id desc
     limit 1`);
  return rows[0];
}

interface Totals {
  calls: number;
  callsPerCycle: number | null;
  keepsOpenCycles: boolean;
  keepsSuperseded: boolean;
}

async function readTotals(
  db: Queryable,
  runs: readonly PublishedRun[],
  untilRunId: string | undefined,
): Promise<Totals> {
  return one(
    await db.query<Totals>(
      `select coalesce(sum(calls) filter (where run_id = any ($1)), 0)::float8 as calls,
              -- The most common one, should somebody have changed that of a run.
              case when count(*) > 0 then greatest(1, mode() within group (order by calls_per_cycle)) end as "callsPerCycle",
              $2::bigint is null or $2 >= max(run_id) as "keepsOpenCycles",
              -- A run that was published on top of it, and reverted, has swept them; so did the runs of old.
              coalesce((select newest.published_xid is not null
                               and newest.run_id = ($1::bigint[])[cardinality($1::bigint[])]
                               and not exists (select from meterfold.runs other
                                                where other.previous_run_id = newest.run_id and other.state = 'reverted')
                          from meterfold.runs newest
                         where newest.state = 'published'
                         order by newest.run_id desc
                         limit 1), false) as "keepsSuperseded"
         from meterfold.runs
        where state = 'published'`,
      [runs.map(({ runId }) => runId), untilRunId ?? null],
    ),
  );
}
