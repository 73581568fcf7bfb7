/**
 * Watches the connections of a pool, and closes those that are dead by the rules of liveness.ts: what is in flight on one fails with a
 * DeadConnectionError, and is tried again on another. It costs a timer: nothing is added to a query, or to taking a connection.
 */
import type { Socket } from 'node:net';
import type pg from 'pg';
import { newClient } from '../connection.js';
import { sendingOf } from '../copy/copy-in.js';
import type { Session } from '../session.js';
import {
  ANSWER_MS,
  type Asked,
  type Backend,
  CONFIRM_TICKS,
  GOODBYE_TICKS,
  judge,
  type Look,
  PING_AFTER_TICKS,
  PING_TICKS,
  SILENT_TICKS,
  TICK_MS,
} from './liveness.js';
import { outsideWork } from './work.js';

/** Retried: another connection, or another worker, may reach the server. */
export class DeadConnectionError extends Error {
  override name = 'DeadConnectionError';

  constructor(sign: string) {
    super(
      `the connection to PostgreSQL is dead: nothing came for ${SILENT_TICKS} s or more, and ${sign}; see whether the server is up, and whether a proxy or firewall on the way drops connections`,
    );
  }
}

/** What pg's client has and its types do not say. */
type WatchedClient = pg.ClientBase & {
  connection: { stream: Socket; sync(): void };
  /** False while a statement is in flight. */
  readyForQuery?: boolean;
  _ending: boolean;
};

interface Watched {
  client: WatchedClient;
  /** The session on the server; behind a pooler that is not pg's processID. */
  pid: number;
  startedAt: string;
  /** As of the last tick. */
  bytesRead: number;
  inFlight: boolean;
  /** Since something was heard, or asked. */
  silentTicks: number;
  pinging: boolean;
  asking: boolean;
  /** A look that left doubts, after which nothing was heard. */
  doubts: Look | undefined;
}

const SESSIONS = `
  select watched.position, activity.pid is not null as there, activity.state,
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

  /** `config` opens the connections over which the server is asked. */
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
      asking: false,
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
    const silent = [...this.#watched].filter((watched) => this.#isToBeAskedAbout(watched));
    if (silent.length > 0) void this.#askAbout(silent);
  }

  #isToBeAskedAbout(watched: Watched): boolean {
    const { client } = watched;
    const { bytesRead } = client.connection.stream;
    const inFlight = client.readyForQuery === false;
    if (bytesRead !== watched.bytesRead || inFlight !== watched.inFlight) {
      Object.assign(watched, { bytesRead, inFlight, silentTicks: 0, doubts: undefined });
      return false;
    }
    watched.silentTicks++;
    if (client._ending) {
      if (watched.silentTicks >= GOODBYE_TICKS) client.connection.stream.destroy();
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
    return watched.silentTicks >= due && !watched.asking;
  }

  /** A Sync: the server answers that it is ready, and does nothing. In a transaction it would put off the server's time-out for idle ones. */
  #ping(watched: Watched): void {
    if (watched.pinging || watched.client.getTransactionStatus() !== 'I') return;
    watched.pinging = true;
    const answered = () => {
      watched.pinging = false;
    };
    watched.client.query(new Ping(answered));
  }

  async #askAbout(silent: Watched[]): Promise<void> {
    const before = silent.map(({ client, bytesRead }) => ({ bytesRead, asked: { sentBytes: sendingOf(client) } }));
    for (const watched of silent) watched.asking = true;
    const backends = await this.#look(silent).catch((error: { code?: string }) => {
      // A server that refuses is there, and says nothing of the sessions.
      return /^[0-9A-Z]{5}$/.test(error.code ?? '') ? undefined : silent.map(() => null);
    });
    for (const [at, watched] of silent.entries()) {
      watched.asking = false;
      const { bytesRead, asked } = before[at]!;
      if (watched.client.connection.stream.bytesRead !== bytesRead || watched.client.readyForQuery !== false) continue;
      if (backends === undefined) watched.silentTicks = 0;
      else this.#conclude(watched, { asked, backend: backends[at] });
    }
  }

  #conclude(watched: Watched, look: { asked: Asked; backend: Backend | undefined | null }): void {
    const verdict = judge(look, watched.doubts);
    if (verdict === 'doubtful') watched.doubts = look;
    else if (verdict === 'alive') Object.assign(watched, { silentTicks: 0, doubts: undefined });
    else this.#close(watched, verdict.sign);
  }

  /** What the server shows of the sessions, in their order; undefined for one that is gone. */
  async #look(silent: readonly Watched[]): Promise<(Backend | undefined)[]> {
    const asking = newClient(this.#config);
    asking.on('error', () => {});
    const socket = () => (asking as unknown as WatchedClient).connection.stream;
    const timer = setTimeout(() => socket().destroy(new Error('no answer in time')), ANSWER_MS);
    try {
      await asking.connect();
      const { rows } = await asking.query<Backend & { there: boolean }>(SESSIONS, [
        silent.map(({ pid }) => pid),
        silent.map(({ startedAt }) => startedAt),
      ]);
      return rows.map(({ there, ...backend }) => (there ? backend : undefined));
    } finally {
      clearTimeout(timer);
      void asking.end().catch(() => {});
      setTimeout(() => socket().destroy(), ANSWER_MS).unref();
    }
  }

  #close({ client }: Watched, sign: string): void {
    client.connection.stream.destroy(new DeadConnectionError(sign));
    // What befell one may have befallen all.
    for (const other of this.#watched) {
      if (other.client !== client && other.client.readyForQuery === true && other.silentTicks > 0) this.#ping(other);
    }
  }
}

class Ping implements pg.Submittable {
  /** As pg's own queries have them, for who watches queries. */
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
