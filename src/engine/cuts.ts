/**
 * Cuts the work: how many partitions and shards, which log positions and hash buckets each has, and the passes in which a
 * reduce activity goes through its shard. Pure decisions; src/log/reader.ts asks the database for what they need.
 */
import { invariant } from '../invariant.js';
import { BUCKETS, type BucketSlice } from './segment.js';

/** Temporal's own advice is to stay near 500 activities a workflow: past these, partitions and shards grow instead. */
export const PARTITIONS_MAX = 500;
export const SHARDS_MAX = 500;
/** Most positions a partition may span, so that an offset in it takes eight bytes as a varint. */
export const SPAN_MAX = 2n ** 52n;

/** What a task has for a map's calls that are not packed yet, or for a reduce's pass. What one bucket takes of a spill always fits. */
export const ARENA_BYTES = 20 * 2 ** 20;

/** A task costs Temporal and a worker some 20 ms, however small it is; a large one is the more to do again where it is lost. */
const CALLS_PER_MAP = 2_500_000;
const CALLS_PER_REDUCE = 1_250_000;
/** Below this a second task costs more than it saves. */
const CALLS_PER_TASK_MIN = 50_000;
/** A run of no more calls than this is one task (see activities/small-run.ts): two of them at work at a time would not be done before. */
export const SMALL_RUN_CALLS = 250_000;

/**
 * From so many slots on, one process would take longer for the recount than they do for all of reduce: it has several, and takes about
 * as long as a shard.
 */
export const PARALLEL_SLOTS_MIN = 8;
/** What it takes otherwise, of all tasks beside which it runs. */
const RECOUNT_PART = 0.25;

/** Number of map activities for that many calls. */
export function mapsFor(calls: number, slots: number): number {
  return Math.min(PARTITIONS_MAX, tasksFor(calls, slots, CALLS_PER_MAP));
}

/** Number of reduce activities for that many calls; with the recount beside them all slots have something to do. */
export function reducesFor(calls: number, slots: number): number {
  const tasks = tasksFor(calls, slots, CALLS_PER_REDUCE);
  const recounts = slots < PARALLEL_SLOTS_MIN ? Math.ceil(tasks * RECOUNT_PART) : 1;
  return Math.min(SHARDS_MAX, Math.max(1, tasks - recounts));
}

/** As few as may be, but something for each of the pool's slots, and as much for one as for another. */
function tasksFor(calls: number, slots: number, callsPerTask: number): number {
  if (calls <= SMALL_RUN_CALLS) return 1;
  const few = Math.min(slots, Math.ceil(calls / CALLS_PER_TASK_MIN));
  const many = Math.ceil(calls / callsPerTask);
  return many > slots ? Math.ceil(many / slots) * slots : Math.max(1, few);
}

/** Log positions from first to last, both included. */
export interface Positions {
  readonly first: bigint;
  readonly last: bigint;
}

export function width(positions: Positions): bigint {
  return positions.last - positions.first + 1n;
}

export function totalWidth(extents: readonly Positions[]): bigint {
  return extents.reduce((sum, extent) => sum + width(extent), 0n);
}

/**
 * Cuts extents (stretches of the log that hold calls, ascending) into about `count` partitions of equal width. Gaps between
 * extents cost nothing. There are more than `count` only where a partition would span more than SPAN_MAX positions.
 */
export function cutPartitions(extents: readonly Positions[], count: number): Positions[] {
  invariant(count >= 1, 'at least one partition');
  const total = totalWidth(extents);
  const each = (total + BigInt(count) - 1n) / BigInt(count);
  const partitions: Positions[] = [];
  let open: { first: bigint; last: bigint; filled: bigint } | undefined;
  const close = () => {
    if (open !== undefined) partitions.push({ first: open.first, last: open.last });
    open = undefined;
  };
  for (const extent of extents) {
    let first = extent.first;
    while (first <= extent.last) {
      if (open !== undefined && first - open.first >= SPAN_MAX) close();
      open ??= { first, last: first - 1n, filled: 0n };
      const room = min(each - open.filled, SPAN_MAX - (first - open.first));
      const last = min(extent.last, first + room - 1n);
      open.filled += last - first + 1n;
      open.last = last;
      first = last + 1n;
      if (open.filled >= each) close();
    }
  }
  close();
  return partitions;
}

/** A partition has at most 20 million calls where a run has ten billion: 16 parts. */
const PARTS_MAX = 64;

/**
 * Cuts a partition that has more calls than a map can hold into parts of `callsMax` positions at most. One that would have more than
 * PARTS_MAX, of which most positions must be gaps, is its only part.
 */
export function cutParts(partition: Positions, callsMax: number): Positions[] {
  const parts = (width(partition) + BigInt(callsMax) - 1n) / BigInt(callsMax);
  return parts > PARTS_MAX ? [partition] : cutPartitions([partition], Number(parts));
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** Hash buckets from first to end, end excluded. */
export interface Buckets {
  readonly first: number;
  readonly end: number;
}

/** Cuts the hash buckets into `count` shards of equal size. */
export function cutShards(count: number): Buckets[] {
  invariant(count >= 1 && count <= BUCKETS, `1 to ${BUCKETS} shards`);
  const cut = (shard: number) => Math.floor((shard * BUCKETS) / count);
  return Array.from({ length: count }, (_, shard) => ({ first: cut(shard), end: cut(shard + 1) }));
}

/** A part of a shard that is folded at once: these buckets of these slices. */
export interface Pass {
  readonly buckets: Buckets;
  readonly slices: readonly BucketSlice[];
  /** False when a later pass folds further calls of the same users. */
  readonly lastOfBuckets: boolean;
}

/**
 * Cuts a shard into passes of at most `bytesMax` bytes of segments. As many whole buckets as fit make a pass; a bucket that
 * is too large for one (a user with very many calls) is cut along its slices, in the order of the log, and what one pass
 * leaves open is carried into the next. One slice of one bucket is the least.
 */
export function cutPasses(slices: readonly BucketSlice[], shard: Buckets, bytesMax: number): Pass[] {
  const passes: Pass[] = [];
  const bytesOf = (first: number, end: number) => slices.reduce((sum, slice) => sum + slice.bytes(first, end), 0);
  let first = shard.first;
  while (first < shard.end) {
    let end = first + 1;
    let bytes = bytesOf(first, end);
    while (end < shard.end && bytes + bytesOf(end, end + 1) <= bytesMax) {
      bytes += bytesOf(end, end + 1);
      end++;
    }
    const buckets = { first, end };
    const filled = slices.filter((slice) => slice.bytes(first, end) > 0);
    if (bytes <= bytesMax) {
      if (filled.length > 0) passes.push({ buckets, slices: filled, lastOfBuckets: true });
    } else passes.push(...cutAlongSlices(filled, buckets, bytesMax));
    first = end;
  }
  return passes;
}

function cutAlongSlices(slices: readonly BucketSlice[], buckets: Buckets, bytesMax: number): Pass[] {
  const groups: BucketSlice[][] = [];
  let bytes = 0;
  for (const slice of slices) {
    const own = slice.bytes(buckets.first, buckets.end);
    const group = groups.at(-1);
    if (group === undefined || bytes + own > bytesMax) {
      groups.push([slice]);
      bytes = own;
    } else {
      group.push(slice);
      bytes += own;
    }
  }
  return groups.map((group, i) => ({ buckets, slices: group, lastOfBuckets: i === groups.length - 1 }));
}
