/**
 * Packs the calls of a spill: bucket by bucket, each user's name once, then the calls with their users' numbers. A bucket has few
 * users, so that they are found in no time. The format is segment.ts's.
 */
import { crc32 } from 'node:zlib';
import {
  BODY_LENGTH,
  type BucketCalls,
  CALL_HEAD_BYTES,
  NAME_LENGTH,
  NO_BLOCK,
  WORD_SLACK_BYTES,
} from './bucket-calls.js';
import { BucketUsers } from './bucket-users.js';
import {
  BUCKETS,
  CALL_BYTES_MAX,
  PAGE_BYTES,
  USER_BYTES_MAX,
  VARINT_BYTES_MAX,
  writeBucketIndex,
  writeVarint,
} from './segment.js';

/** Packed calls of a partition. */
export interface Spill {
  readonly basePosition: bigint;
  readonly bytes: number;
  /** The data, in pieces; all but the last hold whole pages. */
  readonly chunks: readonly Buffer[];
  /** Where each bucket begins, and its checksum. */
  readonly bucketIndex: Buffer;
}

const CHUNK_BYTES = 32 * PAGE_BYTES;
/** Most bytes that a user takes. */
const PACKED_USER_BYTES_MAX = VARINT_BYTES_MAX + USER_BYTES_MAX;

export class SpillPacker {
  /** Of all chunks that are out. */
  bytes = 0;
  readonly #users = new BucketUsers();
  readonly #starts = new Uint32Array(BUCKETS + 1);
  readonly #checksums = new Uint32Array(BUCKETS);
  /** The bucket that is being packed, and its calls alone: users come first, and are known last. */
  #bucket: Buffer = Buffer.allocUnsafeSlow(4096);
  #calls: Buffer = Buffer.allocUnsafeSlow(4096);
  readonly #out: Buffer[] = [];
  readonly #free: Buffer[] = [];

  /** Takes back the memory of all spills. */
  reset(): void {
    this.#free.push(...this.#out);
    this.#out.length = 0;
    this.bytes = 0;
  }

  pack(basePosition: bigint, calls: BucketCalls): Spill {
    const begun = this.#out.length;
    let bytes = 0;
    /** Of the last chunk. */
    let filled = CHUNK_BYTES;
    const put = (part: Buffer) => {
      bytes += part.length;
      for (let from = 0; from < part.length; ) {
        if (filled === CHUNK_BYTES) {
          this.#out.push(this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES));
          filled = 0;
        }
        const copied = part.copy(this.#out.at(-1)!, filled, from);
        filled += copied;
        from += copied;
      }
    };
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      this.#starts[bucket] = bytes;
      this.#checksums[bucket] = 0;
      if (calls.callsOf(bucket) === 0) continue;
      const packed = this.#packBucket(calls, bucket);
      this.#checksums[bucket] = crc32(packed);
      put(packed);
    }
    this.#starts[BUCKETS] = bytes;
    this.bytes += bytes;
    const chunks = this.#out.slice(begun);
    if (chunks.length > 0) chunks.push(chunks.pop()!.subarray(0, filled));
    return { basePosition, bytes, chunks, bucketIndex: writeBucketIndex(this.#starts, this.#checksums) };
  }

  #packBucket(calls: BucketCalls, bucket: number): Buffer {
    const callsEnd = this.#packCalls(calls, bucket);
    const usersEnd = this.#packUsers(calls.callsOf(bucket), callsEnd);
    this.#calls.copy(this.#bucket, usersEnd, 0, callsEnd);
    return this.#bucket.subarray(0, usersEnd + callsEnd);
  }

  /** The calls of a bucket, by which its users become known; returns where they end. */
  #packCalls(calls: BucketCalls, bucket: number): number {
    this.#calls = withRoom(this.#calls, calls.callsOf(bucket) * CALL_BYTES_MAX + WORD_SLACK_BYTES);
    const out = this.#calls;
    const outView = new DataView(out.buffer);
    const users = this.#users;
    const { bytes, view } = calls;
    let at = 0;
    users.clear();
    for (let block = calls.firstBlock(bucket); block !== NO_BLOCK; block = calls.blockAfter(bucket, block)) {
      const end = calls.endOf(bucket, block);
      for (let call = calls.startOf(block); call < end; ) {
        const name = call + CALL_HEAD_BYTES;
        const length = bytes[call + NAME_LENGTH] + 1;
        const body = name + length;
        const bodyEnd = body + bytes[call + BODY_LENGTH];
        at = writeVarint(out, at, users.find(view, name, length, view.getInt32(call, true)));
        // Whole words: what is too much is written over, or behind the last call.
        for (let byte = body; byte < bodyEnd; byte += 4) outView.setInt32(at + byte - body, view.getInt32(byte));
        at += bodyEnd - body;
        call = bodyEnd;
      }
    }
    return at;
  }

  /** The users that are known, and the number of calls, with room for so many bytes more; returns where they end. */
  #packUsers(calls: number, room: number): number {
    const users = this.#users;
    this.#bucket = withRoom(this.#bucket, 2 * VARINT_BYTES_MAX + users.count * PACKED_USER_BYTES_MAX + room);
    const out = this.#bucket;
    let at = writeVarint(out, 0, users.count);
    for (let user = 0; user < users.count; user++) {
      const length = users.lengthOf(user);
      at = writeVarint(out, at, length);
      const { bytes } = users;
      const start = users.startOf(user);
      for (let byte = 0; byte < length; byte++) out[at + byte] = bytes[start + byte];
      at += length;
    }
    return writeVarint(out, at, calls);
  }
}

function withRoom(buffer: Buffer, bytes: number): Buffer {
  return buffer.length >= bytes ? buffer : Buffer.allocUnsafeSlow(Math.max(bytes, 2 * buffer.length));
}
