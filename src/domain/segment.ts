/**
 * The codec of segments, the packed form in which map hands calls to reduce.
 *
 * A spill holds 4,096 buckets in order; a bucket that has calls:
 *
 *   bucket := varint(users) user* varint(calls) call*
 *   user   := varint(length) bytes
 *   call   := varint(number of the user within the bucket) body
 *   body   := varint(log position − the one before) varint(usage) varint(zigzag(called_at − the one before))
 *
 * Users are numbered as they come, calls lie in the order of the log. Positions begin at the spill's base, times at PostgreSQL's epoch
 * (microseconds since 2000-01-01). Every value is below 2^53: a partition spans fewer positions, the log's checks bound usages and
 * times. Varints are LEB128.
 */
import { crc32 } from 'node:zlib';
import type { BucketUsers } from './bucket-users.js';
import { Hash64 } from './hash.js';
import { invariant } from './invariant.js';

export const BUCKETS = 4096;
/** Bytes of one entry of a bucket index: start of the bucket in the data, CRC-32 of its bytes; big-endian. */
export const INDEX_ENTRY_BYTES = 8;
/** A spill is stored in pieces of so many bytes, each of which fills a page of PostgreSQL's together with its row's head. */
export const PAGE_BYTES = 8064;
export const USER_BYTES_MAX = 256;
/** Of an integer below 2^53. */
export const VARINT_BYTES_MAX = 8;
export const CALL_BODY_BYTES_MAX = 3 * VARINT_BYTES_MAX;
export const CALL_BYTES_MAX = VARINT_BYTES_MAX + CALL_BODY_BYTES_MAX;
/** Fewest bytes that a call, or a user, takes. */
const CALL_BYTES_MIN = 4;
const USER_BYTES_MIN = 2;

const LOW_BITS = 2 ** 28;

/** The bucket of a user: the top 12 bits of the hash, that is hashtextextended(user_id, 0) >> 52 & 4095. */
export function bucketOf(hashHi: number): number {
  return hashHi >>> 20;
}

/** Writes an integer in [0, 2^53); returns the position behind it. */
export function writeVarint(out: Uint8Array, at: number, value: number): number {
  // Below 2^28 all is done in 32-bit integers, which a double that holds one has to become first.
  let low = value | 0;
  if (value >= LOW_BITS) {
    const high = Math.floor(value / LOW_BITS);
    low = (value - high * LOW_BITS) | 0;
    out[at] = low | 128;
    out[at + 1] = (low >>> 7) | 128;
    out[at + 2] = (low >>> 14) | 128;
    out[at + 3] = (low >>> 21) | 128;
    at += 4;
    low = high | 0;
  }
  while (low > 127) {
    out[at++] = low | 128;
    low >>>= 7;
  }
  out[at++] = low;
  return at;
}

export function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

/** The value of which zigzag() has these 28 bits, and those above them. */
export function unzigzag(low: number, high: number): number {
  const half = high * (LOW_BITS / 2) + (low >>> 1);
  return (low & 1) === 0 ? half : -half - 1;
}

/** Thrown when stored segments are not what map wrote. */
export class SegmentError extends Error {
  override name = 'SegmentError';
}

/** Reads varints; `at` is behind the last one read. */
export class VarintReader {
  at = 0;
  readonly bytes: Uint8Array;
  high = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  next(): number {
    const low = this.nextLow();
    return this.high === 0 ? low : low + this.high * LOW_BITS;
  }

  /**
   * The low 28 bits of the next one; `high` is what lies above them. A function that V8 does not inline allocates what it returns,
   * unless that is a small integer.
   */
  nextLow(): number {
    const bytes = this.bytes;
    this.high = 0;
    let byte = bytes[this.at++];
    if (byte < 128) return byte;
    let low = byte & 127;
    byte = bytes[this.at++];
    low |= (byte & 127) << 7;
    if (byte < 128) return low;
    byte = bytes[this.at++];
    low |= (byte & 127) << 14;
    if (byte < 128) return low;
    byte = bytes[this.at++];
    low |= (byte & 127) << 21;
    if (byte < 128) return low;
    let high = 0;
    let shift = 0;
    do {
      byte = bytes[this.at++];
      high |= (byte & 127) << shift;
      shift += 7;
    } while (byte > 127 && shift < 28);
    this.high = high;
    return low;
  }
}

