/**
 * COPY … FROM STDIN: chunks go to the socket as they are, with back-pressure, and nothing is copied or kept.
 */
import type { Socket } from 'node:net';
import type { ClientBase, Connection, Submittable } from 'pg';

/** What pg's connection can do and its types don't say. */
type CopyConnection = Connection & { endCopyFrom(): void; sendCopyFail(reason: string): void };

const HEADER_BYTES = 5;
const COPY_DATA = 0x64; // 'd'

/** What opens every binary COPY: signature, no flags, no extension. */
export const BINARY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
/** What ends it. */
export const BINARY_TRAILER = Buffer.from([0xff, 0xff]);

/** Starts a COPY … FROM STDIN on the client; resolves once the server takes rows. */
export function copyIn(client: ClientBase, sql: string): Promise<CopyIn> {
  const copy = new CopyIn(sql);
  copies.set(client, copy);
  client.query(copy);
  return copy.accepted;
}

/** The last COPY of each client. */
const copies = new WeakMap<ClientBase, CopyIn>();

/** Bytes of rows that a COPY on the client has sent, if it may send more; undefined if none is under way, or it waits for the server. */
export function sendingOf(client: ClientBase): number | undefined {
  return copies.get(client)?.sendingBytes;
}

/** One COPY under way. End it by finish() or fail(); whatever went wrong is thrown by each call from then on. */
export class CopyIn implements Submittable {
  /** As pg's own queries have them, for who watches queries: the statement, and what is called at its end. */
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
    // An error is seen by whoever awaits; before anybody does it must not end the process.
    this.accepted.catch(() => {});
    this.#done.catch(() => {});
  }

  /** How many bytes were sent, while more may be; undefined before the server takes rows, and once it is to end. */
  get sendingBytes(): number | undefined {
    return this.#sends ? this.#bytes : undefined;
  }

  /** Sends a chunk of rows; resolves when the socket has taken it, and the chunk may be used anew. */
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
    // The server's own error, if it has one to tell, says more than the socket's.
    await Promise.race([sent, this.#done]);
  }

  /** Ends the COPY; resolves with the number of rows that the server has stored. */
  finish(): Promise<number> {
    this.#sends = false;
    this.#connection!.endCopyFrom();
    return this.#done;
  }

  /** Gives the COPY up; the transaction fails with the reason. */
  async fail(reason: string): Promise<void> {
    this.#sends = false;
    this.#connection!.sendCopyFail(reason);
    await this.#done.catch(() => {});
  }

  /** Called by pg when the connection is this query's. */
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
