/**
 * What an error of PostgreSQL, or of the connection to it, means, and how to fix it. Activities append the reason to
 * the failure of a run, and commands print it with the address of the server.
 */

/** Errors that the server sends: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const SQLSTATES: Readonly<Record<string, string>> = {
  '25006': 'a standby accepts no writes: set DATABASE_URL to the primary',
  '28000':
    'the role is not allowed to connect: allow it in pg_hba.conf, or correct the role or sslmode in DATABASE_URL',
  '28P01': 'the role or its password is wrong: correct DATABASE_URL',
  '3D000': 'the database does not exist: create it with `createdb`, or correct DATABASE_URL',
  '3F000': 'the schema is missing: run `meterfold migrate`',
  '42501': 'the role lacks a privilege: `meterfold doctor` lists those it needs; grant them, or connect as the owner',
  '42703': 'a column is missing: run `meterfold migrate`',
  '42P01': 'a table is missing: run `meterfold migrate`',
  '53100': 'the disk is full: free some space',
  '53300': 'no connection is left: raise max_connections, or end some',
  '55P03': 'another session holds a lock: pg_locks names it',
  '57014': 'the statement was cancelled: check statement_timeout of the role and the database',
  '57P01': 'the server is shutting down, or the session was terminated',
  '57P02': 'the server has crashed',
  '57P03': 'the server is starting or stopping: try again in a moment',
};

const NO_ANSWER = 'the server does not answer: check the network and firewalls, or correct DATABASE_URL';
const UNKNOWN_HOST = 'the host name is unknown: correct DATABASE_URL';
const BROKEN = 'the connection broke: check whether a PostgreSQL server runs there, then try again';

/** Errors of Node on the way to the server, by code. */
const SYSTEM: Readonly<Record<string, string>> = {
  EAI_AGAIN: UNKNOWN_HOST,
  ECONNREFUSED: 'nothing listens there: start the server (`meterfold dev` starts one), or correct DATABASE_URL',
  ECONNRESET: BROKEN,
  EHOSTUNREACH: NO_ANSWER,
  ENETUNREACH: NO_ANSWER,
  ENOTFOUND: UNKNOWN_HOST,
  EPIPE: BROKEN,
  ETIMEDOUT: NO_ANSWER,
};

/** Errors of pg and of Node's TLS that have no code of their own. */
const MESSAGES: readonly [RegExp, string][] = [
  [/timeout exceeded when trying to connect|connection timeout/i, NO_ANSWER],
  [/Connection terminated|Client has encountered a connection error/, BROKEN],
  [/password must be a string|no password/i, 'the server asks for a password: set it in DATABASE_URL'],
  [/does not support SSL/, 'the server does not use TLS: add sslmode=disable to DATABASE_URL, or enable TLS there'],
  [/certificate|self-signed|ERR_TLS/i, 'the certificate of the server is not trusted: set sslrootcert in DATABASE_URL'],
];

interface PostgresError {
  message?: unknown;
  code?: unknown;
  syscall?: unknown;
}

export interface Explanation {
  /** True if the server itself sent the error. */
  isReached: boolean;
  /** One sentence without a full stop; absent if the SQLSTATE has no explanation. */
  reason?: string;
}

/** Undefined for an error that is neither PostgreSQL's nor the connection's. */
export function explainPostgres({ message, code, syscall }: PostgresError): Explanation | undefined {
  if (isSqlstate(code)) {
    const reason = SQLSTATES[code];
    return { isReached: true, ...(reason === undefined ? {} : { reason }) };
  }
  // A Unix socket that does not exist is ENOENT, as is any other missing file.
  const system = code === 'ENOENT' && syscall === 'connect' ? 'ECONNREFUSED' : String(code);
  const reason = SYSTEM[system] ?? MESSAGES.find(([pattern]) => pattern.test(`${message} ${code}`))?.[1];
  return reason === undefined ? undefined : { isReached: false, reason };
}

/** True for five digits and capital letters with a digit among them; Node's own codes, such as EPIPE, have none. */
export function isSqlstate(code: unknown): code is string {
  return typeof code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(code);
}
