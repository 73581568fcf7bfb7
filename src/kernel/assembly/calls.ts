/**
 * The calls of a spill as they come: rows of a COPY of the log, checked, hashed and put into buckets. Each bucket's calls lie in a chain
 * of blocks, every call written where the one before it ends. A call touches nothing but its bucket's end, and those of all buckets
 * lie in the processor's second cache; whose call it is, is found out only when a bucket is packed (src/domain/spill.ts). That is radix
 * partitioning: Manegold, Boncz and Kersten, Optimizing Main-Memory Join on Modern Hardware, TKDE 2002.
 *
 * src/domain/bucket-calls.ts is what the rest of meterfold sees of it.
 */
import { hashInt8, hashText } from './hash';
import { writeVarint, zigzag } from './varint';

/** As in src/domain/segment.ts: a bucket is the top 12 bits of the hash. */
const BUCKETS = 4096;
const BUCKET_SHIFT = 52;
const USER_BYTES_MAX: u32 = 256;
const CALL_BODY_BYTES_MAX = 3 * 8;

// What is kept of a bucket, by place.
const CALLS = 0;
/** The places of its first and its current block. */
const FIRST = 4;
const CURRENT = 8;
/** Where its next call is written, and where a call must begin at the latest, had its user a name of no bytes. */
const AT = 12;
const LIMIT = 16;
/** Of its last call; 64 bits each. */
const OFFSET = 24;
const CALLED_AT = 32;
const BUCKET_BYTES = 40;

// A block: the place of the next one, where its calls end, and the calls.
const NEXT = 0;
const END = 4;
const BLOCK_HEAD_BYTES: u32 = 8;
const BLOCK_BYTES_MIN: u32 = 256;
const BLOCK_BYTES_MAX: u32 = 2048;

// A call: the low half of its user's hash, the lengths of the name less one and of the body, the name, the body as segment.ts has it.
const NAME_LENGTH = 4;
const BODY_LENGTH = 5;
const CALL_HEAD_BYTES: u32 = 6;
/** How far before a block's end its limit lies: what a call takes beside the name. */
const LIMIT_BYTES: u32 = CALL_HEAD_BYTES + CALL_BODY_BYTES_MAX;

/** Names are copied so many bytes at a time; what is too much lies within the block, and within the row. */
const COPIED: u32 = 16;

// Where all of it lies.
export const buckets: usize = memory.data(BUCKETS * BUCKET_BYTES, 16);
export const INPUT_BYTES: u32 = 256 * 1024;
export const input: usize = memory.data(INPUT_BYTES + COPIED, 16);
export let arena: usize = 0;
let arenaEnd: usize = 0;
/** Where the next block begins. */
let free: usize = 0;

/** What is taken: calls at log positions from `base` on, as offsets below `positions`. */
let base: i64 = 0;
let positions: u64 = 0;
/** Of the call that was taken, or passed over, last. */
export let lastOffset: i64 = -1;

/** How many calls lie in buckets. */
export let held: u32 = 0;

// Of the calls taken since begin(): how many, their digest, and their usage: usageHi × 2^63 + usageLo.
export let calls: u32 = 0;
export let digest: u64 = 0;
export let usageHi: u64 = 0;
export let usageLo: u64 = 0;

/** Why take() has stopped. */
export let stopped: u32 = 0;
/** All rows that are whole have been taken; what follows, if anything, is no row. */
export const AT_END: u32 = 0;
/** There is no room for the next call, or as many as were wanted have been taken. */
export const FULL: u32 = 1;
/** The next call breaks what the log promises. */
export const BAD_CALL: u32 = 2;
/** The next call has a smaller id than the one before. */
export const DISORDERED: u32 = 3;

const COPY_DATA: u8 = 0x64;
const COLUMNS: u16 = 4;
const INT8_BYTES: u32 = 8;
const USAGE_MAX: u64 = 1_000_000_000_000_000;
// Of 1970 and 2100, in microseconds since 2000.
const CALLED_AT_MIN: i64 = -946_684_800_000_000;
const CALLED_AT_END: i64 = 3_155_760_000_000_000;
const USAGE_CARRY: u64 = 1 << 63;

