/** Explanations and fixes for errors that are retried. The run's Query and the commands show them. */

/** By SQLSTATE. */
const SQLSTATES: Readonly<Record<string, string>> = {
  '25006': 'it is a standby, which accepts no writes: retried until DATABASE_URL leads to the primary',
  '28000': 'it rejects the role: allow it in pg_hba.conf, or correct DATABASE_URL',
  '28P01': 'it rejects the password: correct DATABASE_URL',
  '3D000': 'the database does not exist: correct DATABASE_URL',
  '53100': 'its disk is full: free some space',
  '53300': 'it has no free connection: raise max_connections, or close some connections',
  '55P03': 'another session holds a lock: pg_locks shows which',
  '57014': 'a user or a timeout cancelled it: check statement_timeout of the role and the database',
  '57P01': 'it is shutting down, or an administrator ended the session',
  '57P02': 'it has crashed',
  '57P03': 'it is starting or stopping',
};

/** By Node's error code. */
const SYSTEM: Readonly<Record<string, string>> = {
  EAI_AGAIN: 'the host name cannot be resolved: correct DATABASE_URL',
  ECONNREFUSED: 'nothing listens there: start it, or correct DATABASE_URL',
  ECONNRESET: 'the connection was lost',
  EHOSTUNREACH: 'it does not answer: check the network',
  ENETUNREACH: 'it does not answer: check the network',
  ENOTFOUND: 'the host name cannot be resolved: correct DATABASE_URL',
  EPIPE: 'the connection was lost',
  ETIMEDOUT: 'it does not answer: check the network',
};

const UNCODED: readonly [RegExp, string][] = [
  [/^Connection terminated/, 'the connection was lost'],
  [/timeout exceeded when trying to connect/, 'it does not answer in time: check the network'],
];

/** Returns the explanation of a SQLSTATE; undefined if there is none. */
export function reasonOfSqlstate(code: string): string | undefined {
  return SQLSTATES[code];
}

/**
 * Returns the message of an error that PostgreSQL did not send: one sentence, which names PostgreSQL if it is
 * unreachable.
 */
export function messageOf(message: string, code: string | undefined): string {
  const reason = SYSTEM[code ?? ''] ?? UNCODED.find(([pattern]) => pattern.test(message))?.[1];
  return reason === undefined ? message : `PostgreSQL can't be reached: ${message} (${reason})`;
}
