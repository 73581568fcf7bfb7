/**
 * Takes calls from rows of a COPY of the log: validates and hashes them, and appends each to its bucket.
 *
 * Goals
 *   1. A row is read once, in place: framing, limits, hash and digest in one pass.
 *   2. A call that violates a limit is reported with its id, usage and reason, so that TypeScript parses no row.
 *
 * Layout of a row, big-endian; the columns of fixed length come first
 *
 *   0    1       5        7       11   19      23     31      35         43      47
 *   'd'  length  columns  length  id   length  usage  length  called_at  length  user_id
 *        i32     i16 = 4  = 8     i64  = 8     i64    = 8     i64        i32     bytes
 *
 *   A column that is null has the length -1 and no bytes. `length` at 1 counts the message without its first byte.
 *   Times are microseconds since 2000, in rows as in buckets.
 *
 * When memory is full
 *   The input has INPUT_BYTES. TypeScript copies further rows to it when the first ones are taken. A row that is larger
 *   than the input must have too long a user_id; its first 47 bytes suffice to report it. If the arena has no room for
 *   a call (buckets.ts), take() stops with FULL before that call.
 *
 * Source
 *   Rows: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format". The digest: src/billing/digest.ts.
 */
import { hasRoom, put } from './buckets';
import { COPIED } from './bytes';
import {
  BUCKET_BITS,
  CALLED_AT_END_MICROS,
  CALLED_AT_MIN_MICROS,
  POSTGRES_EPOCH_MICROS,
  REFUSAL_TIME,
  REFUSAL_TIME_MISSING,
  REFUSAL_USAGE,
  REFUSAL_USER,
  STOP_DISORDER,
  STOP_FULL,
  STOP_NO_ROW,
  STOP_REFUSED,
  USAGE_MAX,
  USER_BYTES_MAX,
  USER_BYTES_MIN,
} from './constants';
import { hashInt8, hashText } from './hash';
import { addTo, clearSum, SUM_BYTES } from './sum';

const COPY_DATA: u8 = 0x64;
const COLUMNS: u16 = 4;
const MESSAGE_HEAD_BYTES = 5;
const AT_ID = 11;
const AT_USAGE = 19;
const AT_CALLED_AT = 31;
const AT_NAME = 43;
const ROW_HEAD_BYTES = 47;
const INT8_BYTES: u32 = 8;

export const INPUT_BYTES: u32 = 256 * 1024;
/** Reads may go beyond the input's end: by a row's head, or by the bytes that copies and hashes read in words. */
export const input: usize = memory.data(INPUT_BYTES + ROW_HEAD_BYTES + COPIED, 16);

const BUCKET_SHIFT: u64 = 64 - BUCKET_BITS;
const CALLED_AT_MIN: i64 = CALLED_AT_MIN_MICROS - POSTGRES_EPOCH_MICROS;
const CALLED_AT_END: i64 = CALLED_AT_END_MICROS - POSTGRES_EPOCH_MICROS;

/** The partition: positions from `base` on, as offsets below `positions`. */
let base: i64 = 0;
let positions: u64 = 0;
/** The offset of the last call that was taken or refused. */
export let lastOffset: i64 = -1;

// Totals of the calls taken since begin().
export let calls: u32 = 0;
export let digest: u64 = 0;
export const usageTaken: usize = memory.data(SUM_BYTES, 8);

/** Why take() stopped: one of STOP in src/engine/layout.ts. */
export let stopped: u32 = 0;
/** The id of the call at which it stopped, unless for NO_ROW. */
export let stoppedId: i64 = 0;
/** The refused call's reason: one of REFUSAL in src/billing/call.ts. */
export let refusal: u32 = 0;
export let refusedUsage: i64 = 0;
export let refusedUsageIsNull: bool = false;

/** Starts a partition of `width` positions. The buckets must be empty. */
export function begin(firstPosition: i64, width: u64): void {
  base = firstPosition;
  positions = width;
  lastOffset = -1;
  calls = 0;
  digest = 0;
  clearSum(usageTaken);
}

