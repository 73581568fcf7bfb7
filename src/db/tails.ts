/**
 * Tails: what each user's open cycle was after a run. Append-only; a run reads, by index, and writes only the users it touched,
 * so that its cost does not grow with the history.
 */
import type { FoldedUser, OpenCycle } from '../domain/reduce.js';
import { USER_BYTES_MAX } from '../domain/segment.js';
import { copyOut, isNull } from './copy-out.js';
import type { Pool } from './pool.js';
import type { RowBuffer } from './row-buffer.js';

export const tailsCopy = (schema: string) => `
  copy ${schema}.tails (run_id, next_cycle, usage, first_call_id, first_called_at, calls, user_id)
  from stdin (format binary)`;

const COLUMNS = 7;
const ROW_BYTES_MAX = 2 + 5 * 12 + 6 + 4 + USER_BYTES_MAX;

export function appendTail(rows: RowBuffer, runId: number, user: FoldedUser): void {
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

/**
 * The open cycles of those users after run `asOf`, in the order given; undefined for a user never seen. One index probe a user.
 * By COPY, whose rows cost a fraction of a query's; it takes no parameters, so the users are quoted into its text.
 */
export async function readTails(
  pool: Pool,
  users: readonly string[],
  asOf: bigint,
): Promise<(OpenCycle | undefined)[]> {
  const client = await pool.connect();
  const tails = new Array<OpenCycle | undefined>(users.length);
  const sql = `
    copy (select asked.number, tail.next_cycle, tail.calls, tail.usage, tail.first_call_id, tail.first_called_at
            from unnest(${client.escapeLiteral(arrayOf(users))}::text[]) with ordinality as asked (user_id, number)
           cross join lateral (
                 select * from meterfold.tails
                  where user_id = asked.user_id collate "C" and run_id <= ${asOf}
                  order by run_id desc
                  limit 1) tail)
      to stdout (format binary)`;
  try {
    await copyOut(client, sql, 6, (view, at) => {
      tails[view.getInt32(at + 8) - 1] = openCycleAt(view, at + 12);
    });
    client.release();
    return tails;
  } catch (error) {
    client.release(error as Error);
    throw error;
  }
}

/** Next cycle and usage as int32 length 8 and int64, calls as length 2 and int16 between them; then the first call, or nulls. */
function openCycleAt(view: DataView, at: number): OpenCycle {
  const hasCall = !isNull(view, at + 30);
  return {
    cycle: view.getBigInt64(at + 4),
    calls: view.getInt16(at + 16),
    usage: view.getBigInt64(at + 22),
    firstCallId: hasCall ? view.getBigInt64(at + 34) : 0n,
    firstCalledAt: hasCall ? view.getBigInt64(at + 46) : 0n,
  };
}

/** As the text of an array: each element in quotes, in which only quotes and backslashes mean anything. */
function arrayOf(texts: readonly string[]): string {
  return `{${texts.map((text) => `"${text.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
