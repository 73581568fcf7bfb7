/**
 * The codec of segments, the packed form in which map hands calls to reduce.
 *
 * A spill holds 4,096 buckets in order. That of a user is the top 12 bits of the hash, hashtextextended(user_id, 0) >> 52 & 4095. A bucket
 * that has calls:
 *
 *   bucket := varint(users) user* varint(calls) call*
 *   user   := varint(length) bytes
 *   call   := varint(number of the user within the bucket) body
 *   body   := varint(log position − the one before) varint(usage) varint(zigzag(called_at − the one before))
 *
 * Users are numbered as they come, calls lie in the order of the log. Positions begin at the spill's base, times at PostgreSQL's epoch
 * (microseconds since 2000-01-01). Every value is below 2^53: a partition spans fewer positions, the log's checks bound usages and
 * times. Varints are LEB128. The kernels write and read them (src/engine/wasm).
 */
import { crc32 } from 'node:zlib';
import { invariant } from '../invariant.js';

export const BUCKETS = 4096;
/** Bytes of one entry of a bucket index: start of the bucket in the data, CRC-32 of its bytes; big-endian. */
export const INDEX_ENTRY_BYTES = 8;
/** A spill is stored in pieces of so many bytes, each of which fills a page of PostgreSQL's together with its row's head. */
export const PAGE_BYTES = 8064;
export const USER_BYTES_MAX = 256;

/** Thrown when stored segments are not what map wrote. */
export class SegmentError extends Error {
  override name = 'SegmentError';
}

/** What one spill has for a range of buckets, in the memory of a kernel. */
export class Segment {
  /** From which the positions of each bucket's calls count. */
  readonly basePosition: bigint;
  readonly #slice: BucketSlice;
  readonly #memory: KernelMemory;
  /** Where the spill would begin. */
  readonly #origin: number;

  constructor(slice: BucketSlice, memory: KernelMemory, origin: number) {
    this.basePosition = slice.basePosition;
    this.#slice = slice;
    this.#memory = memory;
    this.#origin = origin;
  }

  /** Where a bucket begins; it ends where the next one begins. */
  startOf(bucket: number): number {
    return this.#origin + this.#slice.start(bucket);
  }

  /** Shows the names of a bucket's users, which come first: each is bytes[at, end). */
  seeNames(bucket: number, see: (bytes: Buffer, at: number, end: number) => void): void {
    const end = this.startOf(bucket + 1);
    let at = this.startOf(bucket);
    if (at === end) return;
    const bytes = Buffer.from(this.#memory.buffer);
    const varint = () => {
      let value = 0;
      let shift = 0;
      let byte: number;
      do {
        byte = bytes[at++];
        value |= (byte & 127) << shift;
        shift += 7;
      } while (byte > 127 && shift < 28);
      return value;
    };
    for (let users = varint(); users > 0; users--) {
      const length = varint();
      if (length < 1 || at + length > end) throw this.malformed();
      see(bytes, at, at + length);
      at += length;
    }
  }

  /** What is thrown when it is not what map wrote, in spite of its checksums. */
  malformed(): SegmentError {
    return new SegmentError(`${this.#slice.place}: users and calls do not fill their bucket`);
  }
}

/** Its buffer is another one when it has grown. */
interface KernelMemory {
  readonly buffer: ArrayBuffer;
}

/** The index of a spill: `starts` has the start of each bucket and, last, the end of the data; `checksums` the CRC-32 of each. */
export function writeBucketIndex(starts: Uint32Array, checksums: Uint32Array): Buffer {
  const index = Buffer.alloc((BUCKETS + 1) * INDEX_ENTRY_BYTES);
  for (let bucket = 0; bucket <= BUCKETS; bucket++) {
    index.writeUInt32BE(starts[bucket], bucket * INDEX_ENTRY_BYTES);
    if (bucket < BUCKETS) index.writeUInt32BE(checksums[bucket], bucket * INDEX_ENTRY_BYTES + 4);
  }
  return index;
}

/** What a range of buckets looks like in one spill; read from the bucket index's entries firstBucket to endBucket. */
export class BucketSlice {
  readonly partition: number;
  readonly spill: number;
  readonly basePosition: bigint;
  readonly firstBucket: number;
  readonly #entries: Buffer;

  constructor(partition: number, spill: number, basePosition: bigint, firstBucket: number, entries: Buffer) {
    invariant(entries.length >= 2 * INDEX_ENTRY_BYTES, 'a slice of a bucket index has at least one bucket and its end');
    this.partition = partition;
    this.spill = spill;
    this.basePosition = basePosition;
    this.firstBucket = firstBucket;
    this.#entries = entries;
  }

  start(bucket: number): number {
    return this.#entries.readUInt32BE((bucket - this.firstBucket) * INDEX_ENTRY_BYTES);
  }

  bytes(firstBucket: number, endBucket: number): number {
    const bytes = this.start(endBucket) - this.start(firstBucket);
    if (bytes < 0) throw new SegmentError(`${this.place}: its bucket index does not ascend`);
    return bytes;
  }

  /** As errors name it. */
  get place(): string {
    return `segment of partition ${this.partition}, spill ${this.spill}`;
  }

  /** Opens the bytes of a range of buckets, as read into a kernel's memory; throws SegmentError if they are not what map wrote. */
  open(firstBucket: number, endBucket: number, memory: KernelMemory, at: number, bytes: number): Segment {
    const { place } = this;
    if (bytes !== this.bytes(firstBucket, endBucket)) {
      throw new SegmentError(`${place}: ${bytes} bytes where ${this.bytes(firstBucket, endBucket)} were written`);
    }
    const data = Buffer.from(memory.buffer);
    const origin = at - this.start(firstBucket);
    for (let bucket = firstBucket; bucket < endBucket; bucket++) {
      const start = this.start(bucket);
      const end = this.start(bucket + 1);
      if (start === end) continue;
      const expected = this.#entries.readUInt32BE((bucket - this.firstBucket) * INDEX_ENTRY_BYTES + 4);
      if (crc32(data.subarray(origin + start, origin + end)) !== expected) {
        throw new SegmentError(`${place}, bucket ${bucket}: the checksum differs from the one map stored`);
      }
    }
    return new Segment(this, memory, origin);
  }
}
