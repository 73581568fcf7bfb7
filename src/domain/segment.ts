/**
 * The codec of segments, the packed form in which map hands calls to reduce.
 *
 * A spill holds 4,096 buckets in order; a bucket holds its users in the order of (hash, bytes):
 *
 *   user := varint(length) bytes varint(calls) varint(length of body) body
 *   body := per call: varint(log position − the one before) varint(usage) varint(zigzag(called_at − the one before))
 *
 * Positions begin at the spill's base, times at PostgreSQL's epoch (microseconds since 2000-01-01). Every value is below
 * 2^53: a partition spans fewer positions, the log's checks bound usages and times. Varints are LEB128.
 */
import { crc32 } from 'node:zlib';
import { Hash64 } from './hash.js';
import { invariant } from './invariant.js';

export const BUCKETS = 4096;
/** Bytes of one entry of a bucket index: start of the bucket in the data, CRC-32 of its bytes; big-endian. */
export const INDEX_ENTRY_BYTES = 8;
export const USER_BYTES_MAX = 256;
/** Most bytes that a call takes in a segment, and a user's head. */
export const CALL_BYTES_MAX = 24;
export const USER_HEAD_BYTES_MAX = 2 + USER_BYTES_MAX + 4 + 4;

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

/** How many bytes writeVarint() takes. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

export function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

export function unzigzag(value: number): number {
  const half = Math.floor(value / 2);
  return half * 2 === value ? half : -half - 1;
}

/** Thrown when stored segments are not what map wrote. */
export class SegmentError extends Error {
  override name = 'SegmentError';
}

/** Reads varints; `at` is behind the last one read. */
export class VarintReader {
  at = 0;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  next(): number {
    const bytes = this.bytes;
    let byte = bytes[this.at++];
    if (byte < 128) return byte;
    let value = byte & 127;
    byte = bytes[this.at++];
    value |= (byte & 127) << 7;
    if (byte < 128) return value;
    byte = bytes[this.at++];
    value |= (byte & 127) << 14;
    if (byte < 128) return value;
    byte = bytes[this.at++];
    value |= (byte & 127) << 21;
    if (byte < 128) return value;
    let high = 0;
    let shift = 0;
    do {
      byte = bytes[this.at++];
      high |= (byte & 127) << shift;
      shift += 7;
    } while (byte > 127 && shift < 28);
    return value + high * LOW_BITS;
  }
}

/** One segment, read user by user in the order of (hash, bytes). The current user's calls are its body. */
export class SegmentCursor {
  readonly bytes: Uint8Array;
  readonly reader: VarintReader;
  readonly #view: DataView;
  /** Log position from which the first call of each user counts. */
  readonly basePosition: bigint;
  /** Its halves. */
  readonly baseHi: number;
  readonly baseLo: number;
  done = false;
  userStart = 0;
  userLength = 0;
  hashHi = 0;
  hashLo = 0;
  calls = 0;
  bodyEnd = 0;
  readonly #hash = new Hash64();

  constructor(bytes: Uint8Array, basePosition: bigint) {
    this.bytes = bytes;
    this.reader = new VarintReader(bytes);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.basePosition = basePosition;
    this.baseHi = Number(basePosition >> 32n);
    this.baseLo = Number(basePosition & 0xffffffffn);
    this.nextUser();
  }

  /** Moves to the next user, skipping what is unread of the current one. */
  nextUser(): void {
    const reader = this.reader;
    reader.at = this.bodyEnd;
    if (reader.at >= this.bytes.length) {
      this.done = true;
      return;
    }
    this.userLength = reader.next();
    this.userStart = reader.at;
    reader.at += this.userLength;
    this.calls = reader.next();
    const bodyBytes = reader.next();
    this.bodyEnd = reader.at + bodyBytes;
    if (this.bodyEnd > this.bytes.length || this.userLength === 0) {
      throw new SegmentError('a segment ends in the middle of a user');
    }
    this.#hash.bytes(this.#view, this.userStart, this.userLength);
    this.hashHi = this.#hash.hi;
    this.hashLo = this.#hash.lo;
  }
}

/** Order of two users by (hash, bytes); 0 only for the same user. */
export function compareUsers(a: SegmentCursor, b: SegmentCursor): number {
  if (a.hashHi !== b.hashHi) return a.hashHi >>> 0 < b.hashHi >>> 0 ? -1 : 1;
  const length = Math.min(a.userLength, b.userLength);
  for (let i = 0; i < length; i++) {
    const difference = a.bytes[a.userStart + i] - b.bytes[b.userStart + i];
    if (difference !== 0) return difference;
  }
  return a.userLength - b.userLength;
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
    if (bytes < 0) throw new SegmentError(`${this.#place()}: its bucket index does not ascend`);
    return bytes;
  }

  #place(): string {
    return `segment of partition ${this.partition}, spill ${this.spill}`;
  }

  /** Opens the data of a range of buckets, as read; throws SegmentError if it is not what map wrote. */
  open(firstBucket: number, endBucket: number, data: Buffer): SegmentCursor {
    const place = this.#place();
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
    return new SegmentCursor(data, this.basePosition);
  }
}
