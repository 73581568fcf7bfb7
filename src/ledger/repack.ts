/**
 * Repack: merges the small rows of records that frequent runs create. No figure changes.
 *
 * A row costs about 145 bytes besides its numbers. Where a run every two seconds closes one cycle of a user, a cycle
 * takes 185 bytes; in a full repacked row it takes 51: 40 of numbers, 8 of its run, 3 of its share of the row.
 *
 *   range      rows of one user with consecutive cycles, whose runs have the same terms; none of the rows is full
 *   decision   a range is rewritten if that saves at least an eighth of what it writes. So the remaining rows take at
 *              most an eighth more than the best packing, and all passes together write at most eight times what they save
 *   proof      one transaction per batch of users: digest of the statements of these cycles, delete, insert, the same
 *              digest again
 *   settled    only rows of runs on which another published run was built: these cannot be reverted or discarded. A run
 *              in progress adds rows of later cycles, which a pass does not read
 *
 * Concurrent passes alternate, batch by batch, by a lock on meterfold.repacks. A pass that dies keeps the batches that
 * it has committed.
 */
import { type Client, one, type Pool, transaction } from '../postgres/pool.js';
import { CYCLE_INDEXES, PACKED_COLUMNS, packedRows, RUN_AT } from './records.js';
import {
  type Batch,
  type Bounds,
  type Considered,
  CYCLE_BYTES,
  consider,
  type MergeRange,
  nextUsers,
  ROW_BYTES,
  RUN_BYTES,
  readBounds,
  type Until,
} from './repack-ranges.js';
import { recordColumns } from './statements.js';

/** The records are inconsistent; the message says how. The batch was not changed. */
export class RepackError extends Error {
  override name = 'RepackError';
}

export interface RepackOptions {
  /** All settled runs if absent. */
  until?: Until;
  /** Counts what a pass would do, and writes nothing. */
  dryRun?: boolean;
  /** Receives the result so far after each batch. */
  onProgress?: (sofar: RepackResult) => void;
}

export interface RepackResult {
  /** The newest run whose records were considered; null if no run is settled. */
  untilRunId: string | null;
  /** Users whose rows were considered. */
  users: number;
  /** Cycles that were moved, and the number of their rows before and after. */
  cycles: number;
  rowsBefore: number;
  rowsAfter: number;
}

/** Runs one pass over all users. Throws RepackError. */
export async function repack(pool: Pool, { until, dryRun = false, onProgress }: RepackOptions): Promise<RepackResult> {
  const begunAt = new Date();
  const { settled, considered } = await readBounds(pool, until);
  const result: RepackResult = { untilRunId: settled, users: 0, cycles: 0, rowsBefore: 0, rowsAfter: 0 };
  if (settled === null) return result;
  const bounds = { settled, considered };

  for (let users = await nextUsers(pool, ''); users.length > 0; users = await nextUsers(pool, users.at(-1)!)) {
    result.users += users.length;
    let batches: Batch[] = [{ users, after: '0' }];
    while (batches.length > 0) {
      const batch = batches.shift()!;
      const done = dryRun ? await consider(pool, batch, bounds) : await repackBatch(pool, batch, bounds);
      result.cycles += sumOf(done.ranges, 'cycles');
      result.rowsBefore += sumOf(done.ranges, 'rows');
      result.rowsAfter += done.rowsAfter;
      batches = [...batches, ...done.rest];
      onProgress?.(result);
    }
  }
  if (!dryRun) {
    await pool.query(
      `insert into meterfold.repacks (until_run_id, cycles, rows_before, rows_after, begun_at)
       values ($1, $2, $3, $4, $5)`,
      [settled, result.cycles, result.rowsBefore, result.rowsAfter, begunAt],
    );
  }
  return result;
}

/** Finds all rows by their keys, whatever the statistics say, and sorts the cycles of a batch in memory. */
const SESSION = `
  set local work_mem = '64MB'; set local jit = off; set local max_parallel_workers_per_gather = 0;
  set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off`;

/** Merges the ranges of a batch in one transaction, and proves that the statements of these cycles are unchanged. */
function repackBatch(pool: Pool, batch: Batch, bounds: Bounds): Promise<Considered> {
  return transaction(pool, async (client) => {
    await client.query(`${SESSION}; lock table meterfold.repacks in share row exclusive mode`);
    const found = await consider(client, batch, bounds);
    if (found.ranges.length === 0) return found;
    const before = await digestOf(client, found.ranges);
    const rows = await rewrite(client, found.ranges, bounds);
    const after = await digestOf(client, found.ranges);
    const cycles = sumOf(found.ranges, 'cycles');
    if (before.digest !== after.digest || before.cycles !== after.cycles || Number(before.cycles) !== cycles) {
      throw new RepackError(
        `Repacking the records of ${found.ranges[0]!.userId} to ${found.ranges.at(-1)!.userId} would change what they ` +
          `show (${cycles} cycles expected, ${before.cycles} before, ${after.cycles} after): the batch was not written. ` +
          'Run `meterfold verify`.',
      );
    }
    return { ...found, rowsAfter: rows };
  });
}

