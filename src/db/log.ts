/**
 * The log as meterfold reads it: the rows of a partition in order, where there are rows at all, and an independent count.
 */
import { CallOrderError, type PartitionMap } from '../domain/map.js';
import { type Positions, totalWidth, width } from '../domain/partitions.js';
import type { RecountOutcome } from '../domain/proof.js';
import { USER_BYTES_MAX } from '../domain/segment.js';
import type { Spill } from '../domain/spill.js';
import { copyOut, type RowReader } from './copy-out.js';
import { findStretch, type Stretch } from './log-stretch.js';
import { type Client, one, type Queryable } from './pool.js';

/** A row that breaks what the log promises. */
export interface BadCall {
  id: bigint;
  /** As the log has it, whatever it is. */
  usage: bigint | null;
  reason: string;
}

/** The run stops at such a row, and names it. */
export class BadCallError extends Error {
  override name = 'BadCallError';
}

const USAGE_MAX = 1e15;
// Microseconds since 2000-01-01.
const CALLED_AT_MIN = (Date.UTC(1970) - Date.UTC(2000)) * 1000;
const CALLED_AT_END = (Date.UTC(2100) - Date.UTC(2000)) * 1000;

/** Without statistics the planner might sort; a parallel plan would mix the rows. By the index, or by the pages of a stretch. */
const PLAN =
  'set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off; set local jit = off; ' +
  'set local max_parallel_workers_per_gather = 0';

/** Where the calls of a partition go. */
export interface PartitionReader {
  map: PartitionMap;
  /** Takes a row that breaks what the log promises, or throws. */
  onBadCall: (call: BadCall) => void;
  /** The partition is read anew from its beginning: what was taken so far does not count. */
  onRestart: () => void;
  progress: { calls: number };
}

/**
 * Streams the calls of a partition into `map`, in the order of their ids, and yields a spill for every memory-full. A COPY can't
 * wait while its spill is stored on the same connection, so there is one COPY a spill.
 *
 * Where rows lie on disk in the order of their ids, as far as a sample shows, their pages are read as they are. Were one out of
 * order after all, or elsewhere, or were they too many for one spill, the partition is read anew by the index.
 */
export async function* readPartition(
  client: Client,
  partition: Positions,
  { map, onBadCall, onRestart, progress }: PartitionReader,
): AsyncGenerator<Spill> {
  let overflowed = false;
  let setAside = 0;
  const take = (view: DataView, at: number) => {
    overflowed ||= map.full;
    if (overflowed) return;
    const fault = takeCall(view, at, map);
    progress.calls = map.calls;
    if (fault === undefined) return;
    setAside++;
    map.pass(view.getInt32(at + 4), view.getInt32(at + 8));
    onBadCall(badCall(view, at, fault));
  };

  await client.query(PLAN);
  const stretch = await findStretch(client, partition);
  if (stretch !== undefined) {
    const calls = await readStretch(client, stretch, partition, take);
    if (calls !== undefined && !overflowed && (await areAll(client, partition, calls))) {
      yield* map.spills();
      map.clear();
      return;
    }
    map.reset(partition.first);
    onRestart();
  }

  let limit = map.callsMax;
  let first = partition.first;
  while (first <= partition.last) {
    const before = map.calls;
    setAside = 0;
    overflowed = false;
    const rows = await copyCalls(client, byIndex({ first, last: partition.last }, limit), take);
    const taken = map.calls - before;
    if (taken > 0) {
      yield* map.spills();
      map.clear();
    }
    if (!overflowed && rows < limit) return;
    first = map.lastPosition + 1n;
    // Long user ids have filled the memory before the calls did: ask for no more than fitted.
    if (overflowed) limit = taken + setAside;
  }
}

/** Copies out what takeCall() takes. COPY takes no parameters; a bigint, or a number, can put nothing but digits into the text. */
function copyCalls(client: Client, from: string, take: RowReader): Promise<number> {
  const sql = `
    copy (select id, user_id, usage, called_at
            ${from})
      to stdout (format binary)`;
  return copyOut(client, sql, 4, take);
}

