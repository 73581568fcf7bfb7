/** Finds the rows of records that a pass of repack.ts merges: ranges of small rows of settled runs. */

import { RECORD_CYCLES_MAX } from '../engine/layout.js';
import { one, type Queryable } from '../postgres/pool.js';
import { TERMS_KEY_SQL } from '../schema/terms.js';

/** Limits a pass to runs up to this one, or to runs published before this time (ISO 8601). */
export type Until = { run: string } | { time: string };

/** Consecutive rows of one user that can be merged. */
export interface MergeRange {
  userId: string;
  firstCycle: string;
  endCycle: string;
  rows: number;
  cycles: number;
  /** How often the run changes within the range, plus one. */
  runs: number;
}

export const CYCLE_BYTES = 40;
export const RUN_BYTES = 8;
/**
 * Bytes of numbers in a full row. A row may have one cycle more than fits: it then has at most RECORD_CYCLES_MAX, and
 * two rows fill a page.
 */
export const ROW_BYTES = RECORD_CYCLES_MAX * CYCLE_BYTES;
/** Bytes of a row besides its numbers: tuple header, key, lengths of the bit strings, and index entries. */
const OVERHEAD_BYTES = 145;
const SAVED_PART_MIN = 1 / 8;
/** By worthRepacking(), rows of one run with more cycles are never worth merging. */
const SMALL_CYCLES_MAX = 23;

const USERS_PER_BATCH = 100;
const ROWS_OF_USER_MAX = 500;

const bytesOf = ({ cycles, runs }: MergeRange) => CYCLE_BYTES * cycles + RUN_BYTES * runs;
const rowsAfter = (range: MergeRange) => Math.ceil(bytesOf(range) / ROW_BYTES);

/** True if a rewrite of the range saves at least an eighth of the bytes that it writes. */
export function worthRepacking(range: MergeRange): boolean {
  const after = rowsAfter(range);
  const saved = (range.rows - after) * OVERHEAD_BYTES;
  return saved > 0 && saved >= SAVED_PART_MIN * (bytesOf(range) + after * OVERHEAD_BYTES);
}

export interface Bounds {
  /** The newest settled run. Records of later runs are not touched. */
  settled: string;
  /** Rows of runs up to this one were considered by an earlier pass. */
  considered: string;
}

export interface Batch {
  users: string[];
  /** Only rows that begin after this cycle are read. */
  after: string;
}

export interface Considered {
  ranges: MergeRange[];
  rowsAfter: number;
  /** Users with more rows than a batch takes. */
  rest: Batch[];
}

/** The bounds of a pass; `settled` is null if no run is settled. */
export async function readBounds(
  db: Queryable,
  until: Until | undefined,
): Promise<{ settled: string | null; considered: string }> {
  // A run is settled once another run was published on top of it, even if that run was reverted later.
  return one(
    await db.query<{ settled: string | null; considered: string }>(
      `select (select max(run.run_id)
                 from meterfold.runs run
                where run.run_id <= (select max(previous_run_id)
                                       from meterfold.runs
                                      where state in ('published', 'reverted'))
                  and run.state = 'published'
                  and ($1::bigint is null or run.run_id <= $1)
                  and ($2::timestamptz is null or run.published_at < $2)) as settled,
              (select coalesce(max(until_run_id), 0) from meterfold.repacks) as considered`,
      [
        until !== undefined && 'run' in until ? until.run : null,
        until !== undefined && 'time' in until ? until.time : null,
      ],
    ),
  );
}

/** The next users after `after` who have rows in meterfold.records: one index lookup each. */
export async function nextUsers(db: Queryable, after: string): Promise<string[]> {
  const next = (than: string) =>
    `select user_id from only meterfold.records where user_id > ${than} order by user_id limit 1`;
  const { rows } = await db.query<{ user_id: string }>(
    `with recursive own (user_id) as (
       (${next('$1')})
       union all
       select (${next('own.user_id')}) from own where own.user_id is not null
     )
     select user_id from own where user_id is not null limit ${USERS_PER_BATCH}`,
    [after],
  );
  return rows.map(({ user_id }) => user_id);
}

