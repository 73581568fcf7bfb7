/**
 * Encodes rows of a binary COPY into chunks of 256 KiB. Encoding never waits; the producer calls drain() to send full
 * chunks. Chunks are reused after they are sent. A row lies whole in one chunk.
 */
import { BINARY_HEADER, BINARY_TRAILER, type CopyIn } from './copy-in.js';

const CHUNK_BYTES = 256 * 1024;
/** The number of full chunks at which the producer should drain them. */
const PENDING_MAX = 4;

export class RowBuffer {
  #bytes: Buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  readonly #full: Buffer[] = [];
  readonly #free: Buffer[] = [];

  constructor() {
    this.clear();
  }

  /** Drops all rows that are not sent, and starts a COPY. */
  clear(): void {
    for (const chunk of this.#full.splice(0)) this.#free.push(Buffer.from(chunk.buffer));
    this.#bytes.set(BINARY_HEADER, 0);
    this.#at = BINARY_HEADER.length;
  }

  /** True when full chunks should be drained. */
  get ready(): boolean {
    return this.#full.length >= PENDING_MAX;
  }

  /** Sends the full chunks. */
  async drain(copy: CopyIn): Promise<void> {
    for (let chunk = this.#full.shift(); chunk !== undefined; chunk = this.#full.shift()) {
      await copy.write(chunk);
      this.#free.push(Buffer.from(chunk.buffer));
    }
  }

  /** Sends all rows, ends the COPY and starts the next one. Resolves with the number of rows stored. */
  async finish(copy: CopyIn): Promise<number> {
    this.#reserve(BINARY_TRAILER.length);
    this.#bytes.set(BINARY_TRAILER, this.#at);
    this.#at += BINARY_TRAILER.length;
    this.#nextChunk();
    await this.drain(copy);
    this.clear();
    return copy.finish();
  }

  /** Starts a row of `columns` columns and at most `bytesMax` bytes. */
  beginRow(columns: number, bytesMax: number): void {
    this.#reserve(bytesMax);
    this.#view.setInt16(this.#at, columns);
    this.#at += 2;
  }

  int2(value: number): void {
    this.#view.setInt32(this.#at, 2);
    this.#view.setInt16(this.#at + 4, value);
    this.#at += 6;
  }

  int4(value: number): void {
    this.#view.setInt32(this.#at, 4);
    this.#view.setInt32(this.#at + 4, value);
    this.#at += 8;
  }

  int8(hi: number, lo: number): void {
    this.#view.setInt32(this.#at, 8);
    this.#view.setInt32(this.#at + 4, hi);
    this.#view.setInt32(this.#at + 8, lo);
    this.#at += 12;
  }

  /** A little-endian bigint in a view. */
  int8At(view: DataView, at: number): void {
    this.int8(view.getInt32(at + 4, true), view.getInt32(at, true));
  }

  /** An integer up to 2^53, such as a cycle number. */
  int8FromNumber(value: number): void {
    const hi = Math.floor(value / 4294967296);
    this.int8(hi, value - hi * 4294967296);
  }

  null(): void {
    this.#view.setInt32(this.#at, -1);
    this.#at += 4;
  }

  text(bytes: Uint8Array, start: number, length: number): void {
    this.#view.setInt32(this.#at, length);
    this.#at += 4;
    for (let i = 0; i < length; i++) this.#bytes[this.#at + i] = bytes[start + i];
    this.#at += length;
  }

  bytea(bytes: Buffer): void {
    this.#view.setInt32(this.#at, bytes.length);
    bytes.copy(this.#bytes, this.#at + 4);
    this.#at += 4 + bytes.length;
  }

  /** Columns that are already encoded, with their lengths. */
  fields(bytes: Buffer, start: number, length: number): void {
    bytes.copy(this.#bytes, this.#at, start, start + length);
    this.#at += length;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) this.#nextChunk();
  }

  #nextChunk(): void {
    this.#full.push(this.#bytes.subarray(0, this.#at));
    this.#bytes = this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
    this.#at = 0;
  }
}
