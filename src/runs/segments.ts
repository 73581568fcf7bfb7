/**
 * Segments in the database. meterfold.spills has a row with the bucket index for each spill; meterfold.segments has the
 * spill's data in pages. By the index, a reduce task reads only the pages that contain its buckets.
 */

import type { BucketRange, Pass } from '../engine/cuts.js';
import { INDEX_ENTRY_BYTES, PAGE_BYTES } from '../engine/layout.js';
import type { PartitionMap } from '../engine/map.js';
import { type Segment, SegmentError, SpillIndex } from '../engine/segment.js';
import type { Spill } from '../engine/spill.js';
import { copyIn } from '../postgres/copy/copy-in.js';
import { copyOut, isNull } from '../postgres/copy/copy-out.js';
import type { RowBuffer } from '../postgres/copy/row-buffer.js';
import { type Client, prepared } from '../postgres/pool.js';

const SEGMENTS_COPY = `
  copy segments (run_id, partition, spill, page, data) from stdin (format binary)`;

/**
 * PostgreSQL empties unlogged tables when it starts after a crash or is promoted from standby. The map phase then
 * restarts.
 */
export class SegmentsLostError extends Error {
  override name = 'SegmentsLostError';
}

function segmentsLost(partition: number): SegmentsLostError {
  return new SegmentsLostError(
    `the segments of partition ${partition} are gone: PostgreSQL has crashed or failed over since map stored them`,
  );
}

const COLUMNS = 5;
const ROW_BYTES_MAX = 2 + 12 + 3 * 8 + 4 + PAGE_BYTES;

export interface SpillKey {
  runId: bigint;
  partition: number;
  number: number;
}

/**
 * Stores a spill. Its rows are encoded in `rows`. The tables are named without a schema: backups/attempt.ts explains
 * why.
 */
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

/** Pages are read by the index, because the planner's statistics of a table that was just filled are wrong. */
const PLAN = 'set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off';

/**
 * Reads the bucket indexes of all spills of the run for a shard, in the order of the log. Read the passes in the same
 * transaction. Throws SegmentsLostError if the spills that map stored for a partition are gone.
 */
export async function readSpillIndexes(client: Client, runId: bigint, shard: BucketRange): Promise<SpillIndex[]> {
  const offset = shard.first * INDEX_ENTRY_BYTES + 1;
  const length = (shard.end - shard.first + 1) * INDEX_ENTRY_BYTES;
  const spills: SpillIndex[] = [];
  await client.query(PLAN);
  const sql = `
    copy (select task.number, stored.spill, stored.base_position, substring(stored.bucket_index from ${offset} for ${length})
            from meterfold.tasks task
            left join meterfold.spills stored on stored.run_id = task.run_id and stored.partition = task.number
           where task.run_id = ${runId} and task.kind = 'map' and (task.outcome->>'spills')::integer > 0
           order by task.number, stored.spill)
      to stdout (format binary)`;
  await copyOut(client, sql, 4, (view, at) => {
    if (isNull(view, at + 8)) throw segmentsLost(view.getInt32(at + 4));
    const entries = Buffer.from(bytesAt(view, at + 28));
    spills.push(
      new SpillIndex(view.getInt32(at + 4), view.getInt32(at + 12), view.getBigInt64(at + 20), shard.first, entries),
    );
  });
  return spills;
}

/** Reads the segments of one pass after another into the arena of a map, which must be idle. */
export class PassReader {
  readonly #map: PartitionMap;

  constructor(map: PartitionMap) {
    this.#map = map;
  }

  /**
   * Reads and checks the segments of a pass, and returns them in the order of the log. They are valid until the next
   * pass is read. Throws SegmentError if they differ from what map wrote.
   */
  async open(client: Client, runId: bigint, { spills, buckets: { first, end } }: Pass): Promise<Segment[]> {
    // Where each segment starts in the arena, and how many of its bytes have arrived.
    const starts: number[] = [];
    const received = spills.map(() => 0);
    let bytes = 0;
    for (const spill of spills) {
      starts.push(bytes);
      bytes += spill.bytes(first, end);
    }
    const { arena } = this.#map;
    if (bytes > arena.length)
      throw new SegmentError(`a bucket of a spill has ${bytes} bytes, more than any map writes`);

    const wanted = spills.map((spill, index) => {
      const start = spill.start(first);
      const lastByte = start + spill.bytes(first, end) - 1;
      return `(${index}, ${spill.partition}, ${spill.spill}, ${pageOf(start)}, ${pageOf(lastByte)})`;
    });
    const sql = `
      copy (select wanted.index, stored.page, stored.data
              from (values ${wanted.join(', ')}) as wanted (index, partition, spill, first_page, last_page)
              join meterfold.segments stored
                on stored.run_id = ${runId} and stored.partition = wanted.partition and stored.spill = wanted.spill
               and stored.page between wanted.first_page and wanted.last_page)
        to stdout (format binary)`;
    await copyOut(client, sql, 3, (view, at) => {
      const index = view.getInt32(at + 4);
      const spill = spills[index];
      const page = bytesAt(view, at + 16);
      // The page's start relative to the segment's; negative if the page contains earlier buckets.
      const pageAt = view.getInt32(at + 12) * PAGE_BYTES - spill.start(first);
      const own = page.subarray(Math.max(0, -pageAt), spill.bytes(first, end) - pageAt);
      arena.set(own, starts[index] + Math.max(0, pageAt));
      received[index] += own.length;
    });
    return spills.map((spill, index) =>
      spill.open(first, end, this.#map.kernel.memory, arena.byteOffset + starts[index], received[index]),
    );
  }
}

function pageOf(byte: number): number {
  return Math.floor(byte / PAGE_BYTES);
}

/** The bytea column at `at`: a view of memory that the next read overwrites. */
function bytesAt(view: DataView, at: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at + 4, view.getInt32(at));
}
