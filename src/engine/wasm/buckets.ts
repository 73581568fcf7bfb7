/**
 * Unpacked calls, grouped by bucket, while map reads a partition.
 *
 * Goals
 *   1. A call costs one sequential write: each bucket is written at its end only. The ends of all 4,096 buckets stay in
 *      the second-level cache, so that a call misses no cache, whatever the number of users.
 *   2. The calls of a bucket remain in the order of the log.
 *   3. Memory is bounded by the arena, and never freed call by call.
 *
 * Layout in memory
 *   buckets  one entry of 40 bytes for each bucket
 *
 *            0      4            8              12          16     24           32
 *            calls  first block  current block  write here  limit  last offset  last called_at
 *            u32    u32          u32            u32         u32    i64          i64
 *
 *   arena    blocks of 256 to 2,048 bytes, doubling within a bucket; free memory follows the last block
 *
 *            0           4             8
 *            next block  end of calls  call call call …  | 30 bytes |
 *                                                        ↑ limit: a call with n bytes of name starts before limit − n
 *
 *   call     0                    4              5            6
 *            low half of the hash name length−1  body length  name, body
 *
 *            The body is as in segment.ts, but for the user's number: varints of offset, usage and called_at.
 *
 * When memory is full
 *   hasRoom() is false when the arena has no room for a block of the largest size. Map then packs all buckets into a
 *   spill (pack.ts) and clears them. About 700,000 calls with names of usual length fit into an arena of 20 MiB.
 *
 * Source
 *   Radix partitioning: Manegold, Boncz and Kersten, Optimizing Main-Memory Join on Modern Hardware, TKDE 2002.
 */
import { copyBytes } from './bytes';
import { BUCKETS, USER_BYTES_MAX } from './constants';
import { writeVarint, zigzag } from './varint';

const CALLS = 0;
const FIRST = 4;
const CURRENT = 8;
const AT = 12;
const LIMIT = 16;
const OFFSET = 24;
const CALLED_AT = 32;
const BUCKET_BYTES = 40;
const buckets: usize = memory.data(BUCKETS * BUCKET_BYTES, 16);

const NEXT = 0;
const END = 4;
const BLOCK_HEAD_BYTES: u32 = 8;
const BLOCK_BYTES_MIN: u32 = 256;
const BLOCK_BYTES_MAX: u32 = 2048;
/** The address that ends a chain of blocks. */
export const NO_BLOCK: usize = 0;

const HASH = 0;
const NAME_LENGTH = 4;
const BODY_LENGTH = 5;
const CALL_HEAD_BYTES: u32 = 6;
/** Three varints of at most eight bytes. */
const CALL_BODY_BYTES_MAX: u32 = 3 * 8;
/** The fewest bytes of a call: a name of one byte, and three varints of one byte. */
export const CALL_BYTES_MIN: u32 = CALL_HEAD_BYTES + 1 + 3;
/** The most bytes of a call without its name. */
const LIMIT_BYTES: u32 = CALL_HEAD_BYTES + CALL_BODY_BYTES_MAX;

export let arena: usize = 0;
let arenaEnd: usize = 0;
/** The address of the next block. */
let free: usize = 0;
/** The number of calls in all buckets. */
export let held: u32 = 0;

export function openArena(at: usize, bytes: u32): void {
  // The length of a name is stored in one byte, less one; the largest call must fit into a block.
  if (USER_BYTES_MAX > 256) ERROR('a name has more than 256 bytes');
  arena = at;
  arenaEnd = at + bytes;
  clear();
}

/** Removes all calls. */
export function clear(): void {
  memory.fill(buckets, 0, BUCKETS * BUCKET_BYTES);
  free = arena;
  held = 0;
}

/** True if there is room for a call of any user in any bucket. */
export function hasRoom(): bool {
  return free + BLOCK_BYTES_MAX <= arenaEnd;
}

/** Appends a call to a bucket. `offset` is its position in the partition, not below the bucket's last one. */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
export function put(bucket: u32, hashLo: u32, name: usize, length: u32, offset: i64, usage: u64, calledAt: i64): void {
  const entry: usize = buckets + bucket * BUCKET_BYTES;
  if (load<u32>(entry, AT) + length >= load<u32>(entry, LIMIT)) nextBlock(entry, length);
  const call: usize = load<u32>(entry, AT);
  const copy = nameOf(call);
  // copyBytes() writes up to 15 bytes too many; behind the limit there is room for a body.
  copyBytes(copy, name, length);
  const body = copy + length;
  let at = writeVarint(body, u64(offset - load<i64>(entry, OFFSET)));
  at = writeVarint(at, usage);
  at = writeVarint(at, zigzag(calledAt - load<i64>(entry, CALLED_AT)));
  store<u32>(call, hashLo, HASH);
  store<u8>(call, u8(length - 1), NAME_LENGTH);
  store<u8>(call, u8(at - body), BODY_LENGTH);

  held++;
  store<u32>(entry, load<u32>(entry, CALLS) + 1, CALLS);
  store<u32>(entry, u32(at), AT);
  store<i64>(entry, offset, OFFSET);
  store<i64>(entry, calledAt, CALLED_AT);
}

function nextBlock(entry: usize, length: u32): void {
  const current: usize = load<u32>(entry, CURRENT);
  const isFirst = load<u32>(entry, CALLS) === 0;
  const doubled = isFirst ? BLOCK_BYTES_MIN : 2 * (load<u32>(entry, LIMIT) + LIMIT_BYTES - u32(current));
  const bytes = max(BLOCK_HEAD_BYTES + length + LIMIT_BYTES + 1, min(BLOCK_BYTES_MAX, doubled));
  const next = free;
  free += bytes;
  if (isFirst) store<u32>(entry, u32(next), FIRST);
  else {
    store<u32>(current, u32(next), NEXT);
    store<u32>(current, load<u32>(entry, AT), END);
  }
  store<u32>(entry, u32(next), CURRENT);
  store<u32>(entry, u32(next) + BLOCK_HEAD_BYTES, AT);
  store<u32>(entry, u32(next) + bytes - LIMIT_BYTES, LIMIT);
}

export function callsOf(bucket: u32): u32 {
  return load<u32>(buckets + bucket * BUCKET_BYTES, CALLS);
}

/** The bucket's first block; NO_BLOCK if it has no calls. */
export function firstBlock(bucket: u32): usize {
  return load<u32>(buckets + bucket * BUCKET_BYTES, FIRST);
}

/** The next block of the bucket, or NO_BLOCK. */
export function blockAfter(bucket: u32, block: usize): usize {
  return isLast(bucket, block) ? NO_BLOCK : load<u32>(block, NEXT);
}

/** The address of the block's first call. */
export function startOf(block: usize): usize {
  return block + BLOCK_HEAD_BYTES;
}

/** The address behind the block's last call. */
export function endOf(bucket: u32, block: usize): usize {
  return isLast(bucket, block) ? load<u32>(buckets + bucket * BUCKET_BYTES, AT) : load<u32>(block, END);
}

function isLast(bucket: u32, block: usize): bool {
  return load<u32>(buckets + bucket * BUCKET_BYTES, CURRENT) === u32(block);
}

/** The low half of the hash of the call's user, or what setHash() has stored instead. */
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
