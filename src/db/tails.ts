/**
 * Tails: what each user's open cycle was after a run. Append-only; a run reads, by index, and writes only the users it touched,
 * so that its cost does not grow with the history.
 */
import type { OpenCycle } from '../domain/reduce.js';
import { USER_BYTES_MAX } from '../domain/segment.js';
import type { Queryable } from './pool.js';
import type { RowBuffer } from './row-buffer.js';

export const tailsCopy = (schema: string) => `
  copy ${schema}.tails (run_id, next_cycle, usage, first_call_id, first_called_at, calls, user_id)
  from stdin (format binary)`;

const COLUMNS = 7;
const ROW_BYTES_MAX = 2 + 5 * 12 + 6 + 4 + USER_BYTES_MAX;

export function appendTail(
  rows: RowBuffer,
  runId: number,
  user: { bytes: Uint8Array; userStart: number; userLength: number },
  open: Readonly<OpenCycle>,
): void {
  rows.beginRow(COLUMNS, ROW_BYTES_MAX);
  rows.int8FromNumber(runId);
  rows.int8FromNumber(open.nextCycle);
  rows.int8(open.usageHi, open.usageLo);
  if (open.calls === 0) {
    rows.null();
    rows.null();
  } else {
    rows.int8(open.firstCallIdHi, open.firstCallIdLo);
    rows.int8FromNumber(open.firstCalledAt);
  }
  rows.int2(open.calls);
  rows.text(user.bytes, user.userStart, user.userLength);
}

type TailRow = [
  number: string,
  nextCycle: string,
  calls: number,
  usage: string,
  firstCallId: string,
  firstCalledAt: string,
];

/**
 * The open cycles of those users after run `asOf`, in the order given; undefined for a user never seen.
 * The planner is asked for one index probe a user.
 */
export async function readTails(db: Queryable, users: string[], asOf: bigint): Promise<(OpenCycle | undefined)[]> {
  const { rows } = await db.query<TailRow>({
    name: 'read-tails',
    rowMode: 'array',
    text: `
      select asked.number, tail.next_cycle, tail.calls, tail.usage, coalesce(tail.first_call_id, 0),
             coalesce((extract(epoch from tail.first_called_at) * 1000000)::bigint - 946684800000000, 0)
        from unnest($1::text[]) with ordinality as asked (user_id, number)
       cross join lateral (
             select * from meterfold.tails
              where user_id = asked.user_id collate "C" and run_id <= $2
              order by run_id desc
              limit 1) tail`,
    values: [users, asOf.toString()],
  });
  const tails = new Array<OpenCycle | undefined>(users.length);
  for (const [number, nextCycle, calls, usage, firstCallId, firstCalledAt] of rows) {
    const usageBits = BigInt(usage);
    const firstBits = BigInt(firstCallId);
    tails[Number(number) - 1] = {
      nextCycle: Number(nextCycle),
      calls,
      usageHi: Number(usageBits >> 32n),
      usageLo: Number(BigInt.asIntN(32, usageBits)),
      firstCallIdHi: Number(firstBits >> 32n),
      firstCallIdLo: Number(BigInt.asIntN(32, firstBits)),
      firstCalledAt: Number(firstCalledAt),
    };
  }
  return tails;
}