/** The ranges of a batch that are worth repacking. */
export async function consider(
  db: Queryable,
  { users, after }: Batch,
  { settled, considered }: Bounds,
): Promise<Considered> {
  const { rows } = await db.query<
    Omit<MergeRange, 'cycles' | 'runs'> & { cycles: string; runs: string; last: string | null }
  >(rangesSql, [users, after, settled, considered]);
  const all = rows.map(({ last: _, ...row }) => ({ ...row, cycles: Number(row.cycles), runs: Number(row.runs) }));
  const ranges = all.filter(worthRepacking);
  const rest = new Map(rows.flatMap(({ userId, last }) => (last === null ? [] : [[userId, last]])));
  return {
    ranges,
    rowsAfter: ranges.reduce((sum, range) => sum + rowsAfter(range), 0),
    rest: [...rest].map(([userId, last]) => ({ users: [userId], after: last })),
  };
}

/**
 * $1 users, $2 cycle after which their rows are read, $3 newest settled run, $4 newest run that was considered before.
 *
 * `candidate` has, for each user, the rows of settled runs after the last row that is too large to be merged, and the
 * newest repacked row. A range ends where a cycle is missing, where the terms change, or at a row without room. `last`
 * is set where a user has more rows than one batch takes.
 */
const rangesSql = `
  with candidate as (
    select own.*,
           -- A subquery instead of a join, so that each run is found by its key, whatever the statistics say.
           (select ${TERMS_KEY_SQL}
              from meterfold.runs run
             where run.run_id = own.run_id and run.state = 'published') as terms
      from unnest($1::text[]) as asked (user_id)
     cross join lateral (
           (select packed.user_id, packed.first_cycle, packed.run_id, length(packed.usages) / 64 as cycles,
                   1 as runs, true as is_new,
                   length(packed.usages) / 64 <= ${SMALL_CYCLES_MAX} as has_room
              from only meterfold.records packed
             where packed.user_id = asked.user_id collate "C" and packed.run_id <= $3::bigint
               and packed.first_cycle > greatest($2::bigint, (
                     select large.first_cycle
                       from only meterfold.records large
                      where large.user_id = asked.user_id collate "C" and large.run_id <= $4::bigint
                        and length(large.usages) / 64 > ${SMALL_CYCLES_MAX}
                      order by large.first_cycle desc
                      limit 1))
             order by packed.first_cycle
             limit ${ROWS_OF_USER_MAX})
           union all
           (select packed.user_id, packed.first_cycle, packed.run_id, length(packed.usages) / 64,
                   length(packed.run_ids) / 64, false,
                   ${CYCLE_BYTES} * length(packed.usages) / 64 + ${RUN_BYTES} * length(packed.run_ids) / 64
                     <= ${ROW_BYTES - 2 * (CYCLE_BYTES + RUN_BYTES)}
              from meterfold.repacked_records packed
             where packed.user_id = asked.user_id collate "C"
             order by packed.first_cycle desc
             limit 1)) own
  ), marked as (
    select candidate.*,
           coalesce(has_room and lag(has_room) over cycles_order and terms = lag(terms) over cycles_order
                    and first_cycle = lag(first_cycle + cycles) over cycles_order, false) as continues,
           count(*) filter (where is_new) over (partition by user_id) as new_rows,
           max(first_cycle) filter (where is_new) over (partition by user_id) as last
      from candidate
    window cycles_order as (partition by user_id order by first_cycle)
  ), numbered as (
    select marked.*,
           count(*) filter (where not continues) over (partition by user_id order by first_cycle) as range_number
      from marked
  )
  select user_id as "userId", min(first_cycle) as "firstCycle", max(first_cycle + cycles) - 1 as "endCycle",
         count(*)::integer as rows, sum(cycles) as cycles, sum(runs) as runs,
         case when min(new_rows) = ${ROWS_OF_USER_MAX} then min(last) end as last
    from numbered
   group by user_id, range_number
   order by user_id collate "C", min(first_cycle)`;