function byIndex({ first, last }: Positions, limit: number): string {
  return `from public.api_logs
           where id >= ${BigInt(first)} and id <= ${BigInt(last)}
           order by id
           limit ${Number(limit)}`;
}

function byPage({ table, firstPage, lastPage }: Stretch): string {
  return `from only ${table}
           where ctid >= '(${firstPage},0)' and ctid < '(${lastPage + 1},0)'`;
}

/**
 * Reads the calls of a partition that lie in a stretch, in the order of their rows: how many, or undefined if that is not the order of
 * the log. Calls of others are passed over here: the server would take longer to compare their ids than to send those of a page.
 */
async function readStretch(
  client: Client,
  stretch: Stretch,
  partition: Positions,
  take: RowReader,
): Promise<number | undefined> {
  const firstHi = Number(partition.first >> 32n);
  const firstLo = Number(partition.first & 0xffffffffn);
  const end = Number(width(partition));
  let calls = 0;
  let disordered = false;
  await copyCalls(client, byPage(stretch), (view, at) => {
    const offset = (view.getInt32(at + 4) - firstHi) * 4294967296 + (view.getUint32(at + 8) - firstLo);
    if (offset < 0 || offset >= end || disordered) return;
    calls++;
    try {
      take(view, at);
    } catch (error) {
      if (!(error instanceof CallOrderError)) throw error;
      disordered = true;
    }
  });
  return disordered ? undefined : calls;
}

/** Whether a partition has no more calls than these. Without gaps in the ids it can't have more; with gaps, the index tells. */
async function areAll(client: Client, { first, last }: Positions, read: number): Promise<boolean> {
  if (read === Number(width({ first, last }))) return true;
  const { calls } = one(
    await client.query<{ calls: string }>('select count(*) as calls from public.api_logs where id >= $1 and id <= $2', [
      first.toString(),
      last.toString(),
    ]),
  );
  return read === Number(calls);
}

/**
 * Takes one row; what keeps it from being billed, if anything does, and then it is not taken. Its id as int32 length 8 and int64;
 * user_id as int32 length and bytes; usage and called_at as id. Null has length -1.
 */
export function takeCall(view: DataView, at: number, map: PartitionMap): string | undefined {
  const userLength = view.getInt32(at + 12);
  if (userLength < 1 || userLength > USER_BYTES_MAX) return 'user_id must have 1 to 256 bytes';
  const usageAt = at + 16 + userLength;
  const usageHi = view.getInt32(usageAt + 4);
  const usageLo = view.getInt32(usageAt + 8);
  if (view.getInt32(usageAt) !== 8 || usageHi < 0 || usageHi * 4294967296 + (usageLo >>> 0) > USAGE_MAX) {
    return 'usage must be a number from 0 to 10^15';
  }
  if (view.getInt32(usageAt + 12) !== 8) return 'called_at must not be null';
  const calledAtHi = view.getInt32(usageAt + 16);
  const calledAtLo = view.getInt32(usageAt + 20);
  const calledAt = calledAtHi * 4294967296 + (calledAtLo >>> 0);
  if (calledAt < CALLED_AT_MIN || calledAt >= CALLED_AT_END) return 'called_at must lie in 1970 to 2099';
  const idHi = view.getInt32(at + 4);
  const idLo = view.getInt32(at + 8);
  map.add(view, at + 16, userLength, idHi, idLo, usageHi, usageLo, calledAtHi, calledAtLo);
  return undefined;
}

function badCall(view: DataView, at: number, reason: string): BadCall {
  const usageAt = at + 16 + Math.max(0, view.getInt32(at + 12));
  const usage = view.getInt32(usageAt) === 8 ? view.getBigInt64(usageAt + 4) : null;
  return { id: view.getBigInt64(at + 4), usage, reason };
}

