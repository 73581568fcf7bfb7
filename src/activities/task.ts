/**
 * How every map, reduce and recount activity runs: one transaction for the work and its outcome, behind the fence, with a heartbeat.
 *
 *   register the attempt, ending an earlier one → lock the run row (share) → lock the task → outcome stored? return it
 *   → work → store the outcome → commit
 *
 * Whichever attempt commits first wins. A second attempt, a twin or one that wakes up late finds the outcome, or finds the run
 * gone, and changes nothing. A backup attempt does its work in tables of its own, and takes the task only then (runs/backups.ts).
 */
import { hostname } from 'node:os';
import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import type { BillingTerms } from '../billing/terms.js';
import type { WorkerSettings } from '../config.js';
import type { DoneBy, DoneTask, TaskInput } from '../contract/activities.js';
import { METRICS } from '../contract/metrics.js';
import type { Logger } from '../logger.js';
import type { Client, Pool } from '../postgres/pool.js';
import { attempt } from '../runs/attempts.js';
import { BACKUP_SCHEMA, moveBackup, openBackup, takeTask } from '../runs/backups.js';
import { fence, type LockedRun, renewLease } from '../runs/run.js';
import { lockTask, readTask, storeOutcome, type TaskKey, type TaskKind, type TaskRow } from '../runs/tasks.js';
import { toFailure } from './failures.js';
import { checkInstallation } from './installation.js';

/** What activities are made of; one a worker process. */
export interface ActivityDependencies {
  pool: Pool;
  /** Of a streaming replica of the database, where map reads the log; absent: it reads the database itself. */
  logReplica?: Pool | undefined;
  settings: WorkerSettings;
  /** What a run bills by, where its input does not say. */
  terms: BillingTerms;
  temporal: { address: string; namespace: string };
  /** Of the database (schema/installation.ts). */
  installation: string;
  log: Logger;
}

export function doneBy(): DoneBy {
  return { worker: WORKER_NAME, attempt: Context.current().info.attempt };
}

/** Names this process in outcomes and results; on Kubernetes the host is the pod. */
export const WORKER_NAME = `${hostname()}:${process.pid}`;

const SCHEMA = 'meterfold';
const HEARTBEAT_MS = 1000;
const LEASE_RENEWAL_MS_MAX = 5000;

/** How far an activity is; goes out with its heartbeats. */
export interface TaskProgress {
  calls: number;
}

/** A task as an activity of this process asks for it. */
export interface TaskRequest extends TaskInput {
  /** The commit need not wait for the disk: the same activity publishes the run, and that commit waits for both. */
  commitAsync?: boolean;
}

/** What a task's work has to do with. */
export interface TaskWork<Outcome> {
  /** In the transaction that will hold the outcome. */
  client: Client;
  task: TaskRow<Outcome>;
  run: LockedRun;
  /** Where it writes. */
  schema: string;
  progress: TaskProgress;
  /** Aborted when the attempt is to end: its own connection is ended then. */
  signal: AbortSignal;
}

/** Runs a task's work once, whatever is tried how often. */
export async function runTask<Outcome>(
  dependencies: ActivityDependencies,
  kind: TaskKind,
  { runId: id, number, backup = false, installation, commitAsync = false }: TaskRequest,
  work: (work: TaskWork<Outcome>) => Promise<Outcome>,
): Promise<DoneTask<Outcome>> {
  checkInstallation(dependencies.installation, installation);
  const { pool, log } = dependencies;
  const runId = BigInt(id);
  const key = { kind, number };
  const { info, cancellationSignal } = Context.current();
  const ownLog = log.child({ run: id, activity: info.activityType, number, attempt: info.attempt, backup });
  const startedAt = Date.now();
  ownLog.debug('started');
  return withHeartbeat(leaseOf(dependencies, runId), (progress) =>
    attempt(
      pool,
      { runId, activityId: info.activityId, task: key, commitAsync },
      cancellationSignal,
      async (client, own) => {
        const { run, task } = await (backup ? readFenced : lockTask)<Outcome>(client, runId, key);
        if (task.outcome !== null) return storedOutcome(task, task.outcome);
        if (backup) await openBackup(client, kind);
        const schema = backup ? BACKUP_SCHEMA : SCHEMA;
        const outcome = await work({ client, task, run, schema, progress, signal: cancellationSignal });
        if (backup) {
          const now = await takeTask<Outcome>(pool, client, runId, key, own.pid);
          if (now.outcome !== null) return storedOutcome(now, now.outcome);
          await moveBackup(client, kind);
        }
        const stored = { outcome, ...doneBy() };
        const overtaken = await storeOutcome(client, runId, key, own.attemptId, stored);
        const ms = Date.now() - startedAt;
        ownLog.info({ outcome, ms }, 'done');
        return { ...stored, ms, ...(overtaken.length > 0 ? { overtaken } : {}) };
      },
    ),
  );
}

/** A backup does not lock the task: its first attempt holds that lock. */
async function readFenced<Outcome>(client: Client, runId: bigint, key: TaskKey) {
  return { run: await fence(client, runId), task: await readTask<Outcome>(client, runId, key) };
}

function storedOutcome<Outcome>({ worker, attempt }: TaskRow<Outcome>, outcome: Outcome): DoneTask<Outcome> {
  return { outcome, worker, attempt };
}

/** A lease that is kept while somebody works on a run: several renewals fit into the time after which it counts as old. */
interface Lease {
  pool: Pool;
  runId: bigint;
  renewalMs: number;
}

export function leaseOf({ pool, settings }: ActivityDependencies, runId: bigint): Lease {
  return { pool, runId, renewalMs: Math.min(LEASE_RENEWAL_MS_MAX, settings.leaseMs / 5) };
}

/**
 * Runs `work` with a heartbeat every second and a lease that is renewed now and then. Turns what it throws into a failure that
 * says whether to try again; a worker that shuts down is a reason to try again, elsewhere.
 */
export async function withHeartbeat<T>(
  lease: Lease | undefined,
  work: (progress: TaskProgress) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  if (context.info.attempt > 1) countRetry(context);
  const progress: TaskProgress = { calls: 0 };
  let renewedAt = 0;
  let renewing = false;
  const beat = () => {
    context.heartbeat(progress);
    // One at a time: while publishing holds the lease's row, those that wait for it would take all connections.
    if (lease === undefined || renewing || Date.now() - renewedAt < lease.renewalMs) return;
    renewedAt = Date.now();
    renewing = true;
    renewLease(lease.pool, lease.runId)
      // A lease that can't be renewed is no reason to fail: a later beat tries again.
      .catch(() => {})
      .finally(() => {
        renewing = false;
      });
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

function countRetry({ metricMeter }: Context): void {
  const { name, help } = METRICS.retries;
  metricMeter.createCounter(name, undefined, help).add(1);
}
