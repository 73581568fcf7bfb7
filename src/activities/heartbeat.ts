/** Heartbeats of an activity, and the lease of its run. */
import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import { toFailure } from '../contract/failures.js';
import { METRICS } from '../contract/metrics.js';
import type { Pool } from '../postgres/pool.js';
import { renewLease } from '../runs/run.js';

const HEARTBEAT_MS = 1000;
const LEASE_RENEWAL_MS_MAX = 5000;

/** How far an activity is; sent with its heartbeats. */
export interface TaskProgress {
  calls: number;
}

/** A lease that is kept while somebody works on a run: several renewals fit into the time after which it counts as old. */
interface Lease {
  pool: Pool;
  runId: bigint;
  renewalMs: number;
}

export function leaseOf({ pool, settings }: { pool: Pool; settings: { leaseMs: number } }, runId: bigint): Lease {
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
