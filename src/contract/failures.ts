/**
 * Which errors are retried. Everything is, but for what is listed here: trying those again can't help, so the run stops early and
 * says why. The list is by name, so that it reads as a table.
 */
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { refusalOf } from '../postgres/refusals.js';
import { messageOf, reasonOfSqlstate } from '../postgres/sqlstates.js';

const FINAL_ERRORS: Readonly<Record<string, string>> = {
  RunGoneError: 'the run was published or discarded meanwhile, or the database was restored',
  AlreadyPublishedError: 'a published run is not discarded',
  FrozenTermError: 'the setting must be mended',
  BackupRefusedError: 'the role may not make temporary tables; the first attempt goes on',
  BadCallError: 'the row in the log must be mended',
  CallOrderError: 'the log has no primary key on id any more',
  CopyFormatError: 'the log does not have the columns that meterfold reads',
  LogSequenceError: 'the sequence of the log must be mended',
  PoolModeError: 'the pooler needs another setting',
  ReplicaUnfitError: 'the setting must be mended',
  RowSecurityError: 'the role needs BYPASSRLS',
  SegmentError: 'stored segments were changed',
  SessionSettingError: 'the role or the database needs another setting',
  StartupParameterError: 'the URL or the pooler needs another setting',
  SegmentsLostError: 'map must store them again: the workflow restarts it',
  ProofError: 'the run does not add up',
  InvariantError: 'meterfold itself is wrong',
};

/** SQLSTATEs, by class or whole, that another try meets again. Connections, locks, serialization and full disks are not here. */
const FINAL_SQLSTATES: Readonly<Record<string, string>> = {
  '22': 'data exception',
  '23': 'a constraint is violated',
  '3F000': 'the schema is missing: run `meterfold migrate`',
  '42': 'a table, column or right is missing: run `meterfold migrate`, then `meterfold doctor`',
};

export class ProofError extends Error {
  override name = 'ProofError';
}

/** What an activity throws instead of `error`. */
export function toFailure(error: unknown): Error {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error;
  const cause = (refusalOf(error as Error) ?? error) as Error & { code?: string; errors?: Error[] };
  // A connection refused on each of a host's addresses has no message of its own.
  const { name, code } = cause;
  const message = cause.message || cause.errors?.[0]?.message || code || name;
  if (name in FINAL_ERRORS) return ApplicationFailure.create({ message, type: name, nonRetryable: true, cause });
  const sqlstate = typeof code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(code) ? code : undefined;
  if (sqlstate === undefined) {
    return ApplicationFailure.create({ message: messageOf(message, code), type: name, cause });
  }
  const final = FINAL_SQLSTATES[sqlstate] ?? FINAL_SQLSTATES[sqlstate.slice(0, 2)];
  const reason = final ?? reasonOfSqlstate(sqlstate);
  return ApplicationFailure.create({
    message: reason === undefined ? `PostgreSQL: ${message}` : `PostgreSQL: ${message} (${reason})`,
    type: `PostgreSQL ${sqlstate}`,
    nonRetryable: final !== undefined,
    cause,
  });
}