/** Makes room for so many bytes of calls; comes before anything else, once. */
export function open(arenaBytes: u32): void {
  arena = usize(memory.size()) << 16;
  memory.grow(i32((arenaBytes + COPIED + 0xffff) >>> 16));
  arenaEnd = arena + arenaBytes;
  clear();
}

/** Begins a partition. */
export function begin(firstPosition: i64, width: u64): void {
  base = firstPosition;
  positions = width;
  lastOffset = -1;
  calls = 0;
  digest = 0;
  usageHi = 0;
  usageLo = 0;
  clear();
}

/** Forgets the calls that lie in buckets. */
export function clear(): void {
  memory.fill(buckets, 0, BUCKETS * BUCKET_BYTES);
  free = arena;
  held = 0;
}

export function hasRoom(): bool {
  return free + BLOCK_BYTES_MAX <= arenaEnd;
}

/** Passes over a call. */
export function pass(position: i64): void {
  lastOffset = position - base;
}

/**
 * Takes rows from the input, each in a message of its own (src/db/copy-out.ts): id, user_id, usage, called_at. Those of other positions
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
    usageLo += usage;
    if (usageLo >= USAGE_CARRY) {
      usageLo -= USAGE_CARRY;
      usageHi++;
    }
    at = next;
  }
  return at;
}

function stop(at: usize, why: u32): usize {
  stopped = why;
  return at;
}

/** Puts a call into a bucket, whatever hash its user's name has; its position as an offset, not before that of the one before. */
export function append(bucket: u32, hashLo: u32, name: usize, length: u32, offset: i64, usage: u64, calledAt: i64): void {
  put(bucket, hashLo, name, length, offset, usage, calledAt);
}

// @ts-ignore: decorators of functions are AssemblyScript's
@inline
function put(bucket: u32, hashLo: u32, name: usize, length: u32, offset: i64, usage: u64, calledAt: i64): void {
  const own: usize = buckets + bucket * BUCKET_BYTES;
  if (load<u32>(own, AT) + length >= load<u32>(own, LIMIT)) nextBlock(own, length);
  const head: usize = load<u32>(own, AT);
  const copy = head + CALL_HEAD_BYTES;
  for (let byte: u32 = 0; byte < length; byte += COPIED) v128.store(copy + byte, v128.load(name + byte));
  const body = copy + length;
  let at = writeVarint(body, u64(offset - load<i64>(own, OFFSET)));
  at = writeVarint(at, usage);
  at = writeVarint(at, zigzag(calledAt - load<i64>(own, CALLED_AT)));
  store<u32>(head, hashLo);
  store<u8>(head, u8(length - 1), NAME_LENGTH);
  store<u8>(head, u8(at - body), BODY_LENGTH);

  held++;
  store<u32>(own, load<u32>(own, CALLS) + 1, CALLS);
  store<u32>(own, u32(at), AT);
  store<i64>(own, offset, OFFSET);
  store<i64>(own, calledAt, CALLED_AT);
}

function nextBlock(own: usize, length: u32): void {
  const current: usize = load<u32>(own, CURRENT);
  const isFirst = load<u32>(own, CALLS) === 0;
  const doubled = isFirst ? BLOCK_BYTES_MIN : 2 * (load<u32>(own, LIMIT) + LIMIT_BYTES - u32(current));
  const bytes = max(BLOCK_HEAD_BYTES + length + LIMIT_BYTES + 1, min(BLOCK_BYTES_MAX, doubled));
  const next = free;
  free += bytes;
  if (isFirst) store<u32>(own, u32(next), FIRST);
  else {
    store<u32>(current, u32(next), NEXT);
    store<u32>(current, load<u32>(own, AT), END);
  }
  store<u32>(own, u32(next), CURRENT);
  store<u32>(own, u32(next) + BLOCK_HEAD_BYTES, AT);
  store<u32>(own, u32(next) + bytes - LIMIT_BYTES, LIMIT);
}
