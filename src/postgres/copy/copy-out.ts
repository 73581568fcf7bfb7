/**
 * COPY … TO STDOUT (FORMAT BINARY), parsed in place. Each row comes in a message of its own: 'd', its length as int32 but for the 'd',
 * the number of its columns as int16, and then each field: an int32 length, -1 for null, and as many bytes; all big-endian. The rows of a
 * query that asks for binary results look the same, but for the 'D'; unlike COPY it takes parameters.
 *
 * While the COPY is under way its reader stands before pg's own: it keeps the messages that carry rows and hands all others
 * (errors, command complete, ready for query) on to pg, which then ends the query as any other.
 *
 * Formats: https://www.postgresql.org/docs/current/protocol-message-formats.html and the file format of COPY.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ClientBase, Connection, Submittable } from 'pg';
import { bufferReadsOf, ReadBuffer, readBufferOf } from './read-socket.js';

/** Takes one row whose fields begin at `at`; it always lies whole in the view. What is thrown ends the COPY. */
export type RowReader = (view: DataView, at: number) => void;

/**
 * Takes rows from the one on whose message begins at `at`, as long as they lie before `end` as a whole; the first one does. Returns where
 * it has stopped: the message there is none of its rows. What is thrown ends the COPY.
 */
export type RowsReader = (bytes: Buffer, view: DataView, at: number, end: number) => number;

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
/** What pg need not hear of. */
const SILENT = new Set([COPY_OUT_RESPONSE, COPY_DONE, PARSE_COMPLETE, BIND_COMPLETE]);
const MESSAGE_HEAD_BYTES = 5;
const FILE_HEADER_BYTES = 19; // signature, flags, and an extension of no bytes
const END_OF_ROWS = -1;

/** Where the fields of the row begin whose message does at `at`. */
export const fieldsOf = (at: number) => at + 7;
/** Whether the field at `at` is null. */
export const isNull = (view: DataView, at: number) => view.getInt32(at) === -1;
const columnsOf = (view: DataView, at: number) => view.getInt16(at + 5);
/** Where the message that begins at `at` ends. */
export const messageEnd = (view: DataView, at: number) => at + 1 + view.getInt32(at + 1);

/** Streams the rows of a COPY into `row`; resolves with their number, by the server's count. */
export function copyOut(client: ClientBase, sql: string, columns: number, row: RowReader): Promise<number> {
  return copyRowsOut(client, sql, oneByOne(columns, row));
}

/** As copyOut(), for who takes many rows at a time. */
export function copyRowsOut(client: ClientBase, sql: string, rows: RowsReader): Promise<number> {
  return submit(client, { text: sql, rowType: COPY_DATA, send: (connection) => connection.query(sql) }, rows);
}

/** As copyOut(), for a query with parameters. Each is bound in binary (a Buffer) or as text; nothing of them is in the query's text. */
export function queryOut(
  client: ClientBase,
  { text, values }: { text: string; values: (Buffer | string)[] },
  columns: number,
  row: RowReader,
): Promise<number> {
  const send = (connection: ExtendedConnection) => {
    const stream = connection.stream as Socket;
    stream.cork();
    // Without a name: it is planned for these values, and for the tables as they are now.
    connection.parse({ text, name: '', types: [] });
    connection.bind({ values, binary: true });
    connection.execute({});
    connection.sync();
    stream.uncork();
  };
  return submit(client, { text, rowType: DATA_ROW, send }, oneByOne(columns, row));
}

function oneByOne(columns: number, row: RowReader): RowsReader {
  return (_bytes, view, at) => {
    if (columnsOf(view, at) !== columns) return at;
    row(view, fieldsOf(at));
    return messageEnd(view, at);
  };
}

function submit(client: ClientBase, request: Request, rows: RowsReader): Promise<number> {
  return new Promise((resolve, reject) => {
    client.query(new RowsOut(request, rows, (error, count = 0) => (error === null ? resolve(count) : reject(error))));
  });
}

/** What pg's connection takes and its types don't say. */
interface ExtendedConnection extends Omit<Connection, 'parse' | 'bind' | 'execute' | 'sync'> {
  parse(query: { text: string; name: string; types: number[] }): void;
  bind(config: { values: (Buffer | string)[]; binary: boolean }): void;
  execute(config: object): void;
  sync(): void;
}

