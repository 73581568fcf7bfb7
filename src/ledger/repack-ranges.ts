/**
 * Which rows of records a pass of repack.ts rewrites: stretches of small rows, of runs that are settled.
 */
import { RECORD_CYCLES_MAX } from '../engine/layout.js';
import { one, type Queryable } from '../postgres/pool.js';

/** Only runs up to this one, or published before this time (ISO 8601). */
export type Until = { run: string } | { time: string };

/** Rows of one user that can be merged. */
export interface Stretch {
  userId: string;
  firstCycle: string;
  endCycle: string;
  rows: number;
  cycles: number;
  /** Changes of the run within it. */
  runs: number;
}

export const CYCLE_BYTES = 40;
export const RUN_BYTES = 8;
/** Numbers of a full row. A row may have one cycle more than fits: then too it has 96 at most, and two of them fill a page. */
export const ROW_BYTES = RECORD_CYCLES_MAX * CYCLE_BYTES;
/** A tuple's header, its key, the lengths of its strings, and its entries in the indexes. */
const OVERHEAD_BYTES = 145;
const SAVED_PART_MIN = 1 / 8;
/** By the rule above, rows of one run with as many cycles are never worth merging. */
const SMALL_CYCLES_MAX = 23;

const USERS_A_BATCH = 100;
const ROWS_OF_USER_MAX = 500;

const bytesOf = ({ cycles, runs }: Stretch) => CYCLE_BYTES * cycles + RUN_BYTES * runs;
const rowsAfter = (stretch: Stretch) => Math.ceil(bytesOf(stretch) / ROW_BYTES);

/** Whether rewriting it saves at least an eighth of the bytes that it writes. */
export function worthRepacking(stretch: Stretch): boolean {
  const after = rowsAfter(stretch);
  const saved = (stretch.rows - after) * OVERHEAD_BYTES;
  return saved > 0 && saved >= SAVED_PART_MIN * (bytesOf(stretch) + after * OVERHEAD_BYTES);
}

export interface Bounds {
  /** No later run's records are touched. */
  settled: string;
  /** Rows of runs up to this one were considered by an earlier pass. */
  considered: string;
}

export interface Batch {
  users: string[];
  /** Only rows from a later cycle on. */
  after: string;
}

export interface Considered {
  stretches: Stretch[];
  rowsAfter: number;
  /** Users with more rows than a batch takes. */
  rest: Batch[];
}

/** What a pass may touch; null if no run is settled. */
export async function readBounds(
  db: Queryable,
  until: Until | undefined,
): Promise<{ settled: string | null; considered: string }> {
  // A run can be reverted until another one was published on top of it, even if that one is itself reverted later.
  return one(
    await db.query<{ settled: string | null; considered: string }>(
      `select (select max(run.run_id)
                 from meterfold.runs run
                where run.run_id <= (select max(previous_run_id) from meterfold.runs where state in ('published', 'reverted'))
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

/** The users after that one who have rows that a run wrote: one index probe each. */
export async function nextUsers(db: Queryable, after: string): Promise<string[]> {
  const next = (than: string) =>
    `select user_id from only meterfold.records where user_id > ${than} order by user_id limit 1`;
  const { rows } = await db.query<{ user_id: string }>(
    `with recursive own (user_id) as (
       (${next('$1')})
       union all
       select (${next('own.user_id')}) from own where own.user_id is not null
     )
     select user_id from own where user_id is not null limit ${USERS_A_BATCH}`,
    [after],
  );
  return rows.map(({ user_id }) => user_id);
}

/** What of the batch is worth repacking. */
export async function consider(
  db: Queryable,
  { users, after }: Batch,
  { settled, considered }: Bounds,
): Promise<Considered> {
  const { rows } = await db.query<
    Omit<Stretch, 'cycles' | 'runs'> & { cycles: string; runs: string; last: string | null }
  >(stretchesSql, [users, after, settled, considered]);
  const stretches = rows.map(({ last: _, ...row }) => ({ ...row, cycles: Number(row.cycles), runs: Number(row.runs) }));
  const worth = stretches.filter(worthRepacking);
  const rest = new Map(rows.flatMap(({ userId, last }) => (last === null ? [] : [[userId, last]])));
  return {
    stretches: worth,
    rowsAfter: worth.reduce((sum, stretch) => sum + rowsAfter(stretch), 0),
    rest: [...rest].map(([userId, last]) => ({ users: [userId], after: last })),
  };
}

/**
 * $1 users, $2 the cycle after which their rows are read, $3 newest settled run, $4 newest run that was considered before. Of each user the rows
 * that runs have left since the last one that is too large to be merged, and the newest repacked row. A stretch ends where a cycle is
 * missing, the terms change, or a row is full. `last` is set where a user has more rows.
 */
const stretchesSql = `
  with candidate as (
    select own.*,
           -- Not a join: whatever is known of how many runs there are, each is looked up by its key.
           (select concat_ws(' ', run.price_per_unit, run.currency, run.calls_per_cycle)
              from meterfold.runs run
             where run.run_id = own.run_id and run.state = 'published') as terms
      from unnest($1::text[]) as asked (user_id)
     cross join lateral (
           (select packed.user_id, packed.first_cycle, packed.run_id, length(packed.usages) / 64 as cycles, 1 as runs, true as is_new,
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
           (select packed.user_id, packed.first_cycle, packed.run_id, length(packed.usages) / 64, length(packed.run_ids) / 64, false,
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
    select marked.*, count(*) filter (where not continues) over (partition by user_id order by first_cycle) as stretch
      from marked
  )
  select user_id as "userId", min(first_cycle) as "firstCycle", max(first_cycle + cycles) - 1 as "endCycle",
         count(*)::integer as rows, sum(cycles) as cycles, sum(runs) as runs,
         case when min(new_rows) = ${ROWS_OF_USER_MAX} then min(last) end as last
    from numbered
   group by user_id, stretch
   order by user_id collate "C", min(first_cycle)`;
