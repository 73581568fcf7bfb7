/**
 * When a connection counts as dead. A database, or a box on the way to it, can vanish without FIN or RST; TCP then retries for a
 * quarter of an hour, and a proxy that still acknowledges what it drops hides the fault from TCP for ever. So the client itself
 * watches each of its connections (connection-watch.ts), in ticks of a second. A tick is a turn of the event loop: a process that
 * computes, or is frozen, does not take its own silence for the server's.
 *
 *   idle       nothing heard for PING_AFTER_TICKS: the server is asked for a sign of life; no answer in PING_TICKS: dead
 *   in flight  nothing heard for SILENT_TICKS: the server is asked over another connection what the session does. If it has none such:
 *              dead. Twice another sign of a dead connection, or twice no answer, with nothing heard in between: dead. A session that
 *              works or waits is healthy, however long it takes: to say so counts as heard.
 *
 * Noticed at the latest, where TICK_MS is added for what begins between two ticks:
 *
 *   idle         PING_AFTER_TICKS + 1 + PING_TICKS + 1                              = 17 s
 *   in flight    1 + SILENT_TICKS + 1 + max(CONFIRM_TICKS, ANSWER_MS) + ANSWER_MS   = 22 s
 *   connecting   CONNECT_MS + SET_UP_MS_MAX                                         = 20 s
 *
 * One case is left to the server: the session waits for a lock, or computes, so that it looks healthy, while packets of its connection
 * alone are dropped. The server then ends the session (SERVER_NOTICES_MS), and the second look finds it gone:
 *
 *   waiting      1 + 2 × SILENT_TICKS + 1 + ANSWER_MS                               = 27 s, where SERVER_NOTICES_MS <= 2 × SILENT_TICKS
 *
 * If a proxy acknowledges what it drops while a session waits or computes, nothing tells until the session is done with its statement.
 */

export const TICK_MS = 1000;
/** Of a session that is idle and in no transaction. */
export const PING_AFTER_TICKS = 10;
export const PING_TICKS = 5;
/** Of a session with a statement in flight. */
export const SILENT_TICKS = 10;
/** From the first sign of a dead connection to the second look. */
export const CONFIRM_TICKS = 5;
/** Of the server, to what is asked over a fresh connection, connecting included. */
export const ANSWER_MS = 5000;
export const CONNECT_MS = 10_000;
/** Of the statement that sets up a session. Behind a pooler in session mode a connection waits here for a server process of its own. */
export const SET_UP_MS_MAX = 10_000;
/** From the end of a session until its socket is closed, whether the server says goodbye or not. */
export const GOODBYE_TICKS = 3;
/** A dead connection is noticed within this time. */
export const NOTICED_MS_MAX = 30_000;

/** The longest time in ms in which each kind of silence is noticed. */
export const NOTICED_MS = {
  idle: (PING_AFTER_TICKS + PING_TICKS + 2) * TICK_MS,
  inFlight: (1 + SILENT_TICKS + 1) * TICK_MS + Math.max(CONFIRM_TICKS * TICK_MS, ANSWER_MS) + ANSWER_MS,
  connecting: CONNECT_MS + SET_UP_MS_MAX,
  waiting: (1 + 2 * SILENT_TICKS + 1) * TICK_MS + ANSWER_MS,
} as const;

/** TCP's own probes on an idle connection, by the client: after this long, then (as libuv sets it) 10 of them, 1 s apart. */
export const KEEPALIVE_IDLE_MS = 15_000;

const SERVER_KEEPALIVE_S = 2;
const SERVER_TIMEOUT_S = 12;
const SERVER_CHECK_S = 3;
/** When the server has ended the session of a client that has vanished, whatever the session does. */
export const SERVER_NOTICES_MS = (SERVER_TIMEOUT_S + SERVER_KEEPALIVE_S + SERVER_CHECK_S) * 1000;

/**
 * Of a session, for clients that vanish: what they have locked is free again. On a Unix socket they have no effect. A client that lives
 * and does not read for tcp_user_timeout loses its connection. In the units of pg_settings.
 */
export const LIVENESS_SETTINGS: Readonly<Record<string, string>> = {
  tcp_keepalives_idle: String(SERVER_KEEPALIVE_S),
  tcp_keepalives_interval: String(SERVER_KEEPALIVE_S),
  // Beside tcp_user_timeout it is what other systems than Linux go by.
  tcp_keepalives_count: String(SERVER_TIMEOUT_S / SERVER_KEEPALIVE_S),
  tcp_user_timeout: String(SERVER_TIMEOUT_S * 1000),
  client_connection_check_interval: String(SERVER_CHECK_S * 1000),
};

/** A session as the server shows it. */
export interface Backend {
  /** As pg_stat_activity has it; null where it is not shown. */
  state: string | null;
  waitEvent: string | null;
  /** The COPY under way: 'COPY FROM', 'COPY TO', or none. */
  command: string | null;
  /** Bytes that COPY has processed. */
  copiedBytes: number;
}

/** What the client has asked of a session, at the time of a look. */
export interface Asked {
  /** Bytes of rows sent by a COPY … FROM STDIN that goes on; undefined: the client waits for an answer. */
  sentBytes: number | undefined;
}

/** A look that left doubts. */
export interface Look {
  asked: Asked;
  /** Undefined: there was no such session. Null: no other connection could be made. */
  backend: Backend | undefined | null;
}

/** Rows beyond this do not wait in the server's own buffer. */
const BUFFERED_BYTES_MAX = 64 * 1024;

/**
 * What a look says of a connection on which nothing was heard: 'alive', 'doubtful', or the sign that it is dead. But for a session that
 * has ended it takes two looks; `before` is an earlier doubtful one.
 */
export function judge(look: Look, before: Look | undefined): 'alive' | 'doubtful' | { sign: string } {
  // There is nothing to wait for.
  if (look.backend === undefined) return { sign: 'its session has ended on the server' };
  const sign = signOf(look, before);
  if (before !== undefined) return sign === undefined ? 'alive' : { sign };
  if (sign !== undefined) return 'doubtful';
  // Whether its rows arrive shows only beside a second look.
  return look.backend?.command === 'COPY TO' ? 'doubtful' : 'alive';
}

function signOf({ asked, backend }: Look, before: Look | undefined): string | undefined {
  if (backend === null) return 'no other connection can be made either';
  if (backend === undefined) return undefined;
  const { state, waitEvent, command, copiedBytes } = backend;
  if (state?.startsWith('idle')) return 'its session waits for a statement';
  if (state !== 'active') return undefined;
  if (waitEvent === 'ClientWrite') return 'its session waits until its rows are taken';
  if (waitEvent === 'ClientRead') {
    if (asked.sentBytes === undefined) return 'its session waits for more of the statement';
    // Rows may be on their way: those sent before the first look are not.
    const sentBytes = before?.asked.sentBytes ?? asked.sentBytes;
    return copiedBytes < sentBytes ? 'its session waits for rows that were sent' : undefined;
  }
  if (command === 'COPY TO' && before?.backend?.command === 'COPY TO') {
    const sentBytes = copiedBytes - before.backend.copiedBytes;
    return sentBytes > BUFFERED_BYTES_MAX ? 'its session has sent rows that did not arrive' : undefined;
  }
  return undefined;
}