/**
 * Counts a range by plain SQL that shares nothing with map and reduce. In parallel it is sooner done where there are processors that
 * have nothing else to do, and takes a fifth more of them.
 */
export async function recountRange(client: Client, range: Positions, parallel: boolean): Promise<RecountOutcome> {
  if (!parallel) await client.query('set local max_parallel_workers_per_gather = 0');
  const result = await client.query<RecountOutcome>(
    `select count(*)::text as calls, coalesce(sum(usage), 0)::text as usage
       from public.api_logs
      where id >= $1 and id <= $2`,
    [range.first.toString(), range.last.toString()],
  );
  return one(result);
}

const EXTENTS_MAX = 1024;
const EXTENTS_WANTED = 64n;
/** A stretch this narrow is not looked into any further. */
const EXTENT_WIDTH_MIN = 50_000n;
const SAMPLES = 32;
const SAMPLE_WIDTH = 256;

/**
 * Finds the stretches of a range that hold calls. Ids may have gaps of any size; a cut of the bare range could give one
 * partition all the calls. Wide stretches are halved, and each half shrinks to its own first and last call, found by the
 * index; a few dozen probes, whatever the size of the log.
 */
export async function findExtents(db: Queryable, range: Positions): Promise<Positions[]> {
  let extents = await shrink(db, [range]);
  while (extents.length < EXTENTS_MAX) {
    const each = totalWidth(extents) / EXTENTS_WANTED;
    const widthMax = each > EXTENT_WIDTH_MIN ? each : EXTENT_WIDTH_MIN;
    if (extents.every((extent) => width(extent) <= widthMax)) break;
    const halves = extents.flatMap((extent) => (width(extent) > widthMax ? halve(extent) : [extent]));
    extents = await shrink(db, halves);
  }
  return extents;
}

function halve({ first, last }: Positions): Positions[] {
  const middle = first + (last - first) / 2n;
  return [
    { first, last: middle },
    { first: middle + 1n, last },
  ];
}

async function shrink(db: Queryable, extents: Positions[]): Promise<Positions[]> {
  const { rows } = await db.query<{ first: string; last: string }>(
    `select edge.first, edge.last
       from unnest($1::bigint[], $2::bigint[]) with ordinality as extent (first, last, number)
      cross join lateral (
            select (select id from public.api_logs where id between extent.first and extent.last order by id limit 1) as first,
                   (select id from public.api_logs where id between extent.first and extent.last order by id desc limit 1) as last
            ) edge
      where edge.first is not null
      order by extent.number`,
    [extents.map((extent) => extent.first.toString()), extents.map((extent) => extent.last.toString())],
  );
  return rows.map((row) => ({ first: BigInt(row.first), last: BigInt(row.last) }));
}

/** Estimates the number of calls in the extents from a few samples of how densely their positions are used. */
export async function estimateCalls(db: Queryable, extents: Positions[]): Promise<number> {
  const total = totalWidth(extents);
  if (total <= EXTENT_WIDTH_MIN) return Number(total);
  const sampled = Array.from({ length: SAMPLES }, (_, i) => extents[Math.floor((i * extents.length) / SAMPLES)]);
  const starts = sampled.map(({ first, last }, i) => first + ((last - first) * BigInt(i)) / BigInt(SAMPLES));
  const ends = starts.map((start, i) => {
    const end = start + BigInt(SAMPLE_WIDTH - 1);
    return end < sampled[i].last ? end : sampled[i].last;
  });
  const { calls } = one(
    await db.query<{ calls: string }>(
      `select coalesce(sum(own.calls), 0) as calls
         from unnest($1::bigint[], $2::bigint[]) as sample (first, last)
        cross join lateral (select count(*) as calls from public.api_logs where id between sample.first and sample.last) own`,
      [starts.map(String), ends.map(String)],
    ),
  );
  const positions = starts.reduce((sum, start, i) => sum + Number(ends[i] - start + 1n), 0);
  return Math.max(1, Math.ceil((Number(total) * Number(calls)) / positions));
}