const asked = `unnest($1::text[], $2::bigint[], $3::bigint[]) as merged (user_id, first_cycle, end_cycle)`;
const inRange = `
  packed.user_id = merged.user_id collate "C"
  and packed.first_cycle between merged.first_cycle and merged.end_cycle`;
const valuesOf = (ranges: readonly MergeRange[]) => [
  ranges.map(({ userId }) => userId),
  ranges.map(({ firstCycle }) => firstCycle),
  ranges.map(({ endCycle }) => endCycle),
];

/** A digest of everything that statements show of the cycles in these ranges. */
async function digestOf(client: Client, ranges: readonly MergeRange[]): Promise<{ cycles: string; digest: string }> {
  return one(
    await client.query<{ cycles: string; digest: string }>(
      `select count(*) as cycles, coalesce(sum(hashtextextended(shown::text, 0)::numeric), 0) as digest
         from (select ${recordColumns}
                 from ${asked}
                cross join lateral ${packedRows({ records: inRange, repacked: inRange })} packed
                -- A subquery instead of a join, so that each run is found by its key, whatever the statistics say.
                cross join lateral (
                      select run.*
                        from meterfold.runs run
                       where run.run_id = packed.run_id and run.state = 'published'
                       limit 1) run
                cross join lateral ${CYCLE_INDEXES} cycle) shown`,
      valuesOf(ranges),
    ),
  );
}

/** Moves the cycles of these ranges to new rows, and returns the number of rows. */
async function rewrite(client: Client, ranges: readonly MergeRange[], { settled }: Bounds): Promise<number> {
  const { rowCount } = await client.query(rewriteSql, [...valuesOf(ranges), settled]);
  return rowCount ?? 0;
}

const rewriteSql = `
  with taken as (
    delete from only meterfold.records packed using ${asked}
     where ${inRange} and packed.run_id <= $4::bigint
    returning packed.*, merged.first_cycle as range_start, null::bit varying as run_ids, null::bit varying as run_starts
  ), taken_again as (
    delete from meterfold.repacked_records packed using ${asked}
     where ${inRange}
    returning packed.*, merged.first_cycle as range_start
  ), packed as (
    select user_id, first_cycle, run_id, run_ids, run_starts, range_start, ${PACKED_COLUMNS.join(', ')} from taken
    union all
    select user_id, first_cycle, run_id, run_ids, run_starts, range_start, ${PACKED_COLUMNS.join(', ')} from taken_again
  ), single as (
    select packed.user_id, packed.range_start, packed.first_cycle + cycle.index - 1 as number, ${RUN_AT} as run_id,
           ${PACKED_COLUMNS.map((name) => `substring(packed.${name}, 64 * cycle.index - 63, 64) as ${name}`).join(', ')}
      from packed
     cross join lateral generate_series(1, length(packed.usages) / 64) as cycle (index)
  ), marked as (
    select single.*, (run_id is distinct from lag(run_id) over cycles_order)::integer as is_first
      from single
    window cycles_order as (partition by user_id, range_start order by number)
  ), placed as (
    select marked.*, (sum(${CYCLE_BYTES} + ${RUN_BYTES} * is_first) over cycles_order - 1) / ${ROW_BYTES} as row_index
      from marked
    window cycles_order as (partition by user_id, range_start order by number)
  ), begun as (
    select placed.*,
           -- Each row also names the run of its first cycle.
           is_first = 1 or row_index is distinct from lag(row_index) over cycles_order as begins
      from placed
    window cycles_order as (partition by user_id, range_start order by number)
  )
  insert into meterfold.repacked_records (run_id, first_cycle, user_id, ${PACKED_COLUMNS.join(', ')}, run_ids, run_starts)
  select max(run_id), min(number), user_id,
         ${PACKED_COLUMNS.map((name) => `meterfold.concatenated(${name} order by number)`).join(',\n         ')},
         meterfold.concatenated(run_id::bit(64) order by number) filter (where begins),
         meterfold.concatenated(begins::integer::bit(1) order by number)
    from begun
   group by user_id, range_start, row_index`;

const sumOf = (ranges: readonly MergeRange[], name: 'cycles' | 'rows'): number =>
  ranges.reduce((sum, range) => sum + range[name], 0);
