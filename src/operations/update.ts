/** Asks the workflow of a run in progress by an Update; it refuses what makes no sense now, and says why. */

import type { Context } from '../cli/context.js';
import { sentence } from '../cli/text/output.js';
import { CommandError, unknownRun } from '../cli/text/problems.js';
import type { BillingRunInput, BillingRunProgress } from '../contract/billing-run.js';
import type { Run } from '../runs/run.js';

/** A worker has to answer. */
const ANSWER_MS = 15_000;

export async function updateRun(
  context: Context,
  runId: string,
  update: 'pause' | 'resume' | 'retry',
): Promise<BillingRunProgress> {
  const run = await findRun(context, runId);
  if (run.state !== 'active')
    throw new CommandError(`Run ${runId} is ${run.state}: only a run in progress can do that.`);
  const { temporalAddress, temporalNamespace, workflowId, firstExecutionRunId } = run.owner;
  const { address, namespace } = context.config.temporal;
  if (temporalAddress !== address || temporalNamespace !== namespace) {
    throw new CommandError(
      `Run ${runId} belongs to Temporal at ${temporalAddress}, namespace ${temporalNamespace}: set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE to that.`,
    );
  }
  const client = await context.temporal();
  const handle = client.workflow.getHandle(workflowId, undefined, { firstExecutionRunId });
  try {
    return await client.withDeadline(Date.now() + ANSWER_MS, () =>
      handle.executeUpdate<BillingRunProgress, []>(update),
    );
  } catch (error) {
    throw refusal(error as Error, runId, workflowId);
  }
}

async function findRun(context: Context, runId: string): Promise<Run> {
  const { readRunIfAny } = await import('../runs/run.js');
  const run = await readRunIfAny(await context.database(), BigInt(runId));
  if (run === undefined) throw unknownRun(runId);
  return run;
}

/** The message of a refusal is in what caused it. */
function refusal(error: Error & { code?: number }, runId: string, workflowId: string): Error {
  if (error.name === 'WorkflowUpdateFailedError') {
    const { message } = error.cause instanceof Error ? error.cause : error;
    return new CommandError(sentence(message), { cause: error });
  }
  if (error.name === 'WorkflowUpdateRPCTimeoutOrCancelledError') {
    return new CommandError(
      `No worker has answered for run ${runId} in ${ANSWER_MS / 1000} s: start one by \`meterfold worker\`.`,
      { cause: error },
    );
  }
  if (error.name === 'WorkflowNotFoundError') {
    return new CommandError(
      `The workflow ${workflowId} of run ${runId} has ended without cleaning up: the next run takes over, or give it up by \`meterfold cancel ${runId}\`.`,
      { cause: error },
    );
  }
  return error;
}

/** The input by which a failed run is begun anew, or that it is still in progress. Throws CommandError if it has not failed. */
export async function failedRun(context: Context, runId: string): Promise<BillingRunInput | 'in progress'> {
  const run = await findRun(context, runId);
  if (run.state === 'active') return 'in progress';
  if (run.state === 'published') throw new CommandError(`Run ${runId} is published: there is nothing to retry.`);
  if (run.state === 'reverted') {
    throw new CommandError(`Run ${runId} was reverted: \`meterfold run\` bills its calls anew.`);
  }
  return { ...run.terms, badCalls: run.badCalls };
}
