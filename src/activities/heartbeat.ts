/**
 * Heartbeats of an activity, and the lease of its run.
 *
 * An attempt without progress stops its heartbeat, and Temporal begins another attempt, usually on another worker: the
 * stalled one keeps its slot. Progress is a call that was counted, or progress on a connection
 * (postgres/watch/work.ts). A long statement and a wait for a lock are progress. What is left are faults inside the
 * process, and requests to Temporal that are never answered.
 */
import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import { METRICS } from '../contract/metrics.js';
import { HEARTBEAT_MS, LEASE_RENEWAL_MS_MAX, LEASE_RENEWALS, STALLED_MS } from '../contract/timeouts.js';
import type { Logger } from '../logger.js';
import type { Pool } from '../postgres/pool.js';
import { DatabaseWork } from '../postgres/watch/work.js';
import { renewLease } from '../runs/run.js';
import { toFailure } from './failures.js';

/** How far an activity is; sent with its heartbeats. */
export interface TaskProgress {
  calls: number;
}

/** The lease of a run, which shows that an activity works on the run. */
interface Lease {
  pool: Pool;
  runId: bigint;
  renewalMs: number;
}

export function leaseOf({ pool, settings }: { pool: Pool; settings: { leaseMs: number } }, runId: bigint): Lease {
  return { pool, runId, renewalMs: Math.min(LEASE_RENEWAL_MS_MAX, settings.leaseMs / LEASE_RENEWALS) };
}

/**
 * Runs `work` with a heartbeat and, if `lease` is given, renews the lease. Turns each error into a failure that says
 * whether the activity is retried. If the worker shuts down, the activity is retried on another worker.
 */
export async function withHeartbeat<T>(
  { log, lease }: { log: Logger; lease?: Lease },
  work: (progress: TaskProgress) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  if (context.info.attempt > 1) countRetry(context);
  const progress: TaskProgress = { calls: 0 };
  const databaseWork = new DatabaseWork();
  const stall = new Stall(() => databaseWork.hasProgressed(), progress);
  const renew = lease === undefined ? () => {} : renewing(lease);
  const timer = setInterval(() => {
    if (stall.tick()) {
      if (stall.isNew) log.error({ activity: context.info.activityType }, stall.message);
      return;
    }
    context.heartbeat(progress);
    renew();
  }, HEARTBEAT_MS);
  try {
    return await databaseWork.run(() => work(progress));
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

/**
 * Finds out whether an attempt is stalled. It counts ticks, not time: a process that was frozen has not been without
 * progress.
 */
export class Stall {
  readonly message =
    `no progress for ${STALLED_MS / 1000} s: the heartbeat stops, so that Temporal begins another attempt`;
  readonly #hasProgressed: () => boolean;
  readonly #progress: Readonly<TaskProgress>;
  #calls = 0;
  #ticksWithoutProgress = 0;

  constructor(hasProgressed: () => boolean, progress: Readonly<TaskProgress>) {
    this.#hasProgressed = hasProgressed;
    this.#progress = progress;
  }

  /** Called every HEARTBEAT_MS. True if the attempt is stalled; false again as soon as it progresses. */
  tick(): boolean {
    const { calls } = this.#progress;
    const progressed = this.#hasProgressed() || calls !== this.#calls;
    this.#calls = calls;
    this.#ticksWithoutProgress = progressed ? 0 : this.#ticksWithoutProgress + 1;
    return this.#ticksWithoutProgress * HEARTBEAT_MS >= STALLED_MS;
  }

  /** True if the last tick was the first of a stall. */
  get isNew(): boolean {
    return this.#ticksWithoutProgress * HEARTBEAT_MS === STALLED_MS;
  }
}

/** Returns a function, called at each heartbeat, that renews the lease when it is due. */
function renewing({ pool, runId, renewalMs }: Lease): () => void {
  let renewedAt = 0;
  let pending = false;
  return () => {
    // One at a time: while publish holds a lock on the lease's row, renewals that wait for it would take all
    // connections.
    if (pending || Date.now() - renewedAt < renewalMs) return;
    renewedAt = Date.now();
    pending = true;
    renewLease(pool, runId)
      // A lease that cannot be renewed does not fail the activity: a later heartbeat tries again.
      .catch(() => {})
      .finally(() => {
        pending = false;
      });
  };
}

function countRetry({ metricMeter }: Context): void {
  const { name, help } = METRICS.retries;
  metricMeter.createCounter(name, undefined, help).add(1);
}
