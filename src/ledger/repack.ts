/**
 * Repack: merges the small rows of records that frequent runs leave behind, without changing a figure.
 *
 * A row costs about 145 bytes beside its numbers. A run every two seconds closes one cycle of a user, so that a cycle takes 185 bytes;
 * in a full repacked row it takes 51: 40 of numbers, 8 of its run, 3 of its part of the row.
 *
 *   stretch    rows of one user whose cycles follow each other, and whose runs have the same terms; neither has a row that is full
 *   decision   a stretch is rewritten if that saves at least an eighth of what is written. So what is left behind takes at most an
 *              eighth more than the best packing, and all passes together write at most eight times what they save
 *   proof      one transaction a batch of users: digest of what the statement shows of these cycles, delete, insert, the same digest
 *   settled    only rows of runs on which another published run was built: these can't be reverted or discarded any more. A run in
 *              progress adds rows of later cycles, which a pass does not look at
 *
 * Passes take turns, batch by batch, by a lock on meterfold.repacks. One that dies leaves the batches that it has committed.
 */
import { type Client, one, type Pool, transaction } from '../postgres/pool.js';
import { PLACES, packedRows, RUN_AT } from './records.js';
import {
  type Batch,
  type Bounds,
  type Considered,
  CYCLE_BYTES,
  consider,
  nextUsers,
  ROW_BYTES,
  RUN_BYTES,
  readBounds,
  type Stretch,
  type Until,
} from './repack-ranges.js';
import { recordColumns } from './statements.js';

/** Something was not as it should be; the message says what. Nothing of the batch was changed. */
export class RepackError extends Error {
  override name = 'RepackError';
}

export interface RepackOptions {
  /** All runs that are settled if absent. */
  until?: Until;
  /** Counts what a pass would do, and writes nothing. */
  dryRun?: boolean;
  onProgress?: (sofar: RepackResult) => void;
}

export interface RepackResult {
  /** The newest run whose records were considered; null if no run is settled. */
  untilRunId: string | null;
  /** Users whose rows were looked at. */
  users: number;
  /** Cycles that were moved, the rows that they were in, and those that they are in. */
  cycles: number;
  rowsBefore: number;
  rowsAfter: number;
}

/** One pass over all users. Throws RepackError. */
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
      result.cycles += sumOf(done.stretches, 'cycles');
      result.rowsBefore += sumOf(done.stretches, 'rows');
      result.rowsAfter += done.rowsAfter;
      batches = [...batches, ...done.rest];
      onProgress?.(result);
    }
  }
  if (!dryRun) {
    await pool.query(
      `insert into meterfold.repacks (until_run_id, cycles, rows_before, rows_after, begun_at) values ($1, $2, $3, $4, $5)`,
      [settled, result.cycles, result.rowsBefore, result.rowsAfter, begunAt],
    );
  }
  return result;
}

/** All rows are found by their keys, whatever PostgreSQL knows of how many there are. A batch of cycles is sorted in memory. */
const SESSION = `
  set local work_mem = '64MB'; set local jit = off; set local max_parallel_workers_per_gather = 0;
  set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off`;

/** Rewrites what is worth it, in one transaction, and proves that what is shown of these cycles is the same. */
function repackBatch(pool: Pool, batch: Batch, bounds: Bounds): Promise<Considered> {
  return transaction(pool, async (client) => {
    await client.query(`${SESSION}; lock table meterfold.repacks in share row exclusive mode`);
    const found = await consider(client, batch, bounds);
    if (found.stretches.length === 0) return found;
    const before = await digestOf(client, found.stretches);
    const rows = await rewrite(client, found.stretches, bounds);
    const after = await digestOf(client, found.stretches);
    const cycles = sumOf(found.stretches, 'cycles');
    if (before.digest !== after.digest || before.cycles !== after.cycles || Number(before.cycles) !== cycles) {
      throw new RepackError(
        `Repacking the records of ${found.stretches[0]!.userId} to ${found.stretches.at(-1)!.userId} would change what they show ` +
          `(${cycles} cycles expected, ${before.cycles} before, ${after.cycles} after): nothing of it was written. Run \`meterfold verify\`.`,
      );
    }
    return { ...found, rowsAfter: rows };
  });
}

