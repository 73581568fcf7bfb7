/**
 * A socket that reads into one reused buffer, for COPY streams of millions of small rows.
 *
 * pg remains the client: it does start-up, authentication, cancellation and errors, and receives all bytes as usual.
 * While a COPY is in progress, the COPY's reader receives the bytes first, in place.
 *
 * PostgreSQL flushes every 8 KiB, and a read for each flush costs more than the rows in it. After a small read, the
 * socket therefore stops reading for a millisecond, and then finds many flushes in one read.
 *
 * Over TLS, Node allocates a buffer for each record, and PostgreSQL sends a record for each flush. For a million calls
 * this is 60 MB, and full garbage collections that cost more than the decryption. Node has a public option for a reused
 * buffer only for sockets that one creates oneself, but pg creates its TLS socket from the plain one. bufferReadsOf()
 * therefore sets the option through Node's internal fields. If a version of Node lacks these fields, reads are
 * allocated as usual.
 */
import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

const BUFFER_BYTES = 256 * 1024;
const SMALL_READ_BYTES = 32 * 1024;
const GATHERED_BYTES_MAX = BUFFER_BYTES / 2;
const ROOM_BYTES_MIN = 4096;
const PAUSE_MS = 1;

/**
 * Reads bytes from buffer[start, end). Returns the index where it stopped; the rest is kept and passed again with the
 * next bytes.
 */
export type BytesReader = (buffer: Buffer, view: DataView, start: number, end: number) => number;

const readBuffers = new WeakMap<object, ReadBuffer>();

/** The buffer of a socket from createReadSocket() or bufferReadsOf(); undefined for any other stream. */
export function readBufferOf(stream: object): ReadBuffer | undefined {
  return readBuffers.get(stream);
}

export function createReadSocket(): Socket {
  const buffer = new ReadBuffer();
  const socket = new Socket({
    onread: {
      buffer: () => buffer.room(),
      callback: (bytes: number) => {
        if (buffer.reader === undefined) {
          socket.emit('data', buffer.take(bytes));
          return true;
        }
        buffer.landed(bytes);
        buffer.read();
        if (bytes >= SMALL_READ_BYTES || buffer.reader === undefined) return true;
        setTimeout(() => socket.resume(), PAUSE_MS);
        return false;
      },
    },
  } as ConstructorParameters<typeof Socket>[0]);
  readBuffers.set(socket, buffer);
  return socket;
}

/** Node's internal fields of a socket with the option `onread`. */
interface BufferedReads {
  _handle?: { useUserBuffer?: (buffer: Buffer) => void } | null;
  [key: symbol]: unknown;
}

const [BUFFER, CALLBACK, NEXT_BUFFER] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map((name) =>
  Object.getOwnPropertySymbols(new Socket()).find(({ description }) => description === name),
);

/** Makes a TLS socket read into one reused buffer from now on. Returns undefined if Node lacks the internal fields. */
export function bufferReadsOf(socket: TLSSocket): ReadBuffer | undefined {
  const reads = socket as unknown as BufferedReads;
  if (!BUFFER || !CALLBACK || !NEXT_BUFFER || !(BUFFER in reads) || !reads._handle?.useUserBuffer) return undefined;
  const buffer = new ReadBuffer();
  let gathered = 0;
  const read = () => {
    const bytes = gathered;
    gathered = 0;
    if (bytes > 0) buffer.read();
    return bytes;
  };
  const readAndPause = () => {
    const bytes = read();
    if (bytes === 0 || bytes >= SMALL_READ_BYTES || buffer.reader === undefined || socket.destroyed) return;
    socket.pause();
    setTimeout(() => socket.resume(), PAUSE_MS);
  };
  const landed = (bytes: number) => {
    if (buffer.reader === undefined) {
      socket.emit('data', buffer.take(bytes));
      return;
    }
    buffer.landed(bytes);
    // One read of the network contains many records. Process them together.
    if (gathered === 0) setImmediate(readAndPause);
    gathered += bytes;
    if (gathered >= GATHERED_BYTES_MAX) read();
  };
  // Process what arrived before the end first.
  for (const end of ['end', 'error', 'close']) socket.prependListener(end, read);
  const room = buffer.room();
  reads[BUFFER] = room;
  reads[CALLBACK] = landed;
  reads[NEXT_BUFFER] = () => buffer.room();
  reads._handle.useUserBuffer(room);
  readBuffers.set(socket, buffer);
  return buffer;
}

export class ReadBuffer {
  reader: BytesReader | undefined;
  #bytes = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #view = new DataView(this.#bytes.buffer);
  // The bytes that have arrived and are not processed.
  #start = 0;
  #end = 0;

  /** The memory for the next read. */
  room(): Buffer {
    if (this.#start > 0) {
      this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    if (this.#bytes.length - this.#end < ROOM_BYTES_MIN) this.#replace(this.#bytes.length * 2);
    if (this.reader === undefined && this.#end === 0 && this.#bytes.length > BUFFER_BYTES) this.#replace(BUFFER_BYTES);
    return this.#end === 0 ? this.#bytes : this.#bytes.subarray(this.#end);
  }

  /** Returns a copy of the bytes of the last read, if there is no reader. */
  take(bytes: number): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#end, this.#end + bytes));
  }

  /** Reports that a read of `bytes` bytes has arrived in the memory from room(). */
  landed(bytes: number): void {
    this.#end += bytes;
  }

  /** Passes the unprocessed bytes to the reader. */
  read(): void {
    this.#start = this.reader!(this.#bytes, this.#view, this.#start, this.#end);
  }

  /** Passes a chunk from another source to the reader. */
  append(chunk: Uint8Array): void {
    if (this.room().length < chunk.length) this.#replace(Math.max(this.#bytes.length * 2, this.#end + chunk.length));
    this.#bytes.set(chunk, this.#end);
    this.landed(chunk.length);
    this.read();
  }

  /** The buffer grows for a message that is larger, and shrinks after the COPY. */
  #replace(bytes: number): void {
    const replaced = Buffer.allocUnsafeSlow(bytes);
    this.#bytes.copy(replaced, 0, 0, this.#end);
    this.#bytes = replaced;
    this.#view = new DataView(replaced.buffer);
  }
}
