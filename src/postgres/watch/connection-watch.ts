/**
 * Watches the connections of a pool and closes those that are dead according to the rules in liveness.ts. A statement
 * in flight on a closed connection fails with DeadConnectionError, and is retried on another connection. The only cost
 * is a timer: nothing is added to a query or to checking out a connection.
 */
import type { Socket } from 'node:net';
import type pg from 'pg';
import { newClient } from '../connection.js';
import { sendingOf } from '../copy/copy-in.js';
import type { Session } from '../session.js';
import {
  ANSWER_MS,
  type Backend,
  CLOSE_TICKS,
  type ClientState,
  CONFIRM_TICKS,
  judge,
  type Observation,
  PING_AFTER_TICKS,
  PING_TICKS,
  SILENT_TICKS,
  TICK_MS,
} from './liveness.js';
import { outsideWork } from './work.js';

/** Retried, because another connection or another worker may reach the server. */
export class DeadConnectionError extends Error {
  override name = 'DeadConnectionError';

  constructor(sign: string) {
    super(
      `the connection to PostgreSQL is dead: nothing was received for ${SILENT_TICKS} s or more, and ${sign}; check that the server is up, and that no proxy or firewall in between drops connections`,
    );
  }
}

/** The members of pg's client that its type declarations omit. */
type WatchedClient = pg.ClientBase & {
  connection: { stream: Socket; sync(): void };
  /** False while a statement is in flight. */
  readyForQuery?: boolean;
  _ending: boolean;
};

interface Watched {
  client: WatchedClient;
  /** The server process of the session. Behind a pooler it differs from pg's processID. */
  pid: number;
  startedAt: string;
  /** Values at the last tick. */
  bytesRead: number;
  inFlight: boolean;
  /** Ticks since bytes were received or a statement was sent. */
  silentTicks: number;
  pinging: boolean;
  observing: boolean;
  /** The first observation that suggests a dead connection; cleared when bytes are received. */
  doubts: Observation | undefined;
}

const SESSIONS = `
  select watched.position, activity.pid is not null as found, activity.state,
         case when activity.wait_event_type = 'Client' then activity.wait_event end as "waitEvent",
         copy.command, coalesce(copy.bytes_processed, 0)::float8 as "copiedBytes"
    from unnest($1::integer[], $2::text[]) with ordinality as watched (pid, started_at, position)
    left join pg_catalog.pg_stat_activity activity
           on activity.pid = watched.pid and extract(epoch from activity.backend_start)::text = watched.started_at
    left join pg_catalog.pg_stat_progress_copy copy on copy.pid = activity.pid
   order by watched.position`;

export class ConnectionWatch {
  readonly #config: pg.PoolConfig;
  readonly #watched = new Set<Watched>();
  #timer: NodeJS.Timeout | undefined;

  /** `config` opens the separate connections on which the server is queried about sessions. */
  constructor(config: pg.PoolConfig) {
    this.#config = { ...config, application_name: 'meterfold watch', connectionTimeoutMillis: ANSWER_MS };
  }

  /** Watches a connection whose session was just set up, until it is closed. */
  begin(client: pg.ClientBase, { backendPid, startedAt }: Session): void {
    const watched: Watched = {
      client: client as WatchedClient,
      pid: backendPid,
      startedAt,
      bytesRead: 0,
      inFlight: false,
      silentTicks: 0,
      pinging: false,
      observing: false,
      doubts: undefined,
    };
    this.#watched.add(watched);
    client.once('end', () => this.#forget(watched));
    this.#timer ??= outsideWork(() => setInterval(() => this.#tick(), TICK_MS).unref());
  }

  #forget(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const silent = [...this.#watched].filter((watched) => this.#needsObservation(watched));
    if (silent.length > 0) void this.#observe(silent);
  }

