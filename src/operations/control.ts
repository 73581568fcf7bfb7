/** Pauses, resumes and retries a run by an Update of its workflow, which refuses one that its phase does not allow. */
import type { BillingRunInput, BillingRunProgress } from '../contract/billing-run.js';
import { type Run, readRunIfAny } from '../runs/run.js';
import { isSameTemporal, temporalOf } from '../temporal/owner.js';
import type { RunHandle } from '../temporal/start.js';
import { sentence } from '../text.js';
import { NoWorkerError, RunNotFoundError, RunOwnerError, RunStateError } from './errors.js';
import type { Servers } from './servers.js';
import { startRun } from './start.js';

/** How long a worker may take to answer. */
const ANSWER_MS = 15_000;

/** What a retry did: the workflow of a held run continues, or a discarded run was started again as another run. */
export type Retried = { status: 'continues'; progress: BillingRunProgress } | { status: 'started'; handle: RunHandle };

/** Throws RunNotFoundError, RunStateError, RunOwnerError, NoWorkerError. */
export async function pauseRun(servers: Servers, runId: string): Promise<BillingRunProgress> {
  return updateRun(servers, await findRun(servers, runId), 'pause');
}

/** Throws as pauseRun(). */
export async function resumeRun(servers: Servers, runId: string): Promise<BillingRunProgress> {
  return updateRun(servers, await findRun(servers, runId), 'resume');
}

/**
 * A discarded run is started again with its own price, currency and handling of bad calls, unless the environment sets
 * others. Throws as pauseRun().
 */
export async function retryRun(servers: Servers, runId: string): Promise<Retried> {
  const run = await findRun(servers, runId);
  if (run.state === 'active') return { status: 'continues', progress: await updateRun(servers, run, 'retry') };
  if (run.state === 'published') throw new RunStateError(`Run ${runId} is published: there is nothing to retry.`);
  if (run.state === 'reverted') {
    throw new RunStateError(`Run ${runId} was reverted: \`meterfold run\` bills its calls again.`);
  }
  const input: BillingRunInput = { ...run.terms, badCalls: run.badCalls, ...servers.config.explicitInput };
  return { status: 'started', handle: await startRun(servers, input) };
}

async function findRun(servers: Servers, runId: string): Promise<Run> {
  const run = await readRunIfAny(await servers.database(), BigInt(runId));
  if (run === undefined) throw new RunNotFoundError(runId);
  return run;
}

async function updateRun(
  servers: Servers,
  { runId, state, owner }: Run,
  update: 'pause' | 'resume' | 'retry',
): Promise<BillingRunProgress> {
  if (state !== 'active') throw new RunStateError(`Run ${runId} is ${state}: only a run in progress can do that.`);
  const { workflowId, firstExecutionRunId } = owner;
  const temporal = temporalOf(owner);
  if (!isSameTemporal(temporal, servers.config.temporal)) throw new RunOwnerError(String(runId), temporal);
  const client = await servers.temporal();
  const handle = client.workflow.getHandle(workflowId, undefined, { firstExecutionRunId });
  try {
    return await client.withDeadline(Date.now() + ANSWER_MS, () =>
      handle.executeUpdate<BillingRunProgress, []>(update),
    );
  } catch (error) {
    throw refusal(error as Error, runId, workflowId);
  }
}

/** The message of a refusal is in its cause. */
function refusal(error: Error, runId: bigint, workflowId: string): Error {
  if (error.name === 'WorkflowUpdateFailedError') {
    const { message } = error.cause instanceof Error ? error.cause : error;
    return new RunStateError(sentence(message), { cause: error });
  }
  if (error.name === 'WorkflowUpdateRPCTimeoutOrCancelledError') {
    return new NoWorkerError(
      `No worker has answered for run ${runId} in ${ANSWER_MS / 1000} s: start one with \`meterfold worker\`.`,
      { cause: error },
    );
  }
  if (error.name === 'WorkflowNotFoundError') {
    return new RunStateError(
      `The workflow ${workflowId} of run ${runId} has ended without cleaning up: the next run takes over, or discard it with \`meterfold cancel ${runId}\`.`,
      { cause: error },
    );
  }
  return error;
}
