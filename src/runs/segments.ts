/** Segments: the pages of each spill of a partition, and the spill's index, by which a shard reads just its own buckets. */

import type { Buckets, Pass } from '../engine/cuts.js';
import type { PartitionMap } from '../engine/map.js';
import { BucketSlice, INDEX_ENTRY_BYTES, PAGE_BYTES, type Segment, SegmentError } from '../engine/segment.js';
import type { Spill } from '../engine/spill.js';
import { copyIn } from '../postgres/copy/copy-in.js';
import { copyOut, isNull } from '../postgres/copy/copy-out.js';
import type { RowBuffer } from '../postgres/copy/row-buffer.js';
import { type Client, prepared } from '../postgres/pool.js';

const SEGMENTS_COPY = `
  copy segments (run_id, partition, spill, page, data) from stdin (format binary)`;

/** PostgreSQL empties unlogged tables when it starts after a crash, or as a standby that takes over. Map then begins anew. */
export class SegmentsLostError extends Error {
  override name = 'SegmentsLostError';
}

function lossOf(partition: number): SegmentsLostError {
  return new SegmentsLostError(
    `the segments of partition ${partition} are gone: PostgreSQL has crashed or failed over since map stored them`,
  );
}

const COLUMNS = 5;
const ROW_BYTES_MAX = 2 + 12 + 3 * 8 + 4 + PAGE_BYTES;

/** Which spill it is. */
export interface SpillKey {
  runId: bigint;
  partition: number;
  number: number;
}

/** Stores a spill; `rows` is where its rows are made. The tables have no schema here: backups/attempt.ts says why. */
export async function storeSpill(
  client: Client,
  rows: RowBuffer,
  { runId, partition, number }: SpillKey,
  spill: Spill,
): Promise<void> {
  const copy = await copyIn(client, SEGMENTS_COPY);
  for (let at = 0; at < spill.data.length; at += PAGE_BYTES) {
    rows.beginRow(COLUMNS, ROW_BYTES_MAX);
    rows.int8FromNumber(Number(runId));
    rows.int4(partition);
    rows.int4(number);
    rows.int4(at / PAGE_BYTES);
    rows.bytea(spill.data.subarray(at, at + PAGE_BYTES));
    if (rows.ready) await rows.drain(copy);
  }
  await rows.finish(copy);
  await client.query(
    prepared(`insert into spills (run_id, partition, spill, base_position, bucket_index) values ($1, $2, $3, $4, $5)`, [
      runId.toString(),
      partition,
      number,
      spill.basePosition.toString(),
      spill.bucketIndex,
    ]),
  );
}

/** Stretches of pages are read by the index, whatever the planner may know of a table that was filled just now. */
const PLAN = 'set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off';

/**
 * What each spill of the run has for a shard, in the order of the log; the passes over it are read in the same transaction. Throws
 * SegmentsLostError if a partition has none of those that map has stored.
 */
export async function readSlices(client: Client, runId: bigint, shard: Buckets): Promise<BucketSlice[]> {
  const offset = shard.first * INDEX_ENTRY_BYTES + 1;
  const length = (shard.end - shard.first + 1) * INDEX_ENTRY_BYTES;
  const slices: BucketSlice[] = [];
  await client.query(PLAN);
  const sql = `
    copy (select task.number, stored.spill, stored.base_position, substring(stored.bucket_index from ${offset} for ${length})
            from meterfold.tasks task
            left join meterfold.spills stored on stored.run_id = task.run_id and stored.partition = task.number
           where task.run_id = ${runId} and task.kind = 'map' and (task.outcome->>'spills')::integer > 0
           order by task.number, stored.spill)
      to stdout (format binary)`;
  await copyOut(client, sql, 4, (view, at) => {
    if (isNull(view, at + 8)) throw lossOf(view.getInt32(at + 4));
    const entries = Buffer.from(bytesAt(view, at + 28));
    slices.push(
      new BucketSlice(view.getInt32(at + 4), view.getInt32(at + 12), view.getBigInt64(at + 20), shard.first, entries),
    );
  });
  return slices;
}

/** Reads the segments of one pass after the other, into memory that is used again. */
export class PassReader {
  readonly #map: PartitionMap;

  /** That of a map, which must not be at work. */
  constructor(map: PartitionMap) {
    this.#map = map;
  }

  /**
   * Reads the segments of a pass and checks them; they come in the order of the log, and are valid until the next pass is read. Throws
   * SegmentError.
   */
  async open(client: Client, runId: bigint, { slices, buckets: { first, end } }: Pass): Promise<Segment[]> {
    // Where each begins in memory, and how much of it has come.
    const places: number[] = [];
    const read = slices.map(() => 0);
    let bytes = 0;
    for (const slice of slices) {
      places.push(bytes);
      bytes += slice.bytes(first, end);
    }
    const { arena } = this.#map;
    if (bytes > arena.length)
      throw new SegmentError(`a bucket of a spill has ${bytes} bytes, more than any map writes`);

    const wanted = slices.map((slice, number) => {
      const start = slice.start(first);
      const lastByte = start + slice.bytes(first, end) - 1;
      return `(${number}, ${slice.partition}, ${slice.spill}, ${pageOf(start)}, ${pageOf(lastByte)})`;
    });
    const sql = `
      copy (select wanted.number, stored.page, stored.data
              from (values ${wanted.join(', ')}) as wanted (number, partition, spill, first_page, last_page)
              join meterfold.segments stored
                on stored.run_id = ${runId} and stored.partition = wanted.partition and stored.spill = wanted.spill
               and stored.page between wanted.first_page and wanted.last_page)
        to stdout (format binary)`;
    await copyOut(client, sql, 3, (view, at) => {
      const number = view.getInt32(at + 4);
      const slice = slices[number];
      const page = bytesAt(view, at + 16);
      // Where the page begins in the slice: before it, or in the middle.
      const pageAt = view.getInt32(at + 12) * PAGE_BYTES - slice.start(first);
      const own = page.subarray(Math.max(0, -pageAt), slice.bytes(first, end) - pageAt);
      arena.set(own, places[number] + Math.max(0, pageAt));
      read[number] += own.length;
    });
    return slices.map((slice, number) =>
      slice.open(first, end, this.#map.kernel.memory, arena.byteOffset + places[number], read[number]),
    );
  }
}

function pageOf(byte: number): number {
  return Math.floor(byte / PAGE_BYTES);
}

/** The bytea field at `at`, in the view's own memory, which is used anew by the next read. */
function bytesAt(view: DataView, at: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at + 4, view.getInt32(at));
}
