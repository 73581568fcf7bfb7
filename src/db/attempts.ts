/**
 * Attempts: which server process works for which activity. A frozen worker in the middle of COPY keeps its locks, and no time-out
 * of PostgreSQL fires there; ending its server process frees them at once. So each attempt first stores its own, in a
 * transaction of its own, and ends those of earlier attempts of the same activity.
 */
import { begin, type Client, lend, type Pool, prepared, type Queryable, READ_COMMITTED } from './pool.js';
import { fence, RunGoneError } from './runs.js';
import { checkBackend } from './session.js';
import type { TaskKey } from './tasks.js';

/** What an attempt works for. */
export interface AttemptOf {
  runId: bigint;
  /** Of Temporal, where what an activity has begun is to be ended together. */
  activityId?: string | undefined;
  /** Without one it is to end the run. */
  task?: TaskKey;
}

/** As `activity_id` of an attempt that is to end the run has it, for publish and discard alike. */
const TO_END = 'take-run';

export interface OwnAttempt {
  /** Later ones have larger numbers. */
  attemptId: string;
  /** Of its server process. */
  pid: number;
}

/**
 * Runs `work` in one transaction on a connection of its own, as the newest attempt of the activity. If `signal` aborts, the
 * server process is ended, and with it the transaction.
 */
export async function attempt<T>(
  pool: Pool,
  of: AttemptOf,
  signal: AbortSignal,
  work: (client: Client, own: OwnAttempt) => Promise<T>,
): Promise<T> {
  let pid: number | undefined;
  const endBackend = () => {
    if (pid !== undefined) pool.query('select pg_terminate_backend($1)', [pid]).catch(() => {});
  };
  return lend(pool, { signal, onAbort: endBackend }, async (client) => {
    const own = await register(client, of);
    pid = own.pid;
    await begin(client, READ_COMMITTED, 0);
    const result = await work(client, own);
    await client.query(prepared('delete from meterfold.attempts where attempt_id = $1', [own.attemptId]));
    await client.query('commit');
    return result;
  });
}

/** Whether the role may end a server process; asking to without a right would fail the statement. */
const MAY_END = `
  (select case when target.rolsuper then own.rolsuper
               else pg_has_role(target.oid, 'usage') or pg_has_role('pg_signal_backend', 'usage') end
     from pg_roles target, pg_roles own
    where target.oid = backend.usesysid and own.rolname = current_user)`;

/** Ends the server process of each attempt `where`, unless another process has its pid by now. */
const endBackends = (where: string) => `
  select pg_terminate_backend(attempt.backend_pid)
    from meterfold.attempts attempt
    join pg_stat_activity backend on backend.pid = attempt.backend_pid and backend.backend_start = attempt.backend_start
   where ${where} and ${MAY_END}`;

/**
 * Ends the server processes of all attempts that still work on the run, or just of those at one of its tasks, but for `exceptPid`.
 * What they have not committed is rolled back.
 */
export async function endAttempts(db: Queryable, runId: bigint, exceptPid: number, task?: TaskKey): Promise<void> {
  await db.query(
    prepared(
      endBackends(`attempt.run_id = $1 and attempt.backend_pid <> $2
                  and ($3::text is null or (attempt.task_kind = $3 and attempt.task_number = $4))`),
      [runId.toString(), exceptPid, task?.kind, task?.number],
    ),
  );
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

/** For the same; and whoever is to end the run, where this one is: a later one ends a frozen earlier one. */
const EARLIER = `attempt.run_id = $1 and attempt.backend_pid <> pg_backend_pid()
                 and (attempt.activity_id = $2 or ($3::text is null and attempt.task_kind is null))`;

async function register(client: Client, { runId, activityId, task }: AttemptOf): Promise<OwnAttempt> {
  const work = task?.kind ?? TO_END;
  // An activity may do several things: "5 map".
  const worksFor = activityId === undefined ? work : `${activityId} ${work}`;
  // It does not wait for the disk: a server that forgets this row has ended the process that it names. It does wait for one that is
  // ending the run, who deletes the rows that are there.
  const { rows } = await client.query<{ attempt_id: string; backend_pid: number }>(
    prepared(
      `with hurry as (select set_config('synchronous_commit', 'off', true)),
             earlier as (${endBackends(EARLIER)})
        insert into meterfold.attempts (run_id, activity_id, task_kind, task_number, backend_pid, backend_start)
        select $1, $2, $3, $4, own.pid, own.backend_start
          from hurry, (select count(*) from earlier) ended, pg_stat_activity own
         where own.pid = pg_backend_pid()
           and ($3::text is null or exists (select from meterfold.runs where run_id = $1 and state = 'active' for key share))
        returning attempt_id, backend_pid`,
      [runId.toString(), worksFor, task?.kind, task?.number],
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
