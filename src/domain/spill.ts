/**
 * One memory-full of a partition on its way out: users in the order of (hash, bytes), each with its calls, put together a chunk at a
 * time, so that a spill is never in memory twice. The format is segment.ts's.
 */
import { crc32 } from 'node:zlib';
import { invariant } from './invariant.js';
import { BLOCK_BYTES_MAX, COPY_SLACK_BYTES, NO_BLOCK, type PackedCalls } from './packed-calls.js';
import { BUCKETS, bucketOf, USER_HEAD_BYTES_MAX, varintBytes, writeBucketIndex, writeVarint } from './segment.js';
import type { UserTable } from './user-table.js';

const CHUNK_BYTES = 256 * 1024;

/** Memory for chunks, to be used again. */
export class ChunkBuffer {
  readonly bytes = Buffer.allocUnsafeSlow(CHUNK_BYTES + USER_HEAD_BYTES_MAX + BLOCK_BYTES_MAX + COPY_SLACK_BYTES);
  readonly view = new DataView(this.bytes.buffer);
}

export class Spill {
  readonly basePosition: bigint;
  /** Of all chunks together. */
  readonly bytes: number;
  readonly #users: UserTable;
  readonly #packed: PackedCalls;
  readonly #buffer: ChunkBuffer;
  readonly #sorted: Int32Array;
  /** The next of the sorted users, and what is left of the current one's calls. */
  #next = 0;
  #user = 0;
  #block = NO_BLOCK;
  #written = 0;
  readonly #starts = new Uint32Array(BUCKETS + 1);
  readonly #checksums = new Uint32Array(BUCKETS);
  #bucket = 0;

  constructor(basePosition: bigint, users: UserTable, packed: PackedCalls, buffer: ChunkBuffer) {
    this.basePosition = basePosition;
    this.#users = users;
    this.#packed = packed;
    this.#buffer = buffer;
    this.#sorted = users.sorted();
    this.bytes = this.#sorted.reduce((sum, user) => sum + this.#bytesOf(user), 0);
  }

  /** The next part of the data, valid until the one after it is asked for; undefined at the end. */
  nextChunk(): Buffer | undefined {
    const { bytes, view } = this.#buffer;
    const packed = this.#packed;
    let at = 0;
    /** From where on the current bucket is not in its checksum yet. */
    let unsummed = 0;
    while (at < CHUNK_BYTES) {
      if (this.#block === NO_BLOCK) {
        if (this.#next === this.#sorted.length) break;
        this.#user = this.#sorted[this.#next++];
        const bucket = bucketOf(this.#users.hashHi(this.#user));
        if (bucket !== this.#bucket) {
          this.#sum(unsummed, at);
          unsummed = at;
          while (this.#bucket < bucket) this.#starts[++this.#bucket] = this.#written + at;
        }
        at = this.#writeHead(bytes, at);
        this.#block = packed.firstBlock(this.#user);
      }
      at = packed.copyBlock(this.#user, this.#block, bytes, view, at);
      this.#block = packed.blockAfter(this.#user, this.#block);
    }
    this.#sum(unsummed, at);
    this.#written += at;
    return at === 0 ? undefined : bytes.subarray(0, at);
  }

  /** Where each bucket begins, and its checksum; known once all chunks have been taken. */
  bucketIndex(): Buffer {
    invariant(this.#written === this.bytes, 'all chunks of a spill have been taken');
    this.#starts.fill(this.#written, this.#bucket + 1);
    return writeBucketIndex(this.#starts, this.#checksums);
  }

  #sum(from: number, end: number): void {
    if (from === end) return;
    const part = this.#buffer.bytes.subarray(from, end);
    this.#checksums[this.#bucket] = crc32(part, this.#checksums[this.#bucket]);
  }

  #bytesOf(user: number): number {
    const length = this.#users.lengthOf(user);
    const body = this.#packed.bytesOf(user);
    return varintBytes(length) + length + varintBytes(this.#packed.callsOf(user)) + varintBytes(body) + body;
  }

  #writeHead(out: Buffer, at: number): number {
    const user = this.#user;
    at = this.#users.writeBytes(user, out, writeVarint(out, at, this.#users.lengthOf(user)));
    at = writeVarint(out, at, this.#packed.callsOf(user));
    return writeVarint(out, at, this.#packed.bytesOf(user));
  }
}
