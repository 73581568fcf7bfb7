/**
 * Every error that meterfold throws: one row for each, by name. Activities, the workflow, commands and the service read
 * what an error means here and nowhere else. An error without a row is retried, exits with 1 and answers with 500:
 * nobody has foreseen it.
 *
 * A name is that of an error class, the type of a failure that an activity or the workflow raises itself, or
 * `PostgreSQL` with a SQLSTATE or its class (two characters).
 */

/** `retried`: Temporal tries the activity again. `final`: it would fail again, so the run stops and says why. */
type Retry = 'retried' | 'final';
/**
 * `held`: an operator may fix the cause, so a run started with `--hold` waits for `meterfold retry`. `lost`: nothing
 * can be fixed.
 */
type Hold = 'held' | 'lost';

type Row = readonly [retry: Retry, hold: Hold, exitCode: 0 | 1 | 2, httpStatus: number, why: string];

const FAILURES = {
  // A run and its owner.
  RunGoneError: ['final', 'lost', 1, 409, 'the run was published or discarded meanwhile, or the database was restored'],
  AlreadyPublishedError: ['final', 'held', 1, 409, 'a published run is not discarded'],
  SealOvertakenError: ['retried', 'held', 1, 409, 'another attempt sealed the run; its plan is read instead'],
  BackupRefusedError: [
    'final',
    'held',
    1,
    500,
    'the role may not create temporary tables; the first attempt continues',
  ],
  SegmentsLostError: ['final', 'held', 1, 500, 'map must store the segments again; the workflow restarts it'],
  SegmentError: ['final', 'held', 1, 500, 'stored segments were changed'],
  ProofError: ['final', 'held', 1, 500, 'the figures of the run do not agree'],
  MapRestartsExceeded: ['final', 'held', 1, 500, 'segments were lost again after each restart of map'],
  ResultLost: ['final', 'held', 1, 500, 'the run is published, and the workflow has no plan to report it with'],
  OtherInstallationError: ['final', 'held', 1, 409, 'the worker bills another database'],
  WorkerShutdown: ['retried', 'held', 1, 503, 'the worker is stopping; another one continues'],
  RevertRefusedError: ['final', 'held', 1, 409, 'only the newest published run can be reverted'],
  RunNotFoundError: ['final', 'lost', 1, 404, 'there is no such run'],
  RunStateError: ['final', 'held', 1, 409, 'the state of the run does not allow it'],
  RunFailedError: ['final', 'held', 1, 409, 'the run failed'],
  RunOwnerError: ['final', 'held', 1, 409, 'the run belongs to another Temporal'],
  NoWorkerError: ['retried', 'held', 1, 503, 'no worker answers for the run'],

  // The schedule, and Temporal.
  ScheduleNotFoundError: ['final', 'held', 1, 404, 'there is no schedule'],
  ScheduleOwnerError: ['final', 'held', 1, 409, 'the schedule bills another database'],
  ScheduleSpecError: ['final', 'held', 2, 422, 'Temporal does not accept the schedule'],
  TriggerPendingError: ['retried', 'held', 1, 503, 'Temporal has not started a triggered run yet'],
  TemporalUnreachableError: ['retried', 'held', 1, 503, 'Temporal does not answer'],

  // Input and settings.
  BadInput: ['final', 'lost', 2, 422, 'the input of the run is wrong'],
  DecimalError: ['final', 'lost', 2, 422, 'a price is not a decimal'],
  FrozenTermError: ['final', 'lost', 2, 422, 'the first run has frozen the setting'],
  SettingsError: ['final', 'held', 2, 500, 'a setting is wrong'],
  DatabaseUrlError: ['final', 'held', 2, 500, 'the URL of a database is wrong'],

  // The log.
  BadCallError: ['final', 'held', 1, 409, 'a row of the log cannot be billed'],
  CallOrderError: ['final', 'held', 1, 500, 'the log has no primary key on id any more'],
  CopyFormatError: ['final', 'held', 1, 500, 'the log lacks columns that meterfold reads'],
  LogSequenceError: ['final', 'held', 1, 500, 'the sequence of the log must be fixed'],
  ReplicaUnfitError: ['final', 'held', 1, 500, 'LOG_REPLICA_URL is not a streaming replica of the database'],
  ReplicaBehindError: ['retried', 'held', 1, 503, 'the replica has not replayed the seal of the run yet'],

  // PostgreSQL and what stands before it.
  DeadConnectionError: ['retried', 'held', 1, 503, 'the server or the network stopped answering'],
  NoHostError: ['retried', 'held', 1, 503, 'none of the hosts in the URL can be used'],
  NoServerProcessError: ['retried', 'held', 1, 503, 'no server process answers'],
  PoolModeError: ['final', 'held', 1, 500, 'the pooler must be in session mode'],
  RowSecurityError: ['final', 'held', 1, 500, 'the role needs BYPASSRLS'],
  SessionSettingError: ['final', 'held', 1, 500, 'the role or the database must reset a setting'],
  StartupParameterError: ['final', 'held', 1, 500, 'the URL or the pooler must change a start-up parameter'],
  MigrationError: ['final', 'held', 1, 503, 'the schema cannot be brought up to date'],
  'PostgreSQL 22': ['final', 'held', 1, 500, 'data exception'],
  'PostgreSQL 23': ['final', 'held', 1, 500, 'a constraint is violated'],
  'PostgreSQL 3F000': ['final', 'held', 1, 503, 'the schema is missing: run `meterfold migrate`'],
  'PostgreSQL 42': ['final', 'held', 1, 503, 'a table, column or privilege is missing: `meterfold doctor` says which'],

  // Commands.
  CommandError: ['final', 'held', 1, 500, 'the command cannot do it'],
  DevStackError: ['final', 'held', 1, 500, 'the embedded PostgreSQL or Temporal does not start'],
  OutputClosed: ['final', 'held', 0, 500, 'the reader of standard output has closed it'],
  RepackError: ['final', 'held', 1, 500, 'repacking would change a statement'],
  RetainRefusedError: ['final', 'held', 1, 409, 'nothing can be released'],
  VerifyRefusedError: ['final', 'held', 1, 409, 'the run cannot be verified now'],

  InvariantError: ['final', 'held', 1, 500, 'a bug in meterfold'],
} as const satisfies Record<string, Row>;

export type FailureName = keyof typeof FAILURES;

export interface Failure {
  name: FailureName;
  isRetried: boolean;
  mayBeHeld: boolean;
  exitCode: 0 | 1 | 2;
  httpStatus: number;
  /** Why, for a person, without a full stop. */
  why: string;
}

/**
 * The row of an error by its name; of `PostgreSQL 42P01` that of the SQLSTATE, else that of its class. Undefined if
 * there is none.
 */
export function failureNamed(name: string): Failure | undefined {
  const known = [name, /^PostgreSQL ..(?=...$)/.exec(name)?.[0]].find(isFailureName);
  if (known === undefined) return undefined;
  const [retry, hold, exitCode, httpStatus, why] = FAILURES[known];
  return { name: known, isRetried: retry === 'retried', mayBeHeld: hold === 'held', exitCode, httpStatus, why };
}

export const FAILURE_NAMES = Object.keys(FAILURES) as FailureName[];

function isFailureName(name: string | undefined): name is FailureName {
  return name !== undefined && Object.hasOwn(FAILURES, name);
}
