/**
 * A socket whose reads land in one buffer of ours, for COPY streams of millions of small rows.
 *
 * pg stays the client: start-up, authentication, cancellation and errors are its job, and whatever arrives is handed to it
 * as usual. Only while a COPY is under way does its reader get the bytes first, in place.
 *
 * PostgreSQL flushes every 8 KiB, and a read per flush costs more than its rows. After a small read the socket therefore
 * stops listening for a millisecond and then finds many flushes in one read.
 *
 * Over TLS, Node allocates a buffer for each record, of which PostgreSQL sends one a flush: 60 MB for a million calls, and full garbage
 * collections that cost more than the decryption. A TLS socket of one's own could be given a buffer, as a plain one can; the one that pg
 * makes of a plain socket gets ours by what Node has for that inside. Where Node has changed, reads are allocated as before.
 */
import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

const BUFFER_BYTES = 256 * 1024;
const SMALL_READ_BYTES = 32 * 1024;
const GATHERED_BYTES_MAX = BUFFER_BYTES / 2;
const ROOM_BYTES_MIN = 4096;
const PAUSE_MS = 1;

/** Takes the bytes of buffer[start, end); returns where it has stopped. The rest is kept, and comes again with more. */
export type BytesReader = (buffer: Buffer, view: DataView, start: number, end: number) => number;

const readBuffers = new WeakMap<object, ReadBuffer>();

/** The buffer behind a socket made by createReadSocket; undefined for any other stream. */
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

/** What a socket made with the option `onread` keeps its buffer by. */
interface BufferedReads {
  _handle?: { useUserBuffer?: (buffer: Buffer) => void } | null;
  [key: symbol]: unknown;
}

const [BUFFER, CALLBACK, NEXT_BUFFER] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map((name) =>
  Object.getOwnPropertySymbols(new Socket()).find(({ description }) => description === name),
);

/** Lets the reads of a TLS socket land in a buffer of ours from now on; undefined if Node does not let it. */
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
    // What one read of the network brings comes in many records: they are read together.
    if (gathered === 0) setImmediate(readAndPause);
    gathered += bytes;
    if (gathered >= GATHERED_BYTES_MAX) read();
  };
  // What came before the end is read before it.
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
  // What has landed and is not dealt with.
  #start = 0;
  #end = 0;

  /** Where the next read may land. */
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

  /** A copy of the bytes of a read that has landed, when nobody reads in place. */
  take(bytes: number): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#end, this.#end + bytes));
  }

  /** A read has landed in the room given. */
  landed(bytes: number): void {
    this.#end += bytes;
  }

  /** Hands to the reader what has landed. */
  read(): void {
    this.#start = this.reader!(this.#bytes, this.#view, this.#start, this.#end);
  }

  /** Hands to the reader a chunk that came from elsewhere. */
  append(chunk: Uint8Array): void {
    if (this.room().length < chunk.length) this.#replace(Math.max(this.#bytes.length * 2, this.#end + chunk.length));
    this.#bytes.set(chunk, this.#end);
    this.landed(chunk.length);
    this.read();
  }

  /** A message larger than the buffer makes it grow; the end of the COPY gives the memory back. */
  #replace(bytes: number): void {
    const replaced = Buffer.allocUnsafeSlow(bytes);
    this.#bytes.copy(replaced, 0, 0, this.#end);
    this.#bytes = replaced;
    this.#view = new DataView(replaced.buffer);
  }
}
