/**
 * The end of a run that is not published: the workflow discards it, and then fails or returns that it was cancelled.
 */
import { ApplicationFailure, CancellationScope, CancelledFailure, workflowInfo } from '@temporalio/workflow';
import type { PublishedFigures } from '../billing/proof.js';
import type { PlannedRun } from '../contract/activities.js';
import type { BillingRunResult, PublishedResult } from '../contract/billing-run.js';
import { discardRun } from './activities.js';
import type { Control } from './control.js';
import { reasonOf } from './failures.js';
import type { Progress } from './progress.js';

/** In characters. Temporal accepts summaries of up to 400 bytes. */
const SUMMARY_MAX = 100;

export interface GivenUp {
  /** Undefined if the run was not planned. */
  plan: PlannedRun | undefined;
  control: Control;
  progress: Progress;
  /** The part of each activity's input that names the installation. */
  installation: { installation?: string };
  /** Builds the workflow's result if the run turns out to be published. */
  result(plan: PlannedRun, figures: PublishedFigures): PublishedResult;
}

/**
 * Discards the run. Returns that it was cancelled if an operator cancelled it; throws a CancelledFailure if Temporal
 * cancelled the workflow, and `error` otherwise. If the run is published already, returns its result.
 */
export async function giveUp(
  error: unknown,
  { plan, control, progress, installation, result }: GivenUp,
): Promise<BillingRunResult> {
  progress.phase('discarding');
  progress.begun('discard');
  const { firstExecutionRunId } = workflowInfo();
  const cancelled = CancellationScope.current().consideredCancelled;
  const reason = control.cancelled ? 'cancelled by an operator' : cancelled ? 'cancelled' : reasonOf(error);
  const answer = await CancellationScope.nonCancellable(() =>
    discardRun.executeWithOptions({ summary: `discard: ${reason}`.slice(0, SUMMARY_MAX) }, [
      { firstExecutionRunId, reason, ...installation },
    ]),
  );
  if (answer.status === 'already published') {
    const { runId, figures } = answer;
    if (plan === undefined) {
      throw ApplicationFailure.nonRetryable(`the run is published, but its result was lost: ${reason}`, 'ResultLost');
    }
    if (runId !== plan.runId) throw error;
    return result(plan, figures);
  }
  progress.phase('cancelled');
  if (cancelled) throw new CancelledFailure(reason);
  if (!control.cancelled) throw error;
  const run = plan === undefined ? 'the run' : `run ${plan.runId}`;
  return { status: 'cancelled', message: `${run} was cancelled by an operator: nothing of it remains` };
}
