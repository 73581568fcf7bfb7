/**
 * Attempts: which server process works for which activity. A worker that is frozen in the middle of a COPY keeps its
 * locks, and no timeout of PostgreSQL ends it. Terminating its server process releases the locks at once. So each
 * attempt first stores its own server process, in a transaction of its own, and terminates the server processes of
 * stale attempts:
 *
 * - An attempt at a task is stale as soon as a later attempt of the same activity begins, or the run is being published
 *   or discarded.
 * - An attempt to publish or discard is stale only while its server process is idle: at once if a later attempt of the
 *   same activity has begun, otherwise after IDLE_MS_MAX. A server process that executes a statement is not terminated.
 *   So two processes that discard the same run do not terminate each other; the second one waits for the first.
 *
 * Columns of meterfold.attempts:
 *
 *                        activity_id    task_kind            task_number
 *   attempt at a task    Temporal's     map|reduce|recount   counted from 0
 *   attempt to end       Temporal's     publish|discard      null
 */
import {
  begin,
  type Client,
  IDLE_MS_MAX,
  one,
  type Pool,
  prepared,
  type Queryable,
  READ_COMMITTED,
  type TransactionSettings,
  withClient,
} from '../postgres/pool.js';
import { checkBackend } from '../postgres/session.js';
import { fence, RunGoneError } from './run.js';
import type { TaskKey } from './tasks.js';

/** How an attempt ends its run. */
export type Ending = 'publish' | 'discard';

/** An attempt, and what it does: one of the run's tasks, or the ending of the run. */
export interface Attempt {
  runId: bigint;
  /** Temporal's id of the activity, or another name that only successive attempts share. */
  activityId: string;
  target: TaskKey | { kind: Ending; number?: undefined };
}

export interface RegisteredAttempt {
  /** Ascending: a later attempt has a larger id. */
  attemptId: string;
  /** The server process. */
  pid: number;
}

/**
 * Runs `work` in one transaction on a connection of its own, as the newest attempt of the activity. `settings` apply to
 * this transaction. If `signal` aborts, the server process is terminated, which rolls the transaction back.
 */
export function attempt<T>(
  pool: Pool,
  own: Attempt,
  settings: TransactionSettings,
  signal: AbortSignal,
  work: (client: Client, registered: RegisteredAttempt) => Promise<T>,
): Promise<T> {
  return withAttempt(pool, own, signal, async (client, registered) => {
    await begin(client, READ_COMMITTED, settings);
    const result = await work(client, registered);
    await forget(client, registered);
    await client.query('commit');
    return result;
  });
}

/** Like `attempt`, but `work` begins and commits its own transactions, and calls `forget` in the last one. */
export function withAttempt<T>(
  pool: Pool,
  own: Attempt,
  signal: AbortSignal,
  work: (client: Client, registered: RegisteredAttempt) => Promise<T>,
): Promise<T> {
  let pid: number | undefined;
  const endBackend = () => {
    if (pid !== undefined) pool.query('select pg_terminate_backend($1)', [pid]).catch(() => {});
  };
  return withClient(pool, { signal, onAbort: endBackend }, async (client) => {
    const registered = await register(client, own);
    pid = registered.pid;
    return work(client, registered);
  });
}

/** Deletes the attempt's row. */
export async function forget(client: Client, { attemptId }: RegisteredAttempt): Promise<void> {
  await client.query(prepared('delete from meterfold.attempts where attempt_id = $1', [attemptId]));
}

/**
 * True if the role may terminate the server process. Without the privilege, pg_terminate_backend() would fail the
 * statement.
 */
const MAY_END = `
  (select case when target.rolsuper then own.rolsuper
               else pg_has_role(target.oid, 'usage') or pg_has_role('pg_signal_backend', 'usage') end
     from pg_roles target, pg_roles own
    where target.oid = backend.usesysid and own.rolname = current_user)`;

/**
 * Joins an attempt with its server process. Its start time tells it from a later process with the same pid. The view
 * pg_stat_activity would read all server processes, which takes 1 ms.
 */
const BACKEND = `lateral pg_stat_get_activity(attempt.backend_pid) backend on backend.backend_start = attempt.backend_start`;

