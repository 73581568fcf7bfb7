/**
 * Cancels a run: its workflow is asked first, and cleans up itself. Where that workflow is gone, or its Temporal can't be asked, the
 * run is discarded here; the run's row decides between that and a publish at the same moment.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Config } from '../config.js';
import type { Pool } from '../db/pool.js';
import { readRunState } from '../db/reads-runs.js';
import { AlreadyPublishedError, discardRun } from '../db/run-endings.js';
import { readActiveRun } from '../db/runs.js';

export type CancelAnswer = 'cancelled' | 'was discarded' | 'already published' | 'was reverted' | 'unknown';

/** How long the workflow may take to give the run up itself, before it is done here. */
const PATIENCE_MS = 15_000;
const POLL_MS = 100;

export async function cancelRun(
  pool: Pool,
  connect: () => Promise<Client>,
  config: Config,
  runId: string,
): Promise<CancelAnswer> {
  const state = await readRunState(pool, runId);
  if (state === undefined) return 'unknown';
  if (state === 'published') return 'already published';
  if (state === 'discarded') return 'was discarded';
  if (state === 'reverted') return 'was reverted';

  const active = await readActiveRun(pool);
  if (active !== undefined && String(active.runId) === runId) {
    const { owner } = active;
    const here =
      owner.temporalAddress === config.temporal.address && owner.temporalNamespace === config.temporal.namespace;
    if (here && (await askWorkflow(connect, owner.workflowId, owner.firstExecutionRunId))) {
      for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += POLL_MS) {
        const now = await readRunState(pool, runId);
        if (now === 'discarded') return 'cancelled';
        if (now === 'published') return 'already published';
        await sleep(POLL_MS);
      }
    }
  }
  try {
    await discardRun(pool, BigInt(runId), 'cancelled by hand');
    return 'cancelled';
  } catch (error) {
    if (error instanceof AlreadyPublishedError) return 'already published';
    throw error;
  }
}

/** True if the workflow has taken the request. */
async function askWorkflow(
  connect: () => Promise<Client>,
  workflowId: string,
  firstExecutionRunId: string,
): Promise<boolean> {
  try {
    const client = await connect();
    await client.workflow.getHandle(workflowId, undefined, { firstExecutionRunId }).cancel();
    return true;
  } catch {
    return false;
  }
}
