/** What every check of verify is given: the published runs, by which it judges all else. Whether they are right is checked apart. */
import { one, type Queryable } from './pool.js';

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

export interface History {
  /** In the order of their ranges. */
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
  /** Where the newest run begins. */
  newestAfter: string;
  /** The tails that the newest run has superseded are all there still. */
  keepsSuperseded: boolean;
}

export async function readHistory(db: Queryable): Promise<History> {
  const { rows: runs } = await db.query<PublishedRun>(`
    select distinct on (watermark, sealed_end, run_id)
           run_id as "runId", watermark, coalesce(sealed_end, watermark) as "sealedEnd"
      from meterfold.runs
     where state = 'published'
     order by watermark, sealed_end, run_id`);
  const totals = one(
    await db.query<{ calls: number; callsPerCycle: number | null; keepsSuperseded: boolean }>(`
      select coalesce(sum(calls), 0)::float8 as calls,
             -- The most common one, should somebody have changed that of a run.
             case when count(*) > 0 then greatest(1, mode() within group (order by calls_per_cycle)) end as "callsPerCycle",
             -- A run that was published on top of it, and reverted, has swept them; so did the runs of old.
             coalesce((select newest.published_xid is not null
                              and not exists (select from meterfold.runs other
                                               where other.previous_run_id = newest.run_id and other.state = 'reverted')
                         from meterfold.runs newest
                        where newest.state = 'published'
                        order by newest.run_id desc
                        limit 1), false) as "keepsSuperseded"
        from meterfold.runs
       where state = 'published'`),
  );
  return {
    runs,
    watermark: runs.at(-1)?.sealedEnd ?? '0',
    starts: runs.map(({ watermark }) => String(BigInt(watermark) + 1n)),
    runIds: runs.map(({ runId }) => runId),
    newestAfter: runs.at(-1)?.watermark ?? '0',
    ...totals,
    callsPerCycle: totals.callsPerCycle ?? undefined,
  };
}