const asked = `unnest($1::text[], $2::bigint[], $3::bigint[]) as stretch (user_id, first_cycle, end_cycle)`;
const inStretch = `packed.user_id = stretch.user_id collate "C" and packed.first_cycle between stretch.first_cycle and stretch.end_cycle`;
const valuesOf = (stretches: readonly Stretch[]) => [
  stretches.map(({ userId }) => userId),
  stretches.map(({ firstCycle }) => firstCycle),
  stretches.map(({ endCycle }) => endCycle),
];

/** Of all that a statement shows of the cycles of these stretches. */
async function digestOf(client: Client, stretches: readonly Stretch[]): Promise<{ cycles: string; digest: string }> {
  return one(
    await client.query<{ cycles: string; digest: string }>(
      `select count(*) as cycles, coalesce(sum(hashtextextended(shown::text, 0)::numeric), 0) as digest
         from (select ${recordColumns}
                 from ${asked}
                cross join lateral ${packedRows({ records: inStretch, repacked: inStretch })} packed
                -- Not a join: whatever is known of how many runs there are, each is looked up by its key.
                cross join lateral (
                      select run.* from meterfold.runs run where run.run_id = packed.run_id and run.state = 'published' limit 1) run
                cross join lateral ${PLACES} cycle) shown`,
      valuesOf(stretches),
    ),
  );
}

/** Moves the cycles of these stretches to new rows; how many rows. */
async function rewrite(client: Client, stretches: readonly Stretch[], { settled }: Bounds): Promise<number> {
  const { rowCount } = await client.query(rewriteSql, [...valuesOf(stretches), settled]);
  return rowCount ?? 0;
}

const NUMBERS = ['usages', 'first_call_ids', 'last_call_ids', 'first_called_micros', 'last_called_micros'] as const;

const rewriteSql = `
  with taken as (
    delete from only meterfold.records packed using ${asked}
     where ${inStretch} and packed.run_id <= $4::bigint
    returning packed.*, stretch.first_cycle as stretch, null::bit varying as run_ids, null::bit varying as run_starts
  ), taken_again as (
    delete from meterfold.repacked_records packed using ${asked}
     where ${inStretch}
    returning packed.*, stretch.first_cycle as stretch
  ), packed as (
    select user_id, first_cycle, run_id, run_ids, run_starts, stretch, ${NUMBERS.join(', ')} from taken
    union all
    select user_id, first_cycle, run_id, run_ids, run_starts, stretch, ${NUMBERS.join(', ')} from taken_again
  ), single as (
    select packed.user_id, packed.stretch, packed.first_cycle + cycle.place - 1 as number, ${RUN_AT} as run_id,
           ${NUMBERS.map((name) => `substring(packed.${name}, 64 * cycle.place - 63, 64) as ${name}`).join(', ')}
      from packed
     cross join lateral generate_series(1, length(packed.usages) / 64) as cycle (place)
  ), marked as (
    select single.*, (run_id is distinct from lag(run_id) over cycles_order)::integer as is_first
      from single
    window cycles_order as (partition by user_id, stretch order by number)
  ), placed as (
    select marked.*, (sum(${CYCLE_BYTES} + ${RUN_BYTES} * is_first) over cycles_order - 1) / ${ROW_BYTES} as place
      from marked
    window cycles_order as (partition by user_id, stretch order by number)
  ), begun as (
    select placed.*,
           -- A row names the run of its first cycle, too.
           is_first = 1 or place is distinct from lag(place) over (partition by user_id, stretch order by number) as begins
      from placed
  )
  insert into meterfold.repacked_records (run_id, first_cycle, user_id, ${NUMBERS.join(', ')}, run_ids, run_starts)
  select max(run_id), min(number), user_id,
         ${NUMBERS.map((name) => `meterfold.concatenated(${name} order by number)`).join(',\n         ')},
         meterfold.concatenated(run_id::bit(64) order by number) filter (where begins),
         meterfold.concatenated(begins::integer::bit(1) order by number)
    from begun
   group by user_id, stretch, place`;

const sumOf = (stretches: readonly Stretch[], name: 'cycles' | 'rows'): number =>
  stretches.reduce((sum, stretch) => sum + stretch[name], 0);
