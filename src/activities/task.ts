/**
 * How every map, reduce and recount activity runs: one transaction for the work and its outcome, behind the fence, with a heartbeat.
 *
 *   register the attempt, ending an earlier one → lock the run row (share) → lock the task → outcome stored? return it
 *   → work → store the outcome → commit
 *
 * Whichever attempt commits first wins. A second attempt, a twin or one that wakes up late finds the outcome, or finds the run
 * gone, and changes nothing.
 */
import { hostname } from 'node:os';
import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import type { WorkerSettings } from '../config.js';
import { attempt } from '../db/attempts.js';
import type { Client, Pool } from '../db/pool.js';
import { fence, RunGoneError, renewLease } from '../db/runs.js';
import { lockTask, type StoredOutcome, storeOutcome, type TaskKind, type TaskRow } from '../db/tasks.js';
import type { BillingTerms } from '../domain/terms.js';
import type { Logger } from '../log.js';
import { toFailure } from './failures.js';

/** What activities are made of; one a worker process. */
export interface ActivityDependencies {
  pool: Pool;
  settings: WorkerSettings;
  /** What a run bills by, where its input does not say. */
  terms: BillingTerms;
  temporal: { address: string; namespace: string };
  log: Logger;
}

/** Who brought something about, at which attempt; for the run's own statistics. */
export interface DoneBy {
  worker: string;
  attempt: number;
}

export function doneBy(): DoneBy {
  return { worker: WORKER_NAME, attempt: Context.current().info.attempt };
}

/** Names this process in outcomes and results; on Kubernetes the host is the pod. */
export const WORKER_NAME = `${hostname()}:${process.pid}`;

const HEARTBEAT_MS = 1000;
const LEASE_RENEWAL_MS = 5000;

/** How far an activity is; goes out with its heartbeats. */
export interface TaskProgress {
  calls: number;
}

export interface TaskInput {
  runId: string;
  number: number;
}

/** Runs a task's work once, whatever is tried how often. */
export async function runTask<Outcome>(
  { pool, log }: ActivityDependencies,
  kind: TaskKind,
  { runId: id, number }: TaskInput,
  work: (client: Client, task: TaskRow<Outcome>, progress: TaskProgress) => Promise<Outcome>,
): Promise<StoredOutcome<Outcome>> {
  const runId = BigInt(id);
  const { info, cancellationSignal } = Context.current();
  const ownLog = log.child({ run: id, activity: info.activityType, number, attempt: info.attempt });
  const startedAt = Date.now();
  ownLog.debug('started');
  return withHeartbeat({ pool, runId }, (progress) =>
    attempt(pool, { runId, activityId: info.activityId }, cancellationSignal, async (client) => {
      await fence(client, runId);
      const task = await lockTask<Outcome>(client, runId, kind, number);
      if (task === undefined) throw new RunGoneError(`run ${id} has no ${kind} task ${number}`);
      if (task.outcome !== null) return { outcome: task.outcome, worker: task.worker, attempt: task.attempt };
      const outcome = await work(client, task, progress);
      const stored = { outcome, ...doneBy() };
      await storeOutcome(client, runId, kind, number, stored);
      ownLog.info({ outcome, ms: Date.now() - startedAt }, 'done');
      return stored;
    }),
  );
}

/**
 * Runs `work` with a heartbeat every second and a lease that is renewed now and then. Turns what it throws into a failure that
 * says whether to try again; a worker that shuts down is a reason to try again, elsewhere.
 */
export async function withHeartbeat<T>(
  lease: { pool: Pool; runId: bigint } | undefined,
  work: (progress: TaskProgress) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  const progress: TaskProgress = { calls: 0 };
  let renewedAt = 0;
  const beat = () => {
    context.heartbeat(progress);
    if (lease === undefined || Date.now() - renewedAt < LEASE_RENEWAL_MS) return;
    renewedAt = Date.now();
    // A lease that can't be renewed is no reason to fail: the next beat tries again.
    renewLease(lease.pool, lease.runId).catch(() => {});
  };
  const timer = setInterval(beat, HEARTBEAT_MS);
  try {
    return await work(progress);
  } catch (error) {
    if (context.cancellationSignal.aborted) {
      if (context.cancellationDetails?.cancelRequested) throw new CancelledFailure('cancelled');
      throw ApplicationFailure.create({ message: 'the worker is shutting down', type: 'WorkerShutdown' });
    }
    throw toFailure(error);
  } finally {
    clearInterval(timer);
  }
}