/** Which of all users of a bucket the users of one segment are. */
export class UserNumbers {
  of = new Int32Array(256);
  count = 0;

  reset(count: number): void {
    this.count = count;
    if (count > this.of.length) this.of = new Int32Array(2 * count);
  }
}

/** What one spill has for a range of buckets, in memory and read bucket by bucket. */
export class Segment {
  readonly reader: VarintReader;
  readonly view: DataView;
  /** Halves of the log position from which the first call of each bucket counts. */
  readonly baseHi: number;
  readonly baseLo: number;
  readonly #slice: BucketSlice;
  readonly #origin: number;
  /** Where the current bucket ends. */
  #end = 0;
  readonly #hash = new Hash64();

  constructor(slice: BucketSlice, firstBucket: number, data: Uint8Array) {
    this.#slice = slice;
    this.#origin = slice.start(firstBucket);
    this.reader = new VarintReader(data);
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.baseHi = Number(slice.basePosition >> 32n);
    this.baseLo = Number(slice.basePosition & 0xffffffffn);
  }

  /** Goes to a bucket; false if there is nothing in it. */
  seek(bucket: number): boolean {
    this.reader.at = this.#slice.start(bucket) - this.#origin;
    this.#end = this.#slice.start(bucket + 1) - this.#origin;
    return this.reader.at < this.#end;
  }

  /** Adds the bucket's users, which come first, to `users`; `numbers` says which they are there. */
  readUsers(users: BucketUsers, numbers: UserNumbers): void {
    const { reader, view } = this;
    const count = this.#readCount(USER_BYTES_MIN);
    numbers.reset(count);
    for (let user = 0; user < count; user++) {
      const length = reader.next();
      if (length < 1 || reader.at + length > this.#end) throw this.malformed();
      this.#hash.bytes(view, reader.at, length);
      numbers.of[user] = users.find(view, reader.at, length, this.#hash.lo);
      reader.at += length;
    }
  }

  /** The number of calls, which come next. */
  readCalls(): number {
    return this.#readCount(CALL_BYTES_MIN);
  }

  /** Throws SegmentError unless the bucket has been read to its end, and no further. */
  checkEnd(): void {
    if (this.reader.at !== this.#end) throw this.malformed();
  }

  #readCount(bytesMin: number): number {
    const count = this.reader.next();
    if (!(count * bytesMin <= this.#end - this.reader.at)) throw this.malformed();
    return count;
  }

  /** What it throws when it is not what map wrote, in spite of its checksums. */
  malformed(): SegmentError {
    return new SegmentError(`${this.#slice.place}: users and calls do not fill their bucket`);
  }
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

  /** Opens the data of a range of buckets, as read; throws SegmentError if it is not what map wrote. */
  open(firstBucket: number, endBucket: number, data: Uint8Array): Segment {
    const { place } = this;
    if (data.length !== this.bytes(firstBucket, endBucket)) {
      throw new SegmentError(`${place}: ${data.length} bytes where ${this.bytes(firstBucket, endBucket)} were written`);
    }
    const origin = this.start(firstBucket);
    for (let bucket = firstBucket; bucket < endBucket; bucket++) {
      const start = this.start(bucket);
      const end = this.start(bucket + 1);
      if (start === end) continue;
      const expected = this.#entries.readUInt32BE((bucket - this.firstBucket) * INDEX_ENTRY_BYTES + 4);
      if (crc32(data.subarray(start - origin, end - origin)) !== expected) {
        throw new SegmentError(`${place}, bucket ${bucket}: the checksum differs from the one map stored`);
      }
    }
    return new Segment(this, firstBucket, data);
  }
}
