/**
 * How every map, reduce and recount activity runs: the work and its outcome share one transaction, behind the fence,
 * with a heartbeat.
 *
 *   register the attempt, ending an earlier one → lock the run's row (share) → lock the task's row → outcome stored? return it
 *   → work → store the outcome → commit
 *
 * The attempt that commits first wins. Any other attempt (a retry, a backup, one that was frozen and wakes up) finds
 * the outcome, or finds that the run has ended, and changes nothing. A backup attempt takes the task's row only after
 * its work (backups/attempt.ts).
 */
import { hostname } from 'node:os';
import { Context } from '@temporalio/activity';
import { searchPathOf, type TaskResult, type TaskTransaction, workAsBackup } from '../backups/attempt.js';
import { readOvertaken } from '../backups/overtaken.js';
import type { BillingTerms } from '../billing/terms.js';
import type { WorkerSettings } from '../config.js';
import type { DoneBy, DoneTask, TaskInput } from '../contract/activities.js';
import type { Logger } from '../logger.js';
import type { Client, Pool } from '../postgres/pool.js';
import { attempt } from '../runs/attempts.js';
import { type LockedTask, lockTask, storedOutcome, storeOutcome, type TaskKind } from '../runs/tasks.js';
import { leaseOf, type TaskProgress, withHeartbeat } from './heartbeat.js';
import { checkInstallation } from './installation.js';

/** What activities depend on. A worker process has one. */
export interface ActivityDependencies {
  pool: Pool;
  /** Connections to the streaming replica on which map reads the log. Undefined: map reads the log on the primary. */
  logReplica?: Pool | undefined;
  settings: WorkerSettings;
  /** Terms for what a run's input leaves out. */
  terms: BillingTerms;
  temporal: { address: string; namespace: string };
  /** Id of the installation whose database this is (schema/installation.ts). */
  installation: string;
  log: Logger;
}

export function doneBy(): DoneBy {
  return { worker: WORKER_NAME, attempt: Context.current().info.attempt };
}

/** Names this process in outcomes and results: "<host>:<pid>". On Kubernetes the host is the pod. */
export const WORKER_NAME = `${hostname()}:${process.pid}`;

/** A task as an activity of this process requests it. */
export interface TaskRequest extends TaskInput {
  /**
   * True if the same activity does all tasks of the run and then publishes it. The task's commit need not wait for the
   * disk, because the commit of the publish waits for both; and there is no other task that it could overtake.
   */
  small?: boolean;
}

/** What a task's work receives. */
export interface TaskWork<Outcome> extends LockedTask<Outcome> {
  /** In the transaction that will hold the outcome. */
  client: Client;
  progress: TaskProgress;
  /** Aborted when the attempt must stop; its own connection is closed then. */
  signal: AbortSignal;
}

/** Runs a task's work, unless its outcome is stored already. At most one attempt's work is ever committed. */
export async function runTask<Outcome>(
  dependencies: ActivityDependencies,
  kind: TaskKind,
  { runId: id, number, backup = false, installation, small = false }: TaskRequest,
  work: (work: TaskWork<Outcome>) => Promise<Outcome>,
): Promise<DoneTask<Outcome>> {
  checkInstallation(dependencies.installation, installation);
  const { pool, log } = dependencies;
  const runId = BigInt(id);
  const key = { kind, number };
  const { info, cancellationSignal: signal } = Context.current();
  const ownLog = log.child({ run: id, activity: info.activityType, number, attempt: info.attempt, backup });
  const startedAt = Date.now();
  ownLog.debug('started');
  const settings = { search_path: searchPathOf({ backup }), ...(small ? { synchronous_commit: 'off' } : {}) };
  return withHeartbeat({ log: ownLog, lease: leaseOf(dependencies, runId) }, (progress) =>
    attempt(pool, { runId, activityId: info.activityId, target: key }, settings, signal, async (client, own) => {
      const workOnTask = backup ? workAsBackup : workAsFirst;
      const result = await workOnTask<Outcome>({ pool, client, runId, key, pid: own.pid }, (locked) =>
        work({ ...locked, client, progress, signal }),
      );
      if ('stored' in result) return result.stored;
      const stored = { outcome: result.outcome, ...doneBy() };
      await storeOutcome(client, runId, key, stored);
      const overtaken = small ? [] : await readOvertaken(client, runId, kind, own.attemptId);
      const ms = Date.now() - startedAt;
      ownLog.info({ outcome: result.outcome, ms }, 'done');
      return { ...stored, ms, ...(overtaken.length > 0 ? { overtaken } : {}) };
    }),
  );
}

/** Works on a task with its row locked. */
async function workAsFirst<Outcome>(
  { client, runId, key }: TaskTransaction,
  work: (locked: LockedTask<Outcome>) => Promise<Outcome>,
): Promise<TaskResult<Outcome>> {
  const locked = await lockTask<Outcome>(client, runId, key);
  const stored = storedOutcome(locked.task);
  return stored === undefined ? { outcome: await work(locked) } : { stored };
}
