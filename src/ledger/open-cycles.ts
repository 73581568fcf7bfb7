/**
 * Open cycles: a row for each user and run that changed the user's open cycle. A run reads (by index) and writes only
 * the users it touches, so its cost does not grow with the history.
 */
import { USER_BYTES_MAX } from '../billing/call.js';
import type { FoldedUser, OpenCycle } from '../engine/reduce.js';
import { isNull, queryOut } from '../postgres/copy/copy-out.js';
import type { RowBuffer } from '../postgres/copy/row-buffer.js';
import type { TextArray } from '../postgres/copy/text-array.js';
import { type Client, type Pool, prepared } from '../postgres/pool.js';

/** The table has no schema here: backups/attempt.ts says why. */
export const OPEN_CYCLES_COPY = `
  copy open_cycles (run_id, next_cycle, usage, first_call_id, first_called_at, calls, user_id)
  from stdin (format binary)`;

const COLUMNS = 7;
const ROW_BYTES_MAX = 2 + 5 * 12 + 6 + 4 + USER_BYTES_MAX;

export function appendOpenCycle(rows: RowBuffer, runId: number, user: FoldedUser): void {
  const { view, calls } = user;
  rows.beginRow(COLUMNS, ROW_BYTES_MAX);
  rows.int8FromNumber(runId);
  rows.int8At(view, user.cycleAt);
  rows.int8At(view, user.usageAt);
  if (calls === 0) {
    rows.null();
    rows.null();
  } else {
    rows.int8At(view, user.firstCallIdAt);
    rows.int8At(view, user.firstCalledAtAt);
  }
  rows.int2(calls);
  rows.text(user.bytes, user.nameAt, user.nameLength);
}

/** Numbers of a user in the result of readOpenCycles(): cycle, calls, usage, and the id and time of the first call. */
const NUMBERS = 5;
/** Reading and hashing this many open cycles takes as long as one lookup by index. */
const OPEN_CYCLES_READ_A_LOOKUP = 8;

/** The users are bound: no statement's text, and so neither logs nor pg_stat_statements, contains their names. */
const LOOKUP = `
  select asked.number, open_cycle.next_cycle, open_cycle.calls, open_cycle.usage, open_cycle.first_call_id, open_cycle.first_called_at
    from unnest($1::text[]) with ordinality as asked (user_id, number)
   cross join lateral (
         select * from meterfold.open_cycles
          where user_id = asked.user_id collate "C" and run_id <= $2::bigint
          order by run_id desc
          limit 1) open_cycle`;

/**
 * Reads the open cycles of users after run `asOf`, with one index probe a user. The result holds NUMBERS numbers a
 * user, in the given order; openCycleAt() decodes it.
 */
export async function readOpenCycles(pool: Pool, users: TextArray, asOf: bigint): Promise<BigInt64Array> {
  const client = await pool.connect();
  const numbers = new BigInt64Array(NUMBERS * users.length);
  try {
    await queryOut(client, { text: LOOKUP, values: [users.encode(), String(asOf)] }, 6, (view, at) => {
      // Columns: ordinal i64, next_cycle i64, calls i16, usage i64, first_call_id i64 or null, first_called_at i64 or
      // null.
      const user = NUMBERS * (view.getInt32(at + 8) - 1);
      numbers[user] = view.getBigInt64(at + 16);
      numbers[user + 1] = BigInt(view.getInt16(at + 28));
      numbers[user + 2] = view.getBigInt64(at + 34);
      if (isNull(view, at + 42)) return;
      numbers[user + 3] = view.getBigInt64(at + 46);
      numbers[user + 4] = view.getBigInt64(at + 58);
    });
    client.release();
    return numbers;
  } catch (error) {
    client.release(error as Error);
    throw error;
  }
}

/** The open cycle of the user at an index of the lookup; undefined if the user has no history. */
export function openCycleAt(numbers: BigInt64Array, user: number): OpenCycle | undefined {
  const at = NUMBERS * user;
  // Cycles count from 1.
  if (numbers[at] === 0n) return undefined;
  return {
    cycle: numbers[at],
    calls: Number(numbers[at + 1]),
    usage: numbers[at + 2],
    firstCallId: numbers[at + 3],
    firstCalledAt: numbers[at + 4],
  };
}

/**
 * Deletes the open cycles that the previous run superseded. The time is proportional to the users of that run. Rows of
 * other runs are read only if vacuum has freed space between them, so that a run's rows no longer lie together and the
 * BRIN index excludes less.
 */
export async function deleteSuperseded(client: Client, runId: bigint): Promise<void> {
  const { rows } = await client.query<{ runId: string; few: boolean }>(
    prepared(
      `select previous.run_id as "runId", previous.users < stored.reltuples / ${OPEN_CYCLES_READ_A_LOOKUP} as few
         from meterfold.runs run
         join meterfold.runs previous on previous.run_id = run.previous_run_id
         join pg_class stored on stored.oid = 'meterfold.open_cycles'::regclass
        where run.run_id = $1 and previous.previous_run_id is not null`,
      [runId.toString()],
    ),
  );
  // The first run supersedes none.
  if (rows[0] === undefined) return;
  const { runId: previous, few } = rows[0];
  // For a literal run that is not analyzed yet, PostgreSQL expects one row and probes the index. For a subselect, it
  // expects an average run and may hash the whole table, which is faster for many users.
  await client.query(
    `delete from meterfold.open_cycles superseded
      using meterfold.open_cycles newer
      where newer.run_id = ${few ? '$1' : '(select run_id from meterfold.runs where run_id = $1)'}
        and superseded.user_id = newer.user_id and superseded.run_id < newer.run_id`,
    [previous],
  );
}
