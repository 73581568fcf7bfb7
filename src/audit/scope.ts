/**
 * The input of every check of verify: the published runs, against which all other data is checked. audit/runs.ts checks
 * the runs themselves. Calls are checked after the position up to which `meterfold retain` has released the log, and up
 * to a given run if there is one.
 */
import { one, type Queryable } from '../postgres/pool.js';

/** A stored value that is not the expected one. Fields that do not apply are null. */
export interface Difference {
  /** The table, without its schema. */
  check: string;
  run: string | null;
  user: string | null;
  cycle: string | null;
  /** The log position of the call. */
  call: string | null;
  /** Null if a whole row is missing or redundant. */
  column: string | null;
  /** Null if nothing should exist. */
  expected: string | null;
  /** Null if nothing exists. */
  found: string | null;
}

export interface Scope {
  history: History;
  /** The only run to check; undefined for all. */
  runId: string | undefined;
  /** The most differences that each check returns. */
  differencesMax: number;
}

export interface PublishedRun {
  runId: string;
  watermark: string;
  sealedEnd: string;
}

/** The newest released point of the log. */
export interface Retained {
  runId: string;
  /** The end of the run. */
  position: string;
  /** Time of the release in ISO 8601. */
  at: string;
  /** The number of users with a stored open cycle. */
  users: number;
}

export interface History {
  /** Undefined if nothing was released. */
  retained: Retained | undefined;
  /** Calls up to this position are not checked: the retained position, or 0. */
  after: string;
  /** Published runs up to the retained point. */
  released: PublishedRun[];
  /** The last run to check; undefined for the newest run. */
  untilRunId: string | undefined;
  /** Runs whose calls are checked, in the order of their ranges. */
  runs: PublishedRun[];
  /** Calls up to this position are billed. */
  watermark: string;
  /** Undefined before the first published run, which fixes it. */
  callsPerCycle: number | undefined;
  /**
   * First log position of each run: width_bucket(id, starts) is the index, from 1, of the run that billed call `id`.
   */
  starts: string[];
  runIds: string[];
  /** The number of calls billed, by the rows of the runs. */
  calls: number;
  /** The position after which the newest of these runs begins. */
  newestAfter: string;
  /** True if all open cycles of the newest of these runs must exist: later runs have not superseded them. */
  keepsOpenCycles: boolean;
  /** True if all open cycles that the newest of these runs superseded must still exist. */
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
              -- The most common value, in case the value of one run was changed.
              case when count(*) > 0 then greatest(1, mode() within group (order by calls_per_cycle)) end as "callsPerCycle",
              $2::bigint is null or $2 >= max(run_id) as "keepsOpenCycles",
              -- A run that was published after it and then reverted has deleted them. Runs without published_xid did so
              -- too.
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
