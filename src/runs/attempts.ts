/**
 * Attempts: which server process works for which activity. A frozen worker in the middle of COPY keeps its locks, and no time-out
 * of PostgreSQL fires there; ending its server process frees them at once. So each attempt first stores its own, in a
 * transaction of its own, and ends those that are stale:
 *
 * - An attempt at a task is stale as soon as a later attempt of the same activity begins, or the run is being published or discarded.
 * - An attempt that publishes or discards is stale only while its server process does not work: at once if a later attempt of the same
 *   activity has begun, after IDLE_MS_MAX otherwise. A process in the middle of a statement is never ended, so that two
 *   processes that discard one run do not end each other: the second one waits for the first.
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

/** What an attempt works for: one of the run's tasks, or its ending. */
export type AttemptOf = {
  runId: bigint;
  /** Temporal's id of the activity, or another name that only attempts following each other share. */
  activityId: string;
} & ({ task: TaskKey; ending?: undefined } | { ending: Ending; task?: undefined });

export interface OwnAttempt {
  /** Later ones have larger numbers. */
  attemptId: string;
  /** Of its server process. */
  pid: number;
}

/**
 * Runs `work` in one transaction on a connection of its own, as the newest attempt of the activity. `settings` apply to this transaction.
 * If `signal` aborts, the server process is ended, which rolls the transaction back.
 */
export function attempt<T>(
  pool: Pool,
  of: AttemptOf,
  settings: TransactionSettings,
  signal: AbortSignal,
  work: (client: Client, own: OwnAttempt) => Promise<T>,
): Promise<T> {
  return registered(pool, of, signal, async (client, own) => {
    await begin(client, READ_COMMITTED, settings);
    const result = await work(client, own);
    await forget(client, own);
    await client.query('commit');
    return result;
  });
}

/** As `attempt`, but `work` runs outside a transaction: it begins and commits its own, and calls `forget` in the last one. */
export async function registered<T>(
  pool: Pool,
  of: AttemptOf,
  signal: AbortSignal,
  work: (client: Client, own: OwnAttempt) => Promise<T>,
): Promise<T> {
  let pid: number | undefined;
  const endBackend = () => {
    if (pid !== undefined) pool.query('select pg_terminate_backend($1)', [pid]).catch(() => {});
  };
  return withClient(pool, { signal, onAbort: endBackend }, async (client) => {
    const own = await register(client, of);
    pid = own.pid;
    return work(client, own);
  });
}

/** Deletes the attempt's row. */
export async function forget(client: Client, { attemptId }: OwnAttempt): Promise<void> {
  await client.query(prepared('delete from meterfold.attempts where attempt_id = $1', [attemptId]));
}

/** Whether the role may end a server process; asking to without a right would fail the statement. */
const MAY_END = `
  (select case when target.rolsuper then own.rolsuper
               else pg_has_role(target.oid, 'usage') or pg_has_role('pg_signal_backend', 'usage') end
     from pg_roles target, pg_roles own
    where target.oid = backend.usesysid and own.rolname = current_user)`;

/** The server process of an attempt, if it is still there. The view pg_stat_activity would read all processes, which takes 1 ms. */
const BACKEND = `lateral pg_stat_get_activity(attempt.backend_pid) backend on backend.backend_start = attempt.backend_start`;

/** Ends the server process of each attempt `where`, unless another process has its pid by now. */
const endBackends = (where: string) => `
  select pg_terminate_backend(attempt.backend_pid)
    from meterfold.attempts attempt
    join ${BACKEND}
   where ${where} and ${MAY_END}`;

/** Ends the server processes of all attempts at one of the run's tasks, except `exceptPid`. What they have not committed is rolled back. */
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

/** A statement is being executed, and does not wait for its client. */
const IS_WORKING = `(backend.state = 'active' and backend.wait_event_type is distinct from 'Client')`;

/**
 * Ends the server processes of the run's stale attempts, except the own one; true if an attempt that is not stale publishes the run. To
 * be called outside a transaction, in which pg_stat_activity would not change.
 */
export async function endStaleAttempts(
  client: Client,
  { runId, activityId, ending }: AttemptOf,
  { attemptId }: OwnAttempt,
): Promise<boolean> {
  const { publishing } = one(
    await client.query<{ publishing: boolean }>(
      prepared(
        `with other as (
           select backend.pid, attempt.activity_id, ${MAY_END} as may_end,
                  coalesce(attempt.task_kind is not null
                           or not ${IS_WORKING}
                              and (attempt.activity_id = $2 and attempt.attempt_id < $3
                                   or backend.state_change < clock_timestamp() - interval '${IDLE_MS_MAX} ms'), false) as stale
             from meterfold.attempts attempt
             join ${BACKEND}
            where attempt.run_id = $1 and attempt.attempt_id <> $3
         ), ended as (
           select pg_terminate_backend(pid) from other where stale and may_end
         )
         select count(*) as ended, (select count(*) from other where not stale and activity_id like '% publish') > 0 as publishing
           from ended`,
        [runId.toString(), nameOf(activityId, ending ?? ''), attemptId],
      ),
    ),
  );
  return publishing;
}

/** Ends the server processes of all attempts that the activity has begun, at tasks or to end the run, whichever of its own attempts that was. */
export async function endAttemptsOf(db: Queryable, runId: bigint, activityId: string): Promise<void> {
  await db.query(
    prepared(endBackends(`attempt.run_id = $1 and starts_with(attempt.activity_id, $2 || ' ')`), [
      runId.toString(),
      activityId,
    ]),
  );
}

/** Earlier attempts at a task, for the same activity. Those that end a run are ended by `endStaleAttempts`. */
const EARLIER = `attempt.run_id = $1 and attempt.backend_pid <> pg_backend_pid()
                 and attempt.activity_id = $2 and attempt.task_kind is not null`;

/** As the column activity_id has it. One activity may do several things: "5 map", "5 publish". */
function nameOf(activityId: string, work: string): string {
  return `${activityId} ${work}`;
}

async function register(client: Client, { runId, activityId, task, ending }: AttemptOf): Promise<OwnAttempt> {
  // It does not wait for the disk: a server that forgets this row has ended the process that it names. It does wait for one that is
  // ending the run, who deletes the rows that are there.
  const { rows } = await client.query<{ attempt_id: string; backend_pid: number }>(
    prepared(
      `with hurry as (select set_config('synchronous_commit', 'off', true)),
             earlier as (${endBackends(EARLIER)})
        insert into meterfold.attempts (run_id, activity_id, task_kind, task_number, backend_pid, backend_start)
        select $1, $2, $3, $4, own.pid, own.backend_start
          from hurry, (select count(*) from earlier) ended, pg_stat_get_activity(pg_backend_pid()) own
         where ($3::text is null or exists (select from meterfold.runs where run_id = $1 and state = 'active' for key share))
        returning attempt_id, backend_pid`,
      [runId.toString(), nameOf(activityId, task?.kind ?? ending ?? ''), task?.kind, task?.number],
    ),
  );
  // One that wakes up late leaves no row behind, and is told what became of the run.
  if (rows[0] === undefined) {
    await fence(client, runId);
    throw new RunGoneError(`run ${runId} was not active`);
  }
  checkBackend(client, rows[0].backend_pid);
  return { attemptId: rows[0].attempt_id, pid: rows[0].backend_pid };
}
