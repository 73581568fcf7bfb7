/**
 * Divides a run's work: how many partitions and shards it has, which log positions and hash buckets each of them gets,
 * and the passes in which a reduce task goes through its shard.
 *
 *   range of the log ─┬─ partition 0 ─┬─ subrange 0    a map task reads a partition, one subrange at a time
 *                     │               └─ subrange 1
 *                     └─ partition 1 …
 *   4,096 buckets ────┬─ shard 0 ─┬─ pass 0            a reduce task folds a shard, one pass at a time
 *                     │           └─ pass 1
 *                     └─ shard 1 …
 *
 * Everything here is a pure decision. src/log reads the figures that the decisions need.
 */
import { invariant } from '../invariant.js';
import { BUCKETS, SPAN_MAX } from './layout.js';
import type { SpillIndex } from './segment.js';

/**
 * Temporal advises to stay near 500 activities a workflow. Larger runs get larger partitions and shards instead of
 * more.
 */
export const PARTITIONS_MAX = 500;
export const SHARDS_MAX = 500;

/**
 * Memory of a task for a map's unpacked calls, or for the segments of a reduce's pass. One bucket of one spill always
 * fits.
 */
export const ARENA_BYTES = 20 * 2 ** 20;

/**
 * A task costs Temporal and a worker about 20 ms, however small it is. The larger a task, the more is repeated if it is
 * lost.
 */
const CALLS_PER_MAP = 2_500_000;
const CALLS_PER_REDUCE = 1_250_000;
/** Below this, a second task costs more than it saves. */
const CALLS_PER_TASK_MIN = 50_000;
/**
 * A run of at most this many calls is one task (activities/small-run.ts): two parallel tasks would not finish earlier.
 */
export const SMALL_RUN_CALLS = 250_000;

/**
 * From this number of slots on, a recount by one process would outlast the whole reduce phase. The recount then uses
 * several processes and takes about as long as one shard.
 */
export const PARALLEL_SLOTS_MIN = 8;
/** With fewer slots, the recount takes this fraction of the time of all tasks of its phase. */
const RECOUNT_SHARE = 0.25;

/** The number of map tasks for that many calls. */
export function mapsFor(calls: number, slots: number): number {
  return Math.min(PARTITIONS_MAX, tasksFor(calls, slots, CALLS_PER_MAP));
}

/** The number of reduce tasks for that many calls. Together with the recount, they occupy all slots. */
export function reducesFor(calls: number, slots: number): number {
  const tasks = tasksFor(calls, slots, CALLS_PER_REDUCE);
  const recounts = slots < PARALLEL_SLOTS_MIN ? Math.ceil(tasks * RECOUNT_SHARE) : 1;
  return Math.min(SHARDS_MAX, Math.max(1, tasks - recounts));
}

/** The smallest number of tasks that occupies every slot, and gives each slot the same number of tasks. */
function tasksFor(calls: number, slots: number, callsPerTask: number): number {
  if (calls <= SMALL_RUN_CALLS) return 1;
  const few = Math.min(slots, Math.ceil(calls / CALLS_PER_TASK_MIN));
  const many = Math.ceil(calls / callsPerTask);
  return many > slots ? Math.ceil(many / slots) * slots : Math.max(1, few);
}

/** Log positions from `first` to `last`, both inclusive. */
export interface PositionRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** The number of log positions in a range. */
export function width(range: PositionRange): bigint {
  return range.last - range.first + 1n;
}

export function totalWidth(ranges: readonly PositionRange[]): bigint {
  return ranges.reduce((sum, range) => sum + width(range), 0n);
}

/**
 * Divides the occupied ranges of the log, in ascending order, into about `count` partitions that contain equally many
 * occupied positions. Gaps between occupied ranges do not count. More than `count` partitions result only where one
 * would span more than SPAN_MAX positions.
 */
