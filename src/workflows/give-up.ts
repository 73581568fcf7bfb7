/** How a run ends that is not published: its workflow discards it, and then fails or says that it was cancelled. */
import { ApplicationFailure, CancellationScope, CancelledFailure, workflowInfo } from '@temporalio/workflow';
import type { PublishedFigures } from '../billing/proof.js';
import type { PlannedRun } from '../contract/activities.js';
import type { BillingRunResult, PublishedResult } from '../contract/billing-run.js';
import { discardRun } from './activities.js';
import type { Control } from './control.js';
import { reasonOf } from './failures.js';
import type { Progress } from './progress.js';

/** Temporal takes summaries of up to 400 bytes. */
const SUMMARY_MAX = 100;

export interface GivenUp {
  /** Undefined if the run was not planned. */
  plan: PlannedRun | undefined;
  control: Control;
  progress: Progress;
  /** What each activity's input says of the installation. */
  installation: { installation?: string };
  /** The workflow's result if the run turns out to be published. */
  result(plan: PlannedRun, figures: PublishedFigures): PublishedResult;
}

/** Discards the run, and ends as it was ended: cancelled by an operator or by Temporal, or failed with `error`. */
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
