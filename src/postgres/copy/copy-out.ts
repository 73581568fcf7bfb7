/**
 * COPY … TO STDOUT (FORMAT BINARY), and queries with binary results, parsed in place.
 *
 * Each row is a message; integers are big-endian. A column that is null has the length -1 and no bytes:
 *
 *   0        1       5             7
 *   type     length  columns  then (length i32, bytes) for each column
 *   'd', 'D' i32     i16
 *
 * COPY's messages have the type 'd', those of a query 'D'. A query takes parameters, COPY does not. The first message
 * of a COPY starts with the file header, and the last one has -1 columns.
 *
 * While a COPY or query is in progress, its reader stands before pg's. Each message is parsed once: a RowsReader parses
 * the messages that carry rows, and RowsOut all others. RowsOut passes errors, notices, command complete and ready for
 * query on to pg, which then ends the query as any other.
 *
 * Formats: https://www.postgresql.org/docs/current/protocol-message-formats.html and .../sql-copy.html, "Binary
 * Format".
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ClientBase, Connection, Submittable } from 'pg';
import { bufferReadsOf, ReadBuffer, readBufferOf } from './read-socket.js';

/**
 * Reads one row, which lies whole in the view. `at` is the index of its first column. An error that it throws ends the
 * COPY.
 */
export type RowReader = (view: DataView, at: number) => void;

/** Reads many rows at once. An error that it throws ends the COPY. */
export interface RowsReader {
  /**
   * Reads rows from bytes[at, end), where a message starts at `at`. Returns the index where it stopped: the start of a
   * message that is incomplete or carries none of its rows.
   */
  read(bytes: Buffer, view: DataView, at: number, end: number): number;
  /** True if it wants no further rows. The rest is discarded. */
  readonly done: boolean;
}

export class CopyFormatError extends Error {
  override name = 'CopyFormatError';
}

const COPY_DATA = 0x64; // 'd'
const DATA_ROW = 0x44; // 'D'
const PARSE_COMPLETE = 0x31; // '1'
const BIND_COMPLETE = 0x32; // '2'
const COPY_DONE = 0x63; // 'c'
const COPY_OUT_RESPONSE = 0x48; // 'H'
const READY_FOR_QUERY = 0x5a; // 'Z'
/** Messages that are not passed on to pg. */
const SILENT = new Set([COPY_OUT_RESPONSE, COPY_DONE, PARSE_COMPLETE, BIND_COMPLETE]);
const MESSAGE_HEAD_BYTES = 5;
const COLUMNS_BYTES = 2;
const FILE_HEADER_BYTES = 19; // signature, flags, and the length 0 of an extension
const END_OF_ROWS = -1;

/** True if the column at `at` is null. */
export const isNull = (view: DataView, at: number) => view.getInt32(at) === -1;
const columnsOf = (view: DataView, at: number) => view.getInt16(at + MESSAGE_HEAD_BYTES);
const messageEnd = (view: DataView, at: number) => at + 1 + view.getInt32(at + 1);

/** Streams the rows of a COPY into `row`. Resolves with their number, as the server reports it. */
export function copyOut(client: ClientBase, sql: string, columns: number, row: RowReader): Promise<number> {
  return copyRowsOut(client, sql, oneByOne(COPY_DATA, columns, row));
}

/** Like copyOut(), for a reader that takes many rows at once. */
export function copyRowsOut(client: ClientBase, sql: string, rows: RowsReader): Promise<number> {
  return submit(client, { text: sql, rowType: COPY_DATA, send: (connection) => connection.query(sql) }, rows);
}

/**
 * Like copyOut(), for a query with parameters. Each is bound in binary (a Buffer) or as text; the query's text contains
 * none of them.
 */
export function queryOut(
  client: ClientBase,
  { text, values }: { text: string; values: (Buffer | string)[] },
  columns: number,
  row: RowReader,
): Promise<number> {
  const send = (connection: ExtendedConnection) => {
    const stream = connection.stream as Socket;
    stream.cork();
    // An unnamed statement is planned for these values, and for the tables as they are now.
    connection.parse({ text, name: '', types: [] });
    connection.bind({ values, binary: true });
    connection.execute({});
    connection.sync();
    stream.uncork();
  };
  return submit(client, { text, rowType: DATA_ROW, send }, oneByOne(DATA_ROW, columns, row));
}

function oneByOne(type: number, columns: number, row: RowReader): RowsReader {
  return {
    done: false,
    read(bytes, view, at, end) {
      while (end - at >= MESSAGE_HEAD_BYTES + COLUMNS_BYTES && bytes[at] === type) {
        const next = messageEnd(view, at);
        if (next > end || columnsOf(view, at) !== columns) break;
        row(view, at + MESSAGE_HEAD_BYTES + COLUMNS_BYTES);
        at = next;
      }
      return at;
    },
  };
}

function submit(client: ClientBase, request: Request, rows: RowsReader): Promise<number> {
  return new Promise((resolve, reject) => {
    client.query(new RowsOut(request, rows, (error, count = 0) => (error === null ? resolve(count) : reject(error))));
  });
}

/** The methods of pg's connection that its types lack. */
interface ExtendedConnection extends Omit<Connection, 'parse' | 'bind' | 'execute' | 'sync'> {
  parse(query: { text: string; name: string; types: number[] }): void;
  bind(config: { values: (Buffer | string)[]; binary: boolean }): void;
  execute(config: object): void;
  sync(): void;
}

