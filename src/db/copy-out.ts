/**
 * COPY … TO STDOUT (FORMAT BINARY), parsed in place.
 *
 * While the COPY is under way its reader stands before pg's own: it keeps the messages that carry rows and hands all others
 * (errors, command complete, ready for query) on to pg, which then ends the query as any other.
 *
 * Formats: https://www.postgresql.org/docs/current/protocol-message-formats.html and the file format of COPY.
 */
import type { Socket } from 'node:net';
import type { ClientBase, Connection, Submittable } from 'pg';
import { ReadBuffer, readBufferOf } from './read-socket.js';

/**
 * Takes one row whose fields begin at `at` (each an int32 length, then as many bytes); big-endian.
 * The row always lies whole in the view. What is thrown ends the COPY.
 */
export type RowReader = (view: DataView, at: number) => void;

export class CopyFormatError extends Error {
  override name = 'CopyFormatError';
}

const COPY_DATA = 0x64; // 'd'
const COPY_DONE = 0x63; // 'c'
const COPY_OUT_RESPONSE = 0x48; // 'H'
const READY_FOR_QUERY = 0x5a; // 'Z'
const FILE_HEADER_BYTES = 19; // signature, flags, and an extension of no bytes
const END_OF_ROWS = -1;

/** Streams the rows of a COPY into `row`; resolves with their number. */
export function copyOut(client: ClientBase, sql: string, columns: number, row: RowReader): Promise<number> {
  return new Promise((resolve, reject) => {
    client.query(new CopyOut(sql, columns, row, (error, rows = 0) => (error === null ? resolve(rows) : reject(error))));
  });
}

class CopyOut implements Submittable {
  /** As pg's own queries have them, for who watches queries: the statement, and what is called once at its end. */
  readonly text: string;
  callback: (error: Error | null, rows?: number) => void;
  readonly #columns: number;
  readonly #row: RowReader;
  #rows = 0;
  #ended = false;
  #headerSeen = false;
  #failure: Error | undefined;
  #connection: Connection | undefined;
  #release: () => void = () => {};
  #handOn: (bytes: Buffer) => void = () => {};

  constructor(text: string, columns: number, row: RowReader, callback: CopyOut['callback']) {
    this.text = text;
    this.#columns = columns;
    this.#row = row;
    this.callback = callback;
  }

  /** Called by pg when the connection is this query's. */
  submit(connection: Connection): void {
    this.#connection = connection;
    this.#takeOver(connection.stream as Socket);
    connection.query(this.text);
  }

  #takeOver(stream: Socket): void {
    const own = readBufferOf(stream);
    if (own !== undefined) {
      own.reader = (buffer, view, end) => this.#read(buffer, view, end);
      this.#handOn = (bytes) => stream.emit('data', bytes);
      this.#release = () => {
        own.reader = undefined;
      };
      return;
    }
    // TLS: stand in for the listeners of 'data'.
    const listeners = stream.listeners('data') as ((chunk: Buffer) => void)[];
    const buffer = new ReadBuffer();
    buffer.reader = (bytes, view, end) => this.#read(bytes, view, end);
    const onData = (chunk: Buffer) => buffer.append(chunk);
    stream.removeAllListeners('data');
    stream.on('data', onData);
    this.#handOn = (bytes) => {
      for (const listener of listeners) listener.call(stream, bytes);
    };
    this.#release = () => {
      stream.off('data', onData);
      for (const listener of listeners) stream.on('data', listener);
    };
  }

  /** Deals with the whole messages in buffer[0, end); returns how many bytes those are. */
  #read(buffer: Buffer, view: DataView, end: number): number {
    let at = 0;
    while (end - at >= 5) {
      const type = buffer[at];
      const next = at + 1 + view.getInt32(at + 1);
      if (next > end) break;
      if (type === COPY_DATA) this.#readRow(view, at + 5, next);
      else if (type === READY_FOR_QUERY) {
        // The query is over: this and whatever follows is pg's.
        this.#release();
        this.#handOn(Buffer.from(buffer.subarray(at, end)));
        return end;
      } else if (type !== COPY_OUT_RESPONSE && type !== COPY_DONE) {
        this.#handOn(Buffer.from(buffer.subarray(at, next)));
      }
      at = next;
    }
    return at;
  }

  #readRow(view: DataView, at: number, end: number): void {
    if (this.#failure !== undefined) return;
    if (!this.#headerSeen) {
      this.#headerSeen = true;
      at += FILE_HEADER_BYTES;
      if (at === end) return;
    }
    const columns = view.getInt16(at);
    if (columns === END_OF_ROWS) return;
    try {
      if (columns !== this.#columns) throw new CopyFormatError(`COPY sent ${columns} columns, not ${this.#columns}`);
      this.#row(view, at + 2);
      this.#rows++;
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** The reader has refused a row: nothing else is of use, and closing the connection is the shortest way to stop the server. */
  #fail(error: Error): void {
    this.#failure = error;
    // Now: the end of the query may lie in the same read, and would be taken for its success.
    this.#end(error);
    (this.#connection!.stream as Socket).destroy(error);
  }

  handleError(error: Error): void {
    this.#end(this.#failure ?? error);
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#end(null);
  }

  #end(error: Error | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.callback(error, this.#rows);
  }

  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}
}