/** A statement that terminates the server processes of the attempts that meet `condition`. */
const endBackends = (condition: string) => `
  select pg_terminate_backend(attempt.backend_pid)
    from meterfold.attempts attempt
    join ${BACKEND}
   where ${condition} and ${MAY_END}`;

/**
 * Terminates the server processes of all attempts at a task, except `exceptPid`. Their uncommitted work is rolled back.
 */
export async function endAttempts(db: Queryable, runId: bigint, exceptPid: number, task: TaskKey): Promise<void> {
  await db.query(
    prepared(
      endBackends(
        'attempt.run_id = $1 and attempt.backend_pid <> $2 and attempt.task_kind = $3 and attempt.task_number = $4',
      ),
      [runId.toString(), exceptPid, task.kind, task.number],
    ),
  );
}

/** Terminates the server processes of all attempts that the activity has begun, in any of its own attempts. */
export async function endAttemptsOf(db: Queryable, runId: bigint, activityId: string): Promise<void> {
  await db.query(
    prepared(endBackends('attempt.run_id = $1 and attempt.activity_id = $2'), [runId.toString(), activityId]),
  );
}

/** True for a server process that executes a statement and does not wait for its client. */
const IS_WORKING = `(backend.state = 'active' and backend.wait_event_type is distinct from 'Client')`;

/**
 * Terminates the server processes of the run's stale attempts, except the caller's. Returns true if an attempt that is
 * not stale publishes the run. Must be called outside a transaction, because the activity of server processes does not
 * change within one.
 */
export async function endStaleAttempts(
  client: Client,
  { runId, activityId, target }: Attempt,
  { attemptId }: RegisteredAttempt,
): Promise<boolean> {
  const { publishing } = one(
    await client.query<{ publishing: boolean }>(
      prepared(
        `with other as (
           select backend.pid, attempt.task_kind, ${MAY_END} as may_end,
                  coalesce(attempt.task_number is not null
                           or not ${IS_WORKING}
                              and (attempt.activity_id = $2 and attempt.task_kind = $4 and attempt.attempt_id < $3
                                   or backend.state_change < clock_timestamp() - interval '${IDLE_MS_MAX} ms'), false) as stale
             from meterfold.attempts attempt
             join ${BACKEND}
            where attempt.run_id = $1 and attempt.attempt_id <> $3
         ), ended as (
           select pg_terminate_backend(pid) from other where stale and may_end
         )
         select count(*) as ended, (select count(*) from other where not stale and task_kind = 'publish') > 0 as publishing
           from ended`,
        [runId.toString(), activityId, attemptId, target.kind],
      ),
    ),
  );
  return publishing;
}

/**
 * Earlier attempts of the same activity at the same task. Those that end a run are terminated by `endStaleAttempts`.
 */
const EARLIER = `attempt.run_id = $1 and attempt.backend_pid <> pg_backend_pid()
                 and attempt.activity_id = $2 and attempt.task_kind = $3 and attempt.task_number = $4`;

/**
 * Stores the attempt and terminates earlier ones. The commit does not wait for the disk: if the server forgets this row
 * in a crash, the server process that it names has ended too. The statement waits for a process that is ending the run,
 * because that process deletes the rows of attempts that exist.
 */
async function register(client: Client, { runId, activityId, target }: Attempt): Promise<RegisteredAttempt> {
  const { rows } = await client.query<{ attempt_id: string; backend_pid: number }>(
    prepared(
      `with hurry as (select set_config('synchronous_commit', 'off', true)),
             earlier as (${endBackends(EARLIER)})
        insert into meterfold.attempts (run_id, activity_id, task_kind, task_number, backend_pid, backend_start)
        select $1, $2, $3, $4, own.pid, own.backend_start
          from hurry, (select count(*) from earlier) ended, pg_stat_get_activity(pg_backend_pid()) own
         where ($4::integer is null or exists (select from meterfold.runs where run_id = $1 and state = 'active' for key share))
        returning attempt_id, backend_pid`,
      [runId.toString(), activityId, target.kind, target.number],
    ),
  );
  // An attempt at a task of a run that has ended leaves no row. The fence throws the error that names the run's state.
  if (rows[0] === undefined) {
    await fence(client, runId);
    throw new RunGoneError(`run ${runId} was not active`);
  }
  checkBackend(client, rows[0].backend_pid);
  return { attemptId: rows[0].attempt_id, pid: rows[0].backend_pid };
}