interface Request {
  text: string;
  /** The type of the messages that carry rows. */
  rowType: number;
  send(connection: ExtendedConnection): void;
}

class RowsOut implements Submittable {
  /**
   * The statement and its completion callback, named as in pg's own queries, for code that watches queries (tracing).
   */
  readonly text: string;
  callback: (error: Error | null, rows?: number) => void;
  readonly #request: Request;
  readonly #rows: RowsReader;
  #count = 0;
  #ended = false;
  #headerSeen: boolean;
  #connection: Connection | undefined;
  #release: () => void = () => {};
  #passOn: (bytes: Buffer) => void = () => {};

  constructor(request: Request, rows: RowsReader, callback: RowsOut['callback']) {
    this.text = request.text;
    this.#request = request;
    // Only a COPY has a file header.
    this.#headerSeen = request.rowType !== COPY_DATA;
    this.#rows = rows;
    this.callback = callback;
  }

  /** Called by pg when it is this query's turn. */
  submit(connection: Connection): void {
    this.#connection = connection;
    this.#takeOver(connection.stream as Socket);
    this.#request.send(connection as unknown as ExtendedConnection);
  }

  #takeOver(stream: Socket): void {
    const own = readBufferOf(stream) ?? (stream instanceof TLSSocket ? bufferReadsOf(stream) : undefined);
    if (own !== undefined) {
      own.reader = (buffer, view, start, end) => this.#read(buffer, view, start, end);
      this.#passOn = (bytes) => stream.emit('data', bytes);
      this.#release = () => {
        own.reader = undefined;
      };
      return;
    }
    // Replace the listeners of 'data' for the time being.
    const listeners = stream.listeners('data') as ((chunk: Buffer) => void)[];
    const buffer = new ReadBuffer();
    buffer.reader = (bytes, view, start, end) => this.#read(bytes, view, start, end);
    const onData = (chunk: Buffer) => buffer.append(chunk);
    stream.removeAllListeners('data');
    stream.on('data', onData);
    this.#passOn = (bytes) => {
      for (const listener of listeners) listener.call(stream, bytes);
    };
    this.#release = () => {
      stream.off('data', onData);
      for (const listener of listeners) stream.on('data', listener);
    };
  }

  /** Handles the complete messages in buffer[start, end). Returns the index behind them. */
  #read(buffer: Buffer, view: DataView, start: number, end: number): number {
    let at = start;
    for (;;) {
      at = this.#readRows(buffer, view, at, end);
      if (end - at < MESSAGE_HEAD_BYTES) return at;
      const next = messageEnd(view, at);
      if (next > end) return at;
      const type = buffer[at];
      if (type === this.#request.rowType) {
        this.#readOther(buffer, view, at, next);
      } else if (type === READY_FOR_QUERY) {
        // The query is over: this message and all that follow are pg's.
        this.#release();
        this.#passOn(Buffer.from(buffer.subarray(at, end)));
        return end;
      } else if (!SILENT.has(type!)) {
        this.#passOn(Buffer.from(buffer.subarray(at, next)));
      }
      at = next;
    }
  }

  /** Lets the reader read rows. Returns the index where it stopped. */
  #readRows(buffer: Buffer, view: DataView, at: number, end: number): number {
    try {
      for (let stopped = at; ; at = stopped) {
        if (this.#ended || !this.#headerSeen || this.#rows.done) return at;
        stopped = this.#rows.read(buffer, view, at, end);
        if (stopped === at) return at;
      }
    } catch (error) {
      this.#fail(error as Error);
      return at;
    }
  }

  /** Handles a message of the rows' type that the reader has not taken. */
  #readOther(buffer: Buffer, view: DataView, at: number, next: number): void {
    if (this.#ended) return;
    if (!this.#headerSeen) {
      this.#headerSeen = true;
      this.#readFirst(buffer.subarray(at, next));
      return;
    }
    const columns = columnsOf(view, at);
    if (columns === END_OF_ROWS || this.#rows.done) return;
    this.#fail(new CopyFormatError(`PostgreSQL sent ${columns} columns, which are not those asked for`));
  }

  /** Reads the first message of a COPY: the file header, and behind it the first row, if any. */
  #readFirst(message: Buffer): void {
    const row = Buffer.from(message.subarray(FILE_HEADER_BYTES));
    if (row.length <= MESSAGE_HEAD_BYTES) return;
    message.copy(row, 0, 0, MESSAGE_HEAD_BYTES);
    row.writeInt32BE(row.length - 1, 1);
    const view = new DataView(row.buffer, row.byteOffset, row.length);
    if (this.#readRows(row, view, 0, row.length) === 0) this.#readOther(row, view, 0, row.length);
  }

  /** Ends the COPY with the reader's error. Closing the connection is the fastest way to stop the server. */
  #fail(error: Error): void {
    // End it now: the same read may contain the end of the query, which would pass for success.
    this.#end(error);
    (this.#connection!.stream as Socket).destroy(error);
  }

  handleError(error: Error): void {
    this.#end(error);
  }

  handleCommandComplete({ text }: { text: string }): void {
    this.#count = Number(text.split(' ')[1]);
  }

  handleReadyForQuery(): void {
    this.#end(null);
  }

  #end(error: Error | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.callback(error, this.#count);
  }

  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}
}