  #needsObservation(watched: Watched): boolean {
    const { client } = watched;
    const { bytesRead } = client.connection.stream;
    const inFlight = client.readyForQuery === false;
    if (bytesRead !== watched.bytesRead || inFlight !== watched.inFlight) {
      Object.assign(watched, { bytesRead, inFlight, silentTicks: 0, doubts: undefined });
      return false;
    }
    watched.silentTicks++;
    if (client._ending) {
      if (watched.silentTicks >= CLOSE_TICKS) client.connection.stream.destroy();
      return false;
    }
    if (!inFlight) {
      if (watched.silentTicks >= PING_AFTER_TICKS) this.#ping(watched);
      return false;
    }
    if (watched.pinging) {
      if (watched.silentTicks >= PING_TICKS) this.#close(watched, 'it gives no sign of life');
      return false;
    }
    const due = watched.doubts === undefined ? SILENT_TICKS : SILENT_TICKS + CONFIRM_TICKS;
    return watched.silentTicks >= due && !watched.observing;
  }

  /**
   * Sends a Sync message, which the server answers with ReadyForQuery. Not sent within a transaction, where it would
   * reset the server's idle timeout.
   */
  #ping(watched: Watched): void {
    if (watched.pinging || watched.client.getTransactionStatus() !== 'I') return;
    watched.pinging = true;
    const answered = () => {
      watched.pinging = false;
    };
    watched.client.query(new Ping(answered));
  }

  async #observe(silent: Watched[]): Promise<void> {
    const before = silent.map(({ client, bytesRead }) => ({
      bytesRead,
      clientState: { sentBytes: sendingOf(client) },
    }));
    for (const watched of silent) watched.observing = true;
    const backends = await this.#queryBackends(silent).catch((error: { code?: string }) => {
      // A SQLSTATE means that the server is alive but did not describe the sessions.
      return /^[0-9A-Z]{5}$/.test(error.code ?? '') ? undefined : silent.map(() => null);
    });
    for (const [at, watched] of silent.entries()) {
      watched.observing = false;
      const { bytesRead, clientState } = before[at]!;
      if (watched.client.connection.stream.bytesRead !== bytesRead || watched.client.readyForQuery !== false) continue;
      if (backends === undefined) watched.silentTicks = 0;
      else this.#conclude(watched, { clientState, backend: backends[at] });
    }
  }

  #conclude(watched: Watched, observation: { clientState: ClientState; backend: Backend | undefined | null }): void {
    const verdict = judge(observation, watched.doubts);
    if (verdict === 'doubtful') watched.doubts = observation;
    else if (verdict === 'alive') Object.assign(watched, { silentTicks: 0, doubts: undefined });
    else this.#close(watched, verdict.sign);
  }

  /**
   * Returns what pg_stat_activity shows for the sessions, in the given order; undefined for a session that has ended.
   */
  async #queryBackends(silent: readonly Watched[]): Promise<(Backend | undefined)[]> {
    const client = newClient(this.#config);
    client.on('error', () => {});
    const socket = () => (client as unknown as WatchedClient).connection.stream;
    const timer = setTimeout(() => socket().destroy(new Error('no answer in time')), ANSWER_MS);
    try {
      await client.connect();
      const { rows } = await client.query<Backend & { found: boolean }>(SESSIONS, [
        silent.map(({ pid }) => pid),
        silent.map(({ startedAt }) => startedAt),
      ]);
      return rows.map(({ found, ...backend }) => (found ? backend : undefined));
    } finally {
      clearTimeout(timer);
      void client.end().catch(() => {});
      setTimeout(() => socket().destroy(), ANSWER_MS).unref();
    }
  }

  #close({ client }: Watched, sign: string): void {
    client.connection.stream.destroy(new DeadConnectionError(sign));
    // The same fault may have affected the other connections.
    for (const other of this.#watched) {
      if (other.client !== client && other.client.readyForQuery === true && other.silentTicks > 0) this.#ping(other);
    }
  }
}

class Ping implements pg.Submittable {
  /** Present in pg's own queries, and expected by instrumentation of queries. */
  readonly text = '';
  callback: () => void;

  constructor(callback: () => void) {
    this.callback = callback;
  }

  submit(connection: pg.Connection): void {
    (connection as unknown as WatchedClient['connection']).sync();
  }

  handleReadyForQuery(): void {
    this.callback();
  }

  handleError(): void {
    this.callback();
  }

  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
  handleCommandComplete(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}
}
