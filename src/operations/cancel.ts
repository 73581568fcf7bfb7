/**
 * Cancels a run: its workflow is asked first, and cleans up itself. Where that workflow has ended or is gone, or its Temporal can't be
 * asked, the run is discarded here; a publish that has begun is waited for, and wins.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { askTemporal } from '../activities/owner.js';
import type { Config } from '../config.js';
import type { Pool } from '../postgres/pool.js';
import { AlreadyPublishedError, discardRun } from '../runs/endings.js';
import { readRunState } from '../runs/list.js';
import { type Owner, readActiveRun } from '../runs/run.js';

export type CancelAnswer =
  | 'cancelled'
  | 'cancelled, its workflow had ended'
  | 'was discarded'
  | 'already published'
  | 'was reverted'
  | 'unknown';

/** How long the workflow may take to give the run up itself, before it is done here. */
const PATIENCE_MS = 15_000;
const POLL_MS = 100;
/** Polls from one question to Temporal to the next. */
const POLLS_A_QUESTION = 10;

/** Gives the run up; `onPublishing` is called if that has to wait for a publish that has begun. */
export async function cancelRun(
  pool: Pool,
  connect: () => Promise<Client>,
  config: Config,
  runId: string,
  onPublishing: () => void,
): Promise<CancelAnswer> {
  const state = await readRunState(pool, runId);
  if (state === undefined) return 'unknown';
  if (state === 'published') return 'already published';
  if (state === 'discarded') return 'was discarded';
  if (state === 'reverted') return 'was reverted';

  const asked = await askWorkflow(pool, connect, config, runId);
  if (asked === 'discarded') return 'cancelled';
  if (asked === 'published') return 'already published';
  try {
    await discardRun(pool, BigInt(runId), 'cancelled by hand', {
      activityId: `cancel/${randomUUID()}`,
      onPublishing,
    });
    return asked === 'ended' ? 'cancelled, its workflow had ended' : 'cancelled';
  } catch (error) {
    if (error instanceof AlreadyPublishedError) return 'already published';
    throw error;
  }
}

/** Asks the workflow to give the run up, and waits for that: what became of the run, or why nothing did. */
async function askWorkflow(
  pool: Pool,
  connect: () => Promise<Client>,
  { temporal }: Config,
  runId: string,
): Promise<'discarded' | 'published' | 'ended' | 'no answer'> {
  const active = await readActiveRun(pool);
  if (active === undefined || String(active.runId) !== runId) return 'no answer';
  const { owner } = active;
  if (owner.temporalAddress !== temporal.address || owner.temporalNamespace !== temporal.namespace) return 'no answer';
  try {
    const client = await connect();
    if ((await askTemporal(client, owner)) === 'running') await requestCancel(client, owner);
    for (let polls = 0; polls < PATIENCE_MS / POLL_MS; polls++) {
      // Asked before the run is read: a workflow that ends has given its run up before.
      const temporalSays = polls % POLLS_A_QUESTION === 0 ? await askTemporal(client, owner) : 'running';
      const now = await readRunState(pool, runId);
      if (now === 'discarded' || now === 'published') return now;
      if (temporalSays !== 'running') return temporalSays === 'closed' ? 'ended' : 'no answer';
      await sleep(POLL_MS);
    }
    return 'no answer';
  } catch {
    return 'no answer';
  }
}

/** Temporal takes the request also where the workflow has ended. */
async function requestCancel(client: Client, { workflowId, firstExecutionRunId }: Owner): Promise<void> {
  await client.workflow.getHandle(workflowId, undefined, { firstExecutionRunId }).cancel();
}
