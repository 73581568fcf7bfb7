/**
 * The format of spills and segments, in which map passes calls to reduce.
 *
 * A spill holds 4,096 buckets in order; layout.ts says which bucket a user has. A segment is what one spill holds for a
 * range of buckets. A bucket without calls has no bytes. Otherwise:
 *
 *   bucket := varint(users) user* varint(calls) call*
 *   user   := varint(length) bytes
 *   call   := varint(number of the user within the bucket) body
 *   body   := varint(log position − the previous one) varint(usage) varint(zigzag(called_at − the previous one))
 *
 * Users are numbered in the order of their first call, and calls are in the order of the log. In each bucket, the first
 * position counts from the spill's base position, and the first time from PostgreSQL's epoch (microseconds since
 * 2000-01-01). All values are below 2^53: a partition spans fewer positions, and the limits of a call bound usages and
 * times. Varints are LEB128. The kernel writes and reads buckets (wasm/pack.ts, wasm/fold.ts).
 */
import { crc32 } from 'node:zlib';
import { invariant } from '../invariant.js';
import type { KernelMemory } from './kernel.js';
import { BUCKETS, INDEX_ENTRY_BYTES } from './layout.js';

/** A stored segment differs from what map wrote. */
export class SegmentError extends Error {
  override name = 'SegmentError';
}

/** A segment in the memory of a kernel. */
export class Segment {
  /** The position from which each bucket's positions count. */
  readonly basePosition: bigint;
  readonly #spill: SpillIndex;
  /** The address where bucket 0 of the spill would start. */
  readonly #origin: number;

  constructor(spill: SpillIndex, origin: number) {
    this.basePosition = spill.basePosition;
    this.#spill = spill;
    this.#origin = origin;
  }

  /** The address where a bucket starts, which is where the bucket before ends. */
  startOf(bucket: number): number {
    return this.#origin + this.#spill.start(bucket);
  }

  /** The error for a bucket whose checksum is right and whose contents are not. */
  malformed(): SegmentError {
    return new SegmentError(`${this.#spill.name}: users and calls do not fill their bucket`);
  }
}

/**
 * Encodes the index of a spill. `starts` holds the start of each bucket in the data and, last, the end of the data;
 * `checksums` holds the CRC-32 of each bucket.
 */
export function writeBucketIndex(starts: Uint32Array, checksums: Uint32Array): Buffer {
  const index = Buffer.alloc((BUCKETS + 1) * INDEX_ENTRY_BYTES);
  for (let bucket = 0; bucket <= BUCKETS; bucket++) {
    index.writeUInt32BE(starts[bucket], bucket * INDEX_ENTRY_BYTES);
    if (bucket < BUCKETS) index.writeUInt32BE(checksums[bucket], bucket * INDEX_ENTRY_BYTES + 4);
  }
  return index;
}

/**
 * The part of a spill's bucket index that covers a range of buckets. `entries` are the encoded entries of the range and
 * the next one.
 */
export class SpillIndex {
  readonly partition: number;
  readonly spill: number;
  readonly basePosition: bigint;
  readonly firstBucket: number;
  readonly #entries: Buffer;

  constructor(partition: number, spill: number, basePosition: bigint, firstBucket: number, entries: Buffer) {
    invariant(entries.length >= 2 * INDEX_ENTRY_BYTES, 'a spill index covers at least one bucket and its end');
    this.partition = partition;
    this.spill = spill;
    this.basePosition = basePosition;
    this.firstBucket = firstBucket;
    this.#entries = entries;
  }

  /** Where a bucket starts in the spill's data. */
  start(bucket: number): number {
    return this.#entries.readUInt32BE((bucket - this.firstBucket) * INDEX_ENTRY_BYTES);
  }

  /** The size of the segment of these buckets. Throws SegmentError if the index is damaged. */
  bytes(firstBucket: number, endBucket: number): number {
    const bytes = this.start(endBucket) - this.start(firstBucket);
    if (bytes < 0) throw new SegmentError(`${this.name}: its bucket index does not ascend`);
    return bytes;
  }

  /** The name of the spill's segments in errors. */
  get name(): string {
    return `segment of partition ${this.partition}, spill ${this.spill}`;
  }

  /**
   * Opens the segment of a range of buckets, of which `bytes` bytes were read to the address `at`. Throws SegmentError
   * if its length or a checksum differs from the index.
   */
  open(firstBucket: number, endBucket: number, memory: KernelMemory, at: number, bytes: number): Segment {
    const { name } = this;
    if (bytes !== this.bytes(firstBucket, endBucket)) {
      throw new SegmentError(`${name}: ${bytes} bytes where ${this.bytes(firstBucket, endBucket)} were written`);
    }
    const data = Buffer.from(memory.buffer);
    const origin = at - this.start(firstBucket);
    for (let bucket = firstBucket; bucket < endBucket; bucket++) {
      const start = this.start(bucket);
      const end = this.start(bucket + 1);
      if (start === end) continue;
      const expected = this.#entries.readUInt32BE((bucket - this.firstBucket) * INDEX_ENTRY_BYTES + 4);
      if (crc32(data.subarray(origin + start, origin + end)) !== expected) {
        throw new SegmentError(`${name}, bucket ${bucket}: the checksum differs from the one map stored`);
      }
    }
    return new Segment(this, origin);
  }
}
