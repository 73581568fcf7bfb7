/**
 * Defines when a connection is dead. A database, or a device in between, can vanish without FIN or RST. TCP then
 * retransmits for 15 minutes, and a proxy that acknowledges data and drops it hides the fault from TCP forever.
 * Therefore the client watches each of its connections (connection-watch.ts) in ticks of one second. A tick is a turn
 * of the event loop, so a process that computes or is frozen does not mistake its own silence for the server's.
 *
 *   idle       Nothing is received for PING_AFTER_TICKS: a ping is sent. No answer for PING_TICKS: dead.
 *   in flight  Nothing is received for SILENT_TICKS: the server is queried about the session on another connection. If
 *              the session does not exist: dead. If two observations in a row show a sign of a dead connection, or two
 *              queries in a row fail, and nothing is received in between: dead. A session that works or waits for a
 *              lock is healthy, however long it takes; such an observation counts like received data.
 *
 * Upper bounds on the time until a fault is noticed (a tick is added for a fault that begins between two ticks):
 *
 *   idle         PING_AFTER_TICKS + 1 + PING_TICKS + 1                              = 17 s
 *   in flight    1 + SILENT_TICKS + 1 + max(CONFIRM_TICKS, ANSWER_MS) + ANSWER_MS   = 22 s
 *   connecting   CONNECT_MS + SET_UP_MS_MAX                                         = 20 s
 *
 * One case is detected by the server: the session waits for a lock or computes, so that it appears healthy, while only
 * the packets of its own connection are dropped. The server ends the session within SERVER_NOTICES_MS, and the next
 * observation finds it gone:
 *
 *   waiting      1 + 2 × SILENT_TICKS + 1 + ANSWER_MS                               = 27 s
 *                where SERVER_NOTICES_MS <= 2 × SILENT_TICKS
 *
 * Limit: if a proxy acknowledges data and drops it while a session waits or computes, the fault is not noticed until
 * the session has finished its statement.
 */

export const TICK_MS = 1000;
/** For a session that is idle and not in a transaction. */
export const PING_AFTER_TICKS = 10;
export const PING_TICKS = 5;
/** For a session with a statement in flight. */
export const SILENT_TICKS = 10;
/** From the first sign of a dead connection to the second observation. */
export const CONFIRM_TICKS = 5;
/** The limit for querying the server on a new connection, including the time to connect. */
export const ANSWER_MS = 5000;
export const CONNECT_MS = 10_000;
/**
 * The limit for the statement that sets up a session. Behind a pooler in session mode, it includes the wait for a
 * server process.
 */
export const SET_UP_MS_MAX = 10_000;
/** From the end of a session until its socket is closed, even if the server does not close it. */
export const CLOSE_TICKS = 3;
/** The documented limit within which a dead connection is noticed. */
export const NOTICED_MS_MAX = 30_000;

/** The upper bound for each case above. */
export const NOTICED_MS = {
  idle: (PING_AFTER_TICKS + PING_TICKS + 2) * TICK_MS,
  inFlight: (1 + SILENT_TICKS + 1) * TICK_MS + Math.max(CONFIRM_TICKS * TICK_MS, ANSWER_MS) + ANSWER_MS,
  connecting: CONNECT_MS + SET_UP_MS_MAX,
  waiting: (1 + 2 * SILENT_TICKS + 1) * TICK_MS + ANSWER_MS,
} as const;

/** TCP keepalive by the client: the idle time before the first probe. libuv then sends 10 probes, 1 s apart. */
export const KEEPALIVE_IDLE_MS = 15_000;

const SERVER_KEEPALIVE_S = 2;
const SERVER_TIMEOUT_S = 12;
const SERVER_CHECK_S = 3;
/** The time in which the server ends the session of a vanished client, regardless of what the session does. */
export const SERVER_NOTICES_MS = (SERVER_TIMEOUT_S + SERVER_KEEPALIVE_S + SERVER_CHECK_S) * 1000;

/**
 * Settings of a session that release the locks of a vanished client, in the units of pg_settings. They have no effect
 * on a Unix socket. A live client that does not read for tcp_user_timeout loses its connection.
 */
export const LIVENESS_SETTINGS: Readonly<Record<string, string>> = {
  tcp_keepalives_idle: String(SERVER_KEEPALIVE_S),
  tcp_keepalives_interval: String(SERVER_KEEPALIVE_S),
  // Linux uses tcp_user_timeout instead; other systems use this count.
  tcp_keepalives_count: String(SERVER_TIMEOUT_S / SERVER_KEEPALIVE_S),
  tcp_user_timeout: String(SERVER_TIMEOUT_S * 1000),
  client_connection_check_interval: String(SERVER_CHECK_S * 1000),
};

/** A session as pg_stat_activity and pg_stat_progress_copy show it. */
export interface Backend {
  /** From pg_stat_activity; null if the role may not see it. */
  state: string | null;
  waitEvent: string | null;
  /** The COPY in progress, 'COPY FROM' or 'COPY TO', or null. */
  command: string | null;
  /** The bytes that COPY has processed. */
  copiedBytes: number;
}

/** The client's own state at the time of an observation. */
export interface ClientState {
  /** Bytes sent by a COPY … FROM STDIN in progress; undefined if the client waits for an answer. */
  sentBytes: number | undefined;
}

/** One observation of a silent connection: the client's side and the server's. */
export interface Observation {
  clientState: ClientState;
  /** Undefined if the session did not exist; null if no other connection could be opened. */
  backend: Backend | undefined | null;
}

/** The server's send buffer holds at most this much: rows beyond it have been sent. */
const BUFFERED_BYTES_MAX = 64 * 1024;

/**
 * Judges a connection on which nothing was received: 'alive', 'doubtful', or dead with the sign that shows it. Unless
 * the session has ended, the verdict "dead" needs two observations; `before` is the earlier, doubtful one.
 */
export function judge(
  observation: Observation,
  before: Observation | undefined,
): 'alive' | 'doubtful' | { sign: string } {
  // No second observation is needed.
  if (observation.backend === undefined) return { sign: 'its session has ended on the server' };
  const sign = signOf(observation, before);
  if (before !== undefined) return sign === undefined ? 'alive' : { sign };
  if (sign !== undefined) return 'doubtful';
  // Only a second observation can show whether its rows arrive.
  return observation.backend?.command === 'COPY TO' ? 'doubtful' : 'alive';
}

function signOf({ clientState, backend }: Observation, before: Observation | undefined): string | undefined {
  if (backend === null) return 'no other connection can be opened either';
  if (backend === undefined) return undefined;
  const { state, waitEvent, command, copiedBytes } = backend;
  if (state?.startsWith('idle')) return 'its session waits for a statement';
  if (state !== 'active') return undefined;
  if (waitEvent === 'ClientWrite') return 'its session waits for the client to read its rows';
  if (waitEvent === 'ClientRead') {
    if (clientState.sentBytes === undefined) return 'its session waits for more of the statement';
    // Rows sent since the first observation may still be in transit; earlier rows are not.
    const sentBytes = before?.clientState.sentBytes ?? clientState.sentBytes;
    return copiedBytes < sentBytes ? 'its session waits for rows that were sent' : undefined;
  }
  if (command === 'COPY TO' && before?.backend?.command === 'COPY TO') {
    const sentBytes = copiedBytes - before.backend.copiedBytes;
    return sentBytes > BUFFERED_BYTES_MAX ? 'its session has sent rows that did not arrive' : undefined;
  }
  return undefined;
}