export function cutPartitions(occupied: readonly PositionRange[], count: number): PositionRange[] {
  invariant(count >= 1, 'at least one partition');
  const total = totalWidth(occupied);
  const each = (total + BigInt(count) - 1n) / BigInt(count);
  const partitions: PositionRange[] = [];
  let open: { first: bigint; last: bigint; filled: bigint } | undefined;
  const close = () => {
    if (open !== undefined) partitions.push({ first: open.first, last: open.last });
    open = undefined;
  };
  for (const range of occupied) {
    let first = range.first;
    while (first <= range.last) {
      if (open !== undefined && first - open.first >= SPAN_MAX) close();
      open ??= { first, last: first - 1n, filled: 0n };
      const room = min(each - open.filled, SPAN_MAX - (first - open.first));
      const last = min(range.last, first + room - 1n);
      open.filled += last - first + 1n;
      open.last = last;
      first = last + 1n;
      if (open.filled >= each) close();
    }
  }
  close();
  return partitions;
}

/** A run of ten billion calls has partitions of 20 million calls, which are 16 subranges. */
const SUBRANGES_MAX = 64;

/**
 * Divides a partition of more positions than a map can hold calls into subranges of at most `callsMax` positions. If
 * there would be more than SUBRANGES_MAX, most positions must be gaps, and the partition remains one subrange.
 */
export function cutSubranges(partition: PositionRange, callsMax: number): PositionRange[] {
  const count = (width(partition) + BigInt(callsMax) - 1n) / BigInt(callsMax);
  return count > SUBRANGES_MAX ? [partition] : cutPartitions([partition], Number(count));
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** Hash buckets from `first`, inclusive, to `end`, exclusive. */
export interface BucketRange {
  readonly first: number;
  readonly end: number;
}

/** Divides all buckets into `count` shards whose sizes differ by at most one bucket. */
export function cutShards(count: number): BucketRange[] {
  invariant(count >= 1 && count <= BUCKETS, `1 to ${BUCKETS} shards`);
  const cut = (shard: number) => Math.floor((shard * BUCKETS) / count);
  return Array.from({ length: count }, (_, shard) => ({ first: cut(shard), end: cut(shard + 1) }));
}

/** The buckets that a reduce task folds at once, and the spills that have calls in them. */
export interface Pass {
  readonly buckets: BucketRange;
  readonly spills: readonly SpillIndex[];
  /** False if the next pass folds further calls of the same bucket. */
  readonly lastOfBuckets: boolean;
}

/**
 * Divides a shard into passes of at most `bytesMax` bytes of segments. A pass takes as many whole buckets as fit. A
 * bucket that is too large for one pass (a user with very many calls) is divided by spill, in the order of the log, and
 * the open cycles of one pass continue in the next. The smallest pass is one bucket of one spill.
 */
export function cutPasses(spills: readonly SpillIndex[], shard: BucketRange, bytesMax: number): Pass[] {
  const passes: Pass[] = [];
  const bytesOf = (first: number, end: number) => spills.reduce((sum, spill) => sum + spill.bytes(first, end), 0);
  let first = shard.first;
  while (first < shard.end) {
    let end = first + 1;
    let bytes = bytesOf(first, end);
    while (end < shard.end && bytes + bytesOf(end, end + 1) <= bytesMax) {
      bytes += bytesOf(end, end + 1);
      end++;
    }
    const buckets = { first, end };
    const filled = spills.filter((spill) => spill.bytes(first, end) > 0);
    if (bytes <= bytesMax) {
      if (filled.length > 0) passes.push({ buckets, spills: filled, lastOfBuckets: true });
    } else passes.push(...cutBySpill(filled, buckets, bytesMax));
    first = end;
  }
  return passes;
}

function cutBySpill(spills: readonly SpillIndex[], buckets: BucketRange, bytesMax: number): Pass[] {
  const groups: SpillIndex[][] = [];
  let bytes = 0;
  for (const spill of spills) {
    const own = spill.bytes(buckets.first, buckets.end);
    const group = groups.at(-1);
    if (group === undefined || bytes + own > bytesMax) {
      groups.push([spill]);
      bytes = own;
    } else {
      group.push(spill);
      bytes += own;
    }
  }
  return groups.map((group, i) => ({ buckets, spills: group, lastOfBuckets: i === groups.length - 1 }));
}