/**
 * Takes at most `callsMax` calls from rows in the input. Returns the address where it stopped; `stopped` has the
 * reason:
 *
 *   NO_ROW    no whole row follows, or something that is no row of four columns
 *   FULL      before a call: no room, or `callsMax` calls are taken
 *   REFUSED   behind a call that violates a limit
 *   DISORDER  before a call whose id is not above the last one's
 *
 * Rows of other partitions are skipped. The rows lie from `at` to `end`; they would extend to `rowsEnd` if the input
 * were large enough.
 */
export function take(at: usize, end: usize, rowsEnd: usize, callsMax: u32): usize {
  stopped = STOP_NO_ROW;
  const start = at;
  const callsEnd = calls + callsMax;
  while (at + MESSAGE_HEAD_BYTES <= end) {
    const next = at + 1 + bswap(load<u32>(at, 1));
    if (next > end && (next > rowsEnd || at !== start)) return at;
    if (load<u8>(at) !== COPY_DATA || load<u16>(at, MESSAGE_HEAD_BYTES) !== bswap(COLUMNS)) return at;
    const position = bswap(load<i64>(at, AT_ID));
    const offset = position - base;
    if (u64(offset) >= positions) {
      at = next;
      continue;
    }
    if (offset <= lastOffset) return stop(at, STOP_DISORDER, position);

    // Each length is checked before what lies behind it: behind a null, the offsets do not hold.
    const usage = bswap(load<u64>(at, AT_USAGE + 4));
    const calledAt = bswap(load<i64>(at, AT_CALLED_AT + 4));
    const length = bswap(load<u32>(at, AT_NAME));
    const name = at + ROW_HEAD_BYTES;
    if (load<u32>(at, AT_USAGE) !== bswap(INT8_BYTES) || usage > u64(USAGE_MAX)) return refuse(at, next, offset);
    if (load<u32>(at, AT_CALLED_AT) !== bswap(INT8_BYTES)) return refuse(at, next, offset);
    if (calledAt < CALLED_AT_MIN || calledAt >= CALLED_AT_END) return refuse(at, next, offset);
    if (isUserRefused(length) || name + length !== next) return refuse(at, next, offset);
    if (calls === callsEnd || !hasRoom()) return stop(at, STOP_FULL, position);

    const hash = hashText(name, length);
    put(u32(hash >>> BUCKET_SHIFT), u32(hash), name, length, offset, usage, calledAt);
    lastOffset = offset;
    calls++;
    digest += hashInt8(position, hash ^ usage);
    addTo(usageTaken, usage);
    at = next;
  }
  return at;
}

function stop(at: usize, why: u32, id: i64): usize {
  stopped = why;
  stoppedId = id;
  return at;
}

// @ts-ignore: decorators of functions are AssemblyScript's
@inline
function isUserRefused(length: u32): bool {
  return length - USER_BYTES_MIN > USER_BYTES_MAX - USER_BYTES_MIN;
}

/**
 * Skips a call that violates a limit, and stores what is reported of it. The first violated limit in the order of
 * REFUSAL counts.
 */
function refuse(at: usize, next: usize, offset: i64): usize {
  let field = at + AT_USAGE;
  refusedUsageIsNull = load<u32>(field) !== bswap(INT8_BYTES);
  refusedUsage = refusedUsageIsNull ? 0 : bswap(load<i64>(field, 4));
  field += refusedUsageIsNull ? 4 : 12;
  const timeIsMissing = load<u32>(field) !== bswap(INT8_BYTES);
  field += timeIsMissing ? 4 : 12;
  if (isUserRefused(bswap(load<u32>(field)))) refusal = REFUSAL_USER;
  else if (refusedUsageIsNull || u64(refusedUsage) > u64(USAGE_MAX)) refusal = REFUSAL_USAGE;
  else refusal = timeIsMissing ? REFUSAL_TIME_MISSING : REFUSAL_TIME;
  lastOffset = offset;
  return stop(next, STOP_REFUSED, base + offset);
}
