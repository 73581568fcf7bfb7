/**
 * Unpacked calls, by bucket: each bucket's lie in a chain of blocks, every call written where the one before it ends. A call touches nothing
 * but its bucket's end, and those of all buckets lie in the processor's second cache. That is radix partitioning: Manegold, Boncz
 * and Kersten, Optimizing Main-Memory Join on Modern Hardware, TKDE 2002.
 */
import { copyBytes } from './bytes';
import { writeVarint, zigzag } from './varint';

/** As in src/engine/segment.ts. */
export const BUCKETS = 4096;
export const USER_BYTES_MAX: u32 = 256;
const CALL_BODY_BYTES_MAX: u32 = 3 * 8;

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
const buckets: usize = memory.data(BUCKETS * BUCKET_BYTES, 16);

// A block: the place of the next one, where its calls end, and the calls.
const NEXT = 0;
const END = 4;
const BLOCK_HEAD_BYTES: u32 = 8;
const BLOCK_BYTES_MIN: u32 = 256;
const BLOCK_BYTES_MAX: u32 = 2048;
/** Where a chain has ended. */
export const NO_BLOCK: usize = 0;

// A call: the low half of its user's hash, the lengths of the name less one and of the body, the name, the body as segment.ts has it.
const HASH = 0;
const NAME_LENGTH = 4;
const BODY_LENGTH = 5;
const CALL_HEAD_BYTES: u32 = 6;
/** How far before a block's end its limit lies: what a call takes beside the name. */
const LIMIT_BYTES: u32 = CALL_HEAD_BYTES + CALL_BODY_BYTES_MAX;

/** Where blocks lie. */
export let arena: usize = 0;
let arenaEnd: usize = 0;
/** Where the next block begins. */
let free: usize = 0;
/** How many calls lie in buckets. */
export let held: u32 = 0;

export function openArena(at: usize, bytes: u32): void {
  arena = at;
  arenaEnd = at + bytes;
  clear();
}

/** Forgets all calls. */
export function clear(): void {
  memory.fill(buckets, 0, BUCKETS * BUCKET_BYTES);
  free = arena;
  held = 0;
}

/** True if there is room for another call, whosever it is. */
export function hasRoom(): bool {
  return free + BLOCK_BYTES_MAX <= arenaEnd;
}

/** Puts a call into a bucket; its position as an offset, not before that of the one before. */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
export function put(bucket: u32, hashLo: u32, name: usize, length: u32, offset: i64, usage: u64, calledAt: i64): void {
  const own: usize = buckets + bucket * BUCKET_BYTES;
  if (load<u32>(own, AT) + length >= load<u32>(own, LIMIT)) nextBlock(own, length);
  const call: usize = load<u32>(own, AT);
  const copy = nameOf(call);
  // What is too much lies within the block, whose limit leaves room for a body.
  copyBytes(copy, name, length);
  const body = copy + length;
  let at = writeVarint(body, u64(offset - load<i64>(own, OFFSET)));
  at = writeVarint(at, usage);
  at = writeVarint(at, zigzag(calledAt - load<i64>(own, CALLED_AT)));
  store<u32>(call, hashLo, HASH);
  store<u8>(call, u8(length - 1), NAME_LENGTH);
  store<u8>(call, u8(at - body), BODY_LENGTH);

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

export function callsOf(bucket: u32): u32 {
  return load<u32>(buckets + bucket * BUCKET_BYTES, CALLS);
}

/** NO_BLOCK, if the bucket has no calls. */
export function firstBlock(bucket: u32): usize {
  return load<u32>(buckets + bucket * BUCKET_BYTES, FIRST);
}

/** The block after one, or NO_BLOCK. */
export function blockAfter(bucket: u32, block: usize): usize {
  return isLast(bucket, block) ? NO_BLOCK : load<u32>(block, NEXT);
}

/** Where the calls of a block begin. */
export function startOf(block: usize): usize {
  return block + BLOCK_HEAD_BYTES;
}

/** Where the calls of a block end. */
export function endOf(bucket: u32, block: usize): usize {
  return isLast(bucket, block) ? load<u32>(buckets + bucket * BUCKET_BYTES, AT) : load<u32>(block, END);
}

function isLast(bucket: u32, block: usize): bool {
  return load<u32>(buckets + bucket * BUCKET_BYTES, CURRENT) === u32(block);
}

// Of the call that lies at a place:

/** The low half of its user's hash, or what was put there. */
export function hashOf(call: usize): u32 {
  return load<u32>(call, HASH);
}

export function setHash(call: usize, hash: u32): void {
  store<u32>(call, hash, HASH);
}

export function nameOf(call: usize): usize {
  return call + CALL_HEAD_BYTES;
}

export function nameLengthOf(call: usize): u32 {
  return u32(load<u8>(call, NAME_LENGTH)) + 1;
}

export function bodyOf(call: usize): usize {
  return nameOf(call) + nameLengthOf(call);
}

export function bodyLengthOf(call: usize): u32 {
  return load<u8>(call, BODY_LENGTH);
}
