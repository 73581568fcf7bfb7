/** What an error that is tried again means, and what to do about it if it stays: the run's Query and the commands show it. */

/** By SQLSTATE. */
const SQLSTATES: Readonly<Record<string, string>> = {
  '25006': 'a standby takes no writes: tried again until DATABASE_URL leads to the primary',
  '28000': 'it does not let the role in: allow it in pg_hba.conf, or correct DATABASE_URL',
  '28P01': 'it refuses the password: correct DATABASE_URL',
  '3D000': 'there is no such database: correct DATABASE_URL',
  '53100': 'its disk is full: free some space',
  '53300': 'it has no connection left: raise max_connections, or end some',
  '55P03': 'another session holds a lock: pg_locks names it',
  '57014': 'somebody or a time-out cancelled it: see statement_timeout of the role and the database',
  '57P01': 'it shuts down, or somebody ended the session',
  '57P02': 'it has crashed',
  '57P03': 'it is starting or stopping',
};

/** By Node's code. */
const SYSTEM: Readonly<Record<string, string>> = {
  EAI_AGAIN: 'the name of the host is not known: correct DATABASE_URL',
  ECONNREFUSED: 'nothing listens there: start it, or correct DATABASE_URL',
  ECONNRESET: 'the connection broke off',
  EHOSTUNREACH: 'it does not answer: check the network',
  ENETUNREACH: 'it does not answer: check the network',
  ENOTFOUND: 'the name of the host is not known: correct DATABASE_URL',
  EPIPE: 'the connection broke off',
  ETIMEDOUT: 'it does not answer: check the network',
};

const UNCODED: readonly [RegExp, string][] = [
  [/^Connection terminated/, 'the connection broke off'],
  [/timeout exceeded when trying to connect/, 'it does not answer in time: check the network'],
];

/** A reason for a SQLSTATE, if one is known. */
export function reasonOfSqlstate(code: string): string | undefined {
  return SQLSTATES[code];
}

/** The message of an error that is not PostgreSQL's own: one sentence, which names PostgreSQL if it is what can't be reached. */
export function messageOf(message: string, code: string | undefined): string {
  const reason = SYSTEM[code ?? ''] ?? UNCODED.find(([pattern]) => pattern.test(message))?.[1];
  return reason === undefined ? message : `PostgreSQL can't be reached: ${message} (${reason})`;
}
