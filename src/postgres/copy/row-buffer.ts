/**
 * Rows of a binary COPY, encoded without waiting into chunks that are sent when it suits. Chunks are used again once sent.
 */
import { BINARY_HEADER, BINARY_TRAILER, type CopyIn } from './copy-in.js';

const CHUNK_BYTES = 256 * 1024;
/** Full chunks from which the producer should stop to send them. */
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

  /** Forgets what has not been sent, and begins a COPY. */
  clear(): void {
    for (const chunk of this.#full.splice(0)) this.#free.push(Buffer.from(chunk.buffer));
    this.#bytes.set(BINARY_HEADER, 0);
    this.#at = BINARY_HEADER.length;
  }

  /** True when enough is waiting to be sent. */
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

  /** Sends everything and ends the COPY; resolves with the number of rows stored. The buffer can then take a new COPY. */
  async finish(copy: CopyIn): Promise<number> {
    this.#reserve(BINARY_TRAILER.length);
    this.#bytes.set(BINARY_TRAILER, this.#at);
    this.#at += BINARY_TRAILER.length;
    this.#nextChunk();
    await this.drain(copy);
    this.clear();
    return copy.finish();
  }

  /** Begins a row of that many columns, of at most `bytesMax` bytes. */
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

  /** One that lies somewhere as little-endian. */
  int8At(view: DataView, at: number): void {
    this.int8(view.getInt32(at + 4, true), view.getInt32(at, true));
  }

  /** An integer that a double holds exactly: a cycle number, or microseconds since 2000. */
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

  /** Whole fields, as COPY takes them. */
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
