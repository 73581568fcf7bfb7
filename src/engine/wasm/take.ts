/** Takes calls from rows of a COPY of the log: checks and hashes them, and puts each into its bucket. */
import { hasRoom, put, USER_BYTES_MAX } from './buckets';
import { COPIED } from './bytes';
import { hashInt8, hashText } from './hash';
import { addTo, clearSum, SUM_BYTES } from './sum';

/** As in src/engine/segment.ts: a bucket is the top 12 bits of the hash. */
const BUCKET_SHIFT = 52;

/** Where rows are to lie. */
export const INPUT_BYTES: u32 = 256 * 1024;
export const input: usize = memory.data(INPUT_BYTES + COPIED, 16);

/** What is taken: calls at log positions from `base` on, as offsets below `positions`. */
let base: i64 = 0;
let positions: u64 = 0;
/** Of the call that was taken, or passed over, last. */
export let lastOffset: i64 = -1;

// Of the calls taken since begin().
export let calls: u32 = 0;
export let digest: u64 = 0;
export const usageTaken: usize = memory.data(SUM_BYTES, 8);

/** Why take() has stopped; src/engine/map.ts has the numbers too. */
export let stopped: u32 = 0;
/** All rows that are whole have been taken; what follows, if anything, is no row. */
const AT_END: u32 = 0;
/** There is no room for the next call, or as many as were wanted have been taken. */
const FULL: u32 = 1;
/** The next call breaks what the log promises. */
const BAD_CALL: u32 = 2;
/** The next call has a smaller id than the one before. */
const DISORDERED: u32 = 3;

const COPY_DATA: u8 = 0x64;
const COLUMNS: u16 = 4;
const INT8_BYTES: u32 = 8;
const USAGE_MAX: u64 = 1_000_000_000_000_000;
// Of 1970 and 2100, in microseconds since 2000.
const CALLED_AT_MIN: i64 = -946_684_800_000_000;
const CALLED_AT_END: i64 = 3_155_760_000_000_000;

/** Begins a partition; there must be no calls in the buckets. */
export function begin(firstPosition: i64, width: u64): void {
  base = firstPosition;
  positions = width;
  lastOffset = -1;
  calls = 0;
  digest = 0;
  clearSum(usageTaken);
}

/** Passes over a call. */
export function pass(position: i64): void {
  lastOffset = position - base;
}

/**
 * Takes rows from the input, each in a message of its own (src/postgres/copy/copy-out.ts): id, user_id, usage, called_at. Those of other positions
 * are passed over. Takes so many calls at most; returns where it has stopped, with `stopped` telling why.
 */
export function take(at: usize, end: usize, callsMax: u32): usize {
  stopped = AT_END;
  const callsEnd = calls + callsMax;
  while (at + 5 <= end) {
    const next = at + 1 + bswap(load<u32>(at, 1));
    // Of a row that is longer than the input there is enough to see what it is.
    if (next > end && end - at < INPUT_BYTES) return at;
    if (load<u8>(at) !== COPY_DATA || load<u16>(at, 5) !== bswap(COLUMNS)) return at;
    const position = bswap(load<i64>(at, 11));
    const offset = position - base;
    if (u64(offset) >= positions) {
      at = next;
      continue;
    }
    if (offset <= lastOffset) return stop(at, DISORDERED);

    const length = bswap(load<u32>(at, 19));
    const name = at + 23;
    if (length - 1 >= USER_BYTES_MAX || name + length + 24 !== next) return stop(at, BAD_CALL);
    const rest = name + length;
    const usage = bswap(load<u64>(rest, 4));
    const calledAt = bswap(load<i64>(rest, 16));
    if (load<u32>(rest) !== bswap(INT8_BYTES) || usage > USAGE_MAX) return stop(at, BAD_CALL);
    if (load<u32>(rest, 12) !== bswap(INT8_BYTES)) return stop(at, BAD_CALL);
    if (calledAt < CALLED_AT_MIN || calledAt >= CALLED_AT_END) return stop(at, BAD_CALL);
    if (calls === callsEnd || !hasRoom()) return stop(at, FULL);

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

function stop(at: usize, why: u32): usize {
  stopped = why;
  return at;
}
