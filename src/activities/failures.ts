/** What activities throw: failures whose type Temporal, the workflow and the table of failures know. */
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { failureNamed } from '../contract/failures.js';
import { refusalOf } from '../postgres/refusals.js';
import { messageOf, reasonOfSqlstate } from '../postgres/sqlstates.js';

/** The figures of a run do not agree: it is not published. */
export class ProofError extends Error {
  override name = 'ProofError';
}

/** The failure that an activity throws instead of `error`. Temporal's own failures are returned unchanged. */
export function toFailure(error: unknown): Error {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error;
  const cause = (refusalOf(error as Error) ?? error) as Error & { code?: string; errors?: Error[] };
  // The error of a host whose addresses all refuse the connection has no message of its own.
  const { name, code } = cause;
  const message = cause.message || cause.errors?.[0]?.message || code || name;
  if (failureNamed(name) === undefined && typeof code === 'string' && isSqlstate(code)) {
    return postgresFailure(code, message, cause);
  }
  const nonRetryable = failureNamed(name)?.isRetried === false;
  return ApplicationFailure.create({
    message: nonRetryable ? message : messageOf(message, code),
    type: name,
    nonRetryable,
    cause,
  });
}

function postgresFailure(sqlstate: string, message: string, cause: Error): ApplicationFailure {
  const type = `PostgreSQL ${sqlstate}`;
  const row = failureNamed(type);
  const why = row?.why ?? reasonOfSqlstate(sqlstate);
  return ApplicationFailure.create({
    message: why === undefined ? `PostgreSQL: ${message}` : `PostgreSQL: ${message} (${why})`,
    type,
    nonRetryable: row?.isRetried === false,
    cause,
  });
}

/** True for five digits and capital letters with a digit among them; Node's own codes, like EPIPE, have none. */
function isSqlstate(code: string): boolean {
  return /^(?=.*\d)[0-9A-Z]{5}$/.test(code);
}
