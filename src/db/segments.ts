/** Segments: one row per spill of a partition, with an index by which a shard reads just its own buckets. */

import type { Buckets, Pass } from '../domain/partitions.js';
import { BucketSlice, INDEX_ENTRY_BYTES, type Segment } from '../domain/segment.js';
import type { Spill } from '../domain/spill.js';
import { BINARY_HEADER, BINARY_TRAILER, copyIn } from './copy-in.js';
import { copyOut } from './copy-out.js';
import type { Client } from './pool.js';

const segmentsCopy = (schema: string) => `
  copy ${schema}.segments (run_id, partition, spill, base_position, data, bucket_index)
  from stdin (format binary)`;

/** Row of a COPY before its data: 6 columns; two int8, two int4, the length of the data. */
const HEAD_BYTES = BINARY_HEADER.length + 2 + 2 * 12 + 2 * 8 + 4;

/** Which spill it is. */
export interface SpillKey {
  runId: bigint;
  partition: number;
  number: number;
}

/** Stores a spill, in the schema given. Its chunks go to the socket from where they lie; a parameter of a query would hold all of them. */
export async function storeSpill(
  client: Client,
  schema: string,
  { runId, partition, number }: SpillKey,
  spill: Spill,
): Promise<void> {
  const head = Buffer.alloc(HEAD_BYTES);
  let at = BINARY_HEADER.copy(head);
  at = head.writeInt16BE(6, at);
  at = head.writeBigInt64BE(runId, head.writeInt32BE(8, at));
  at = head.writeInt32BE(partition, head.writeInt32BE(4, at));
  at = head.writeInt32BE(number, head.writeInt32BE(4, at));
  at = head.writeBigInt64BE(spill.basePosition, head.writeInt32BE(8, at));
  head.writeInt32BE(spill.bytes, at);

  const copy = await copyIn(client, segmentsCopy(schema));
  await copy.write(head);
  for (const chunk of spill.chunks) await copy.write(chunk);
  const { bucketIndex } = spill;
  const length = Buffer.alloc(4);
  length.writeInt32BE(bucketIndex.length);
  await copy.write(Buffer.concat([length, bucketIndex, BINARY_TRAILER]));
  await copy.finish();
}

/** What each spill of the run has for a shard, in the order of the log. */
export async function readSlices(client: Client, runId: bigint, shard: Buckets): Promise<BucketSlice[]> {
  const offset = shard.first * INDEX_ENTRY_BYTES + 1;
  const length = (shard.end - shard.first + 1) * INDEX_ENTRY_BYTES;
  const slices: BucketSlice[] = [];
  const sql = `
    copy (select partition, spill, base_position, substring(bucket_index from ${offset} for ${length})
            from meterfold.segments
           where run_id = ${runId}
           order by partition, spill)
      to stdout (format binary)`;
  await copyOut(client, sql, 4, (view, at) => {
    const entries = bytesAt(view, at + 28);
    slices.push(
      new BucketSlice(view.getInt32(at + 4), view.getInt32(at + 12), view.getBigInt64(at + 20), shard.first, entries),
    );
  });
  return slices;
}

/** Reads the segments of a pass and checks them; they come in the order of the log. Throws SegmentError. */
export async function openPass(client: Client, runId: bigint, pass: Pass): Promise<Segment[]> {
  const { first, end } = pass.buckets;
  const wanted = pass.slices.map(
    (slice) => `(${slice.partition}, ${slice.spill}, ${slice.start(first) + 1}, ${slice.bytes(first, end)})`,
  );
  const segments: Segment[] = [];
  const sql = `
    copy (select substring(segment.data from wanted.start for wanted.bytes)
            from (values ${wanted.join(', ')}) as wanted (partition, spill, start, bytes)
            join meterfold.segments segment
              on segment.run_id = ${runId} and segment.partition = wanted.partition and segment.spill = wanted.spill
           order by wanted.partition, wanted.spill)
      to stdout (format binary)`;
  await copyOut(client, sql, 1, (view, at) => {
    segments.push(pass.slices[segments.length].open(first, end, bytesAt(view, at)));
  });
  if (segments.length !== pass.slices.length) {
    throw new Error(`run ${runId}: ${segments.length} segments where ${pass.slices.length} were planned`);
  }
  return segments;
}

/** A copy of the bytea field at `at`; the view's own memory is used anew by the next read. */
function bytesAt(view: DataView, at: number): Buffer {
  return Buffer.from(new Uint8Array(view.buffer, view.byteOffset + at + 4, view.getInt32(at)));
}
