/**
 * A socket whose reads land in one buffer of ours, for COPY streams of millions of small rows.
 *
 * pg stays the client: start-up, authentication, cancellation and errors are its job, and whatever arrives is handed to it
 * as usual. Only while a COPY is under way does its reader get the bytes first, in place. A connection over TLS has no such
 * buffer; there the reader gets the decrypted chunks (see copy-out.ts).
 *
 * PostgreSQL flushes every 8 KiB, and a read per flush costs more than its rows. After a small read the socket therefore
 * stops listening for a millisecond and then finds many flushes in one read.
 */
import { Socket } from 'node:net';

const BUFFER_BYTES = 256 * 1024;
const SMALL_READ_BYTES = 32 * 1024;
const ROOM_BYTES_MIN = 4096;
const PAUSE_MS = 1;

/** Takes the bytes of buffer[0, end); returns how many it has dealt with. The rest is kept, and comes again with more. */
export type BytesReader = (buffer: Buffer, view: DataView, end: number) => number;

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
          socket.emit('data', Buffer.from(buffer.take(bytes)));
          return true;
        }
        buffer.landed(bytes);
        if (bytes >= SMALL_READ_BYTES || buffer.reader === undefined) return true;
        setTimeout(() => socket.resume(), PAUSE_MS);
        return false;
      },
    },
  } as ConstructorParameters<typeof Socket>[0]);
  readBuffers.set(socket, buffer);
  return socket;
}

export class ReadBuffer {
  reader: BytesReader | undefined;
  #bytes = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  /** Where the next read may land. */
  room(): Buffer {
    if (this.#bytes.length - this.#end < ROOM_BYTES_MIN) this.#replace(this.#bytes.length * 2);
    return this.#end === 0 ? this.#bytes : this.#bytes.subarray(this.#end);
  }

  /** The bytes of a read, when nobody reads in place. */
  take(bytes: number): Buffer {
    return this.#bytes.subarray(0, bytes);
  }

  /** A read has landed in the room given. */
  landed(bytes: number): void {
    this.#end += bytes;
    const done = this.reader!(this.#bytes, this.#view, this.#end);
    if (done > 0 && done < this.#end) this.#bytes.copyWithin(0, done, this.#end);
    this.#end -= done;
    if (this.reader === undefined && this.#bytes.length > BUFFER_BYTES) this.#replace(BUFFER_BYTES);
  }

  /** Takes a chunk that came from elsewhere. */
  append(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#bytes.length)
      this.#replace(Math.max(this.#bytes.length * 2, this.#end + chunk.length));
    this.#bytes.set(chunk, this.#end);
    this.landed(chunk.length);
  }

  /** A message larger than the buffer makes it grow; the end of the COPY gives the memory back. */
  #replace(bytes: number): void {
    const replaced = Buffer.allocUnsafeSlow(bytes);
    this.#bytes.copy(replaced, 0, 0, this.#end);
    this.#bytes = replaced;
    this.#view = new DataView(replaced.buffer);
  }
}