interface Request {
  text: string;
  /** Of the messages that carry rows. */
  rowType: number;
  send(connection: ExtendedConnection): void;
}

class RowsOut implements Submittable {
  /** As pg's own queries have them, for who watches queries: the statement, and what is called once at its end. */
  readonly text: string;
  callback: (error: Error | null, rows?: number) => void;
  readonly #request: Request;
  readonly #rows: RowsReader;
  #count = 0;
  #ended = false;
  #headerSeen: boolean;
  #connection: Connection | undefined;
  #release: () => void = () => {};
  #handOn: (bytes: Buffer) => void = () => {};

  constructor(request: Request, rows: RowsReader, callback: RowsOut['callback']) {
    this.text = request.text;
    this.#request = request;
    // Only a COPY has one.
    this.#headerSeen = request.rowType !== COPY_DATA;
    this.#rows = rows;
    this.callback = callback;
  }

  /** Called by pg when the connection is this query's. */
  submit(connection: Connection): void {
    this.#connection = connection;
    this.#takeOver(connection.stream as Socket);
    this.#request.send(connection as unknown as ExtendedConnection);
  }

  #takeOver(stream: Socket): void {
    const own = readBufferOf(stream) ?? (stream instanceof TLSSocket ? bufferReadsOf(stream) : undefined);
    if (own !== undefined) {
      own.reader = (buffer, view, start, end) => this.#read(buffer, view, start, end);
      this.#handOn = (bytes) => stream.emit('data', bytes);
      this.#release = () => {
        own.reader = undefined;
      };
      return;
    }
    // Stand in for the listeners of 'data'.
    const listeners = stream.listeners('data') as ((chunk: Buffer) => void)[];
    const buffer = new ReadBuffer();
    buffer.reader = (bytes, view, start, end) => this.#read(bytes, view, start, end);
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

  /** Deals with the whole messages in buffer[start, end); returns where they end. */
  #read(buffer: Buffer, view: DataView, start: number, end: number): number {
    let at = start;
    while (end - at >= 5) {
      const type = buffer[at];
      let next = messageEnd(view, at);
      if (next > end) break;
      if (type === this.#request.rowType) next = this.#readRows(buffer, view, at, end);
      else if (type === READY_FOR_QUERY) {
        // The query is over: this and whatever follows is pg's.
        this.#release();
        this.#handOn(Buffer.from(buffer.subarray(at, end)));
        return end;
      } else if (!SILENT.has(type!)) {
        this.#handOn(Buffer.from(buffer.subarray(at, next)));
      }
      at = next;
    }
    return at;
  }

  /** Returns where it has stopped, behind the first message at least. */
  #readRows(buffer: Buffer, view: DataView, at: number, end: number): number {
    const next = messageEnd(view, at);
    if (this.#ended) return next;
    try {
      if (!this.#headerSeen) {
        this.#headerSeen = true;
        this.#readFirst(buffer.subarray(at, next));
        return next;
      }
      if (columnsOf(view, at) === END_OF_ROWS) return next;
      const stopped = this.#rows(buffer, view, at, end);
      if (stopped === at)
        throw new CopyFormatError(`PostgreSQL sent ${columnsOf(view, at)} columns, which are not those asked for`);
      return stopped;
    } catch (error) {
      this.#fail(error as Error);
      return next;
    }
  }

  /** The header of the file lies before the first row, if there is any, in the same message. */
  #readFirst(message: Buffer): void {
    const row = Buffer.from(message.subarray(FILE_HEADER_BYTES));
    if (row.length <= MESSAGE_HEAD_BYTES) return;
    message.copy(row, 0, 0, MESSAGE_HEAD_BYTES);
    row.writeInt32BE(row.length - 1, 1);
    const view = new DataView(row.buffer, row.byteOffset, row.length);
    this.#readRows(row, view, 0, row.length);
  }

  /** The reader has refused a row: nothing else is of use, and closing the connection is the shortest way to stop the server. */
  #fail(error: Error): void {
    // Now: the end of the query may lie in the same read, and would be taken for its success.
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
