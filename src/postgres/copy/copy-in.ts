/**
 * COPY … FROM STDIN. Chunks go to the socket without a copy, and write() waits while the socket is full.
 *
 * Format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
 */
import type { Socket } from 'node:net';
import type { ClientBase, Connection, Submittable } from 'pg';

/** The methods of pg's connection that its types lack. */
type CopyConnection = Connection & { endCopyFrom(): void; sendCopyFail(reason: string): void };

const HEADER_BYTES = 5;
const COPY_DATA = 0x64; // 'd'

/** The file header of a binary COPY: signature, no flags, no extension. */
export const BINARY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
/** The end of a binary COPY. */
export const BINARY_TRAILER = Buffer.from([0xff, 0xff]);

/** Starts a COPY … FROM STDIN on the client. Resolves when the server accepts rows. */
export function copyIn(client: ClientBase, sql: string): Promise<CopyIn> {
  const copy = new CopyIn(sql);
  copies.set(client, copy);
  client.query(copy);
  return copy.accepted;
}

/** The latest COPY of each client. */
const copies = new WeakMap<ClientBase, CopyIn>();

/**
 * The bytes that the client's COPY has sent, while it may send more. Undefined if there is none, or if it waits for the
 * server.
 */
export function sendingOf(client: ClientBase): number | undefined {
  return copies.get(client)?.sendingBytes;
}

/** A COPY in progress. End it by finish() or fail(). After an error, each method throws it. */
export class CopyIn implements Submittable {
  /**
   * The statement and its completion callback, named as in pg's own queries, for code that watches queries (tracing).
   */
  readonly text: string;
  callback: (error: Error | null) => void = () => {};
  readonly accepted: Promise<CopyIn>;
  readonly #done: Promise<number>;
  #accept: (copy: CopyIn) => void = () => {};
  #refuse: (error: Error) => void = () => {};
  #resolve: (rows: number) => void = () => {};
  #reject: (error: Error) => void = () => {};
  #connection: CopyConnection | undefined;
  #rows = 0;
  #bytes = 0;
  #sends = false;

  constructor(text: string) {
    this.text = text;
    this.accepted = new Promise((resolve, reject) => {
      this.#accept = resolve;
      this.#refuse = reject;
    });
    this.#done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // An error that is not awaited yet must not end the process.
    this.accepted.catch(() => {});
    this.#done.catch(() => {});
  }

  /** The bytes sent, while more may be. Undefined before the server accepts rows, and after finish() or fail(). */
  get sendingBytes(): number | undefined {
    return this.#sends ? this.#bytes : undefined;
  }

  /** Sends a chunk of rows. Resolves when the socket has taken it; the chunk's memory may then be reused. */
  async write(chunk: Buffer): Promise<void> {
    const stream = this.#connection!.stream as Socket;
    this.#bytes += chunk.length;
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    header[0] = COPY_DATA;
    header.writeInt32BE(chunk.length + 4, 1);
    const sent = new Promise<void>((resolve, reject) => {
      stream.cork();
      stream.write(header);
      stream.write(chunk, (error) => (error ? reject(error) : resolve()));
      stream.uncork();
    });
    sent.catch(() => {});
    // The server's error, if there is one, is more specific than the socket's.
    await Promise.race([sent, this.#done]);
  }

  /** Ends the COPY. Resolves with the number of rows stored. */
  finish(): Promise<number> {
    this.#sends = false;
    this.#connection!.endCopyFrom();
    return this.#done;
  }

  /** Aborts the COPY. The transaction fails with the reason. */
  async fail(reason: string): Promise<void> {
    this.#sends = false;
    this.#connection!.sendCopyFail(reason);
    await this.#done.catch(() => {});
  }

  /** Called by pg when it is this query's turn. */
  submit(connection: Connection): void {
    this.#connection = connection as CopyConnection;
    connection.query(this.text);
  }

  handleCopyInResponse(): void {
    this.#sends = true;
    this.#accept(this);
  }

  handleCommandComplete(message: { text: string }): void {
    this.#rows = Number(message.text.split(' ')[1] ?? 0);
  }

  handleReadyForQuery(): void {
    this.#sends = false;
    this.#resolve(this.#rows);
    this.callback(null);
  }

  handleError(error: Error): void {
    this.#sends = false;
    this.callback(error);
    this.#refuse(error);
    this.#reject(error);
  }

  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
  handleCopyData(): void {}
}
