/** What activities throw: failures whose type Temporal, the workflow and the table of failures know. */
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { failureNamed } from '../contract/failures.js';
import { explainPostgres } from '../postgres/explain.js';
import { refusalOf } from '../postgres/refusals.js';

/** The figures of a run do not agree: it is not published. */
export class ProofError extends Error {
  override name = 'ProofError';
}

/** The failure that an activity throws instead of `error`. Temporal's own failures are returned unchanged. */
export function toFailure(error: unknown): Error {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error;
  const cause = (refusalOf(error as Error) ?? error) as Error & { code?: string; errors?: Error[] };
  const { name, code } = cause;
  // The error of a host whose addresses all refuse the connection has no message of its own.
  const message = cause.message || cause.errors?.[0]?.message || code || name;
  const own = failureNamed(name);
  if (own !== undefined) return ApplicationFailure.create({ message, type: name, nonRetryable: !own.isRetried, cause });
  const explained = explainPostgres({ message, code });
  if (explained === undefined) return ApplicationFailure.create({ message, type: name, cause });
  const { isReached, reason } = explained;
  if (!isReached) {
    return ApplicationFailure.create({
      message: `PostgreSQL is not reachable: ${message} (${reason})`,
      type: name,
      cause,
    });
  }
  const type = `PostgreSQL ${code}`;
  const row = failureNamed(type);
  const why = reason ?? row?.why;
  return ApplicationFailure.create({
    message: why === undefined ? `PostgreSQL: ${message}` : `PostgreSQL: ${message} (${why})`,
    type,
    nonRetryable: row?.isRetried === false,
    cause,
  });
}
