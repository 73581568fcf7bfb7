/**
 * Tells whether a piece of work makes progress on its connections, so that an activity that waits for nothing can be
 * told from one that waits for PostgreSQL. Statements are attributed to work by asynchronous context: the connection
 * need not be passed along.
 *
 *   progress       a statement was sent since the last look, or one is in flight and waits for the server, or a COPY has sent rows
 *   no progress    no statement is in flight, or a COPY … FROM STDIN waits for rows that its sender does not send
 *
 * A statement in flight counts however long it takes: it computes, or waits for a lock. If its connection is dead,
 * ConnectionWatch closes the connection and the statement fails.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Socket } from 'node:net';
import type { ClientBase } from 'pg';
import { sendingOf } from '../copy/copy-in.js';

const current = new AsyncLocalStorage<DatabaseWork>();

/** The work that sent the last statement of each connection. */
const senders = new WeakMap<ClientBase, DatabaseWork>();

export class DatabaseWork {
  /** Connections, and how many bytes of rows a COPY on each had sent at the last look. */
  readonly #clients = new Map<ClientBase, number>();
  #hasSent = false;

  /** Runs `work`; statements that it sends count for this object. */
  run<T>(work: () => Promise<T>): Promise<T> {
    return current.run(this, work);
  }

  /** True if the work has made progress since the last call. */
  hasProgressed(): boolean {
    let progressed = this.#hasSent;
    this.#hasSent = false;
    for (const [client, sentBefore] of this.#clients) {
      if (senders.get(client) !== this) {
        this.#clients.delete(client);
        continue;
      }
      const sent = sendingOf(client) ?? 0;
      if (waitsForServer(client) || sent !== sentBefore) progressed = true;
      this.#clients.set(client, sent);
    }
    return progressed;
  }

  sends(client: ClientBase): void {
    this.#hasSent = true;
    if (!this.#clients.has(client)) this.#clients.set(client, 0);
  }
}

/** Attributes each statement that is sent on a connection to the work in whose context it is sent. */
export function attributeStatements(client: ClientBase): void {
  const send = client.query as (...statement: unknown[]) => unknown;
  client.query = ((...statement: unknown[]) => {
    const work = current.getStore();
    if (work === undefined) senders.delete(client);
    else {
      senders.set(client, work);
      work.sends(client);
    }
    return send.apply(client, statement);
  }) as ClientBase['query'];
}

/** Runs `start` so that statements which it causes later count for no work, even if work is what calls it. */
export function outsideWork<T>(start: () => T): T {
  return current.exit(start);
}

function waitsForServer(client: ClientBase): boolean {
  const { readyForQuery, connection } = client as unknown as { readyForQuery: boolean; connection: { stream: Socket } };
  if (readyForQuery) return false;
  // A COPY that sends rows waits for the server only while the socket has not taken them all.
  return sendingOf(client) === undefined || connection.stream.writableLength > 0;
}
