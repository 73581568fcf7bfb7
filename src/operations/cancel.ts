/**
 * Cancels a run. Its workflow is asked first, and cleans up itself. If the workflow has ended, or its Temporal does not
 * answer, the run is discarded here. A publish that has begun is waited for, and wins.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AlreadyPublishedError, discardRun } from '../runs/discard.js';
import { readRunState } from '../runs/list.js';
import { readActiveRun } from '../runs/run.js';
import { askTemporal, isSameTemporal, requestCancel, temporalOf } from '../temporal/owner.js';
import { RunNotFoundError, RunStateError } from './errors.js';
import type { Servers } from './servers.js';

export type CancelOutcome = 'cancelled' | 'cancelled, its workflow had ended' | 'already discarded';

/** How long the workflow may take to discard the run before this process does. */
const WORKFLOW_MS_MAX = 15_000;
const POLL_MS = 100;
/** Temporal is asked at every tenth poll; PostgreSQL at each. */
const POLLS_PER_QUESTION = 10;

/**
 * Discards the run; nothing of it remains. `onPublishing` is called if that has to wait for a publish that has begun.
 * Throws RunNotFoundError, and RunStateError for a run that is published or reverted.
 */
export async function cancelRun(servers: Servers, runId: string, onPublishing: () => void): Promise<CancelOutcome> {
  const pool = await servers.database();
  const state = await readRunState(pool, runId);
  if (state === undefined) throw new RunNotFoundError(runId);
  if (state === 'published') throw alreadyPublished(runId);
  if (state === 'reverted') throw new RunStateError(`Run ${runId} was published, and then reverted.`);
  if (state === 'discarded') return 'already discarded';

  const asked = await askWorkflow(servers, runId);
  if (asked === 'discarded') return 'cancelled';
  if (asked === 'published') throw alreadyPublished(runId);
  try {
    await discardRun(pool, BigInt(runId), 'cancelled by hand', { activityId: `cancel/${randomUUID()}`, onPublishing });
    return asked === 'ended' ? 'cancelled, its workflow had ended' : 'cancelled';
  } catch (error) {
    if (error instanceof AlreadyPublishedError) throw alreadyPublished(runId);
    throw error;
  }
}

function alreadyPublished(runId: string): RunStateError {
  return new RunStateError(`Run ${runId} is already published: its bills stand.`);
}

/** Asks the workflow to discard the run, and waits until it has: what happened to the run, or why nothing did. */
async function askWorkflow(
  servers: Servers,
  runId: string,
): Promise<'discarded' | 'published' | 'ended' | 'no answer'> {
  const pool = await servers.database();
  const active = await readActiveRun(pool);
  if (active === undefined || String(active.runId) !== runId) return 'no answer';
  const { owner } = active;
  if (!isSameTemporal(temporalOf(owner), servers.config.temporal)) return 'no answer';
  try {
    const client = await servers.temporal();
    if ((await askTemporal(client, owner)) === 'running') await requestCancel(client, owner);
    for (let polls = 0; polls < WORKFLOW_MS_MAX / POLL_MS; polls++) {
      // Asked before the run is read: a workflow discards its run before it ends.
      const workflow = polls % POLLS_PER_QUESTION === 0 ? await askTemporal(client, owner) : 'running';
      const now = await readRunState(pool, runId);
      if (now === 'discarded' || now === 'published') return now;
      if (workflow !== 'running') return workflow === 'closed' ? 'ended' : 'no answer';
      await sleep(POLL_MS);
    }
    return 'no answer';
  } catch {
    return 'no answer';
  }
}
