/**
 * Reports failed attempts to the run's workflow. A workflow cannot see that its activities are being retried, and its
 * Query would say "planning" for hours. The report is a signal; contract/retries.ts limits which attempts are reported.
 * Commands ask Temporal instead, which knows each attempt (temporal/stalls.ts).
 */
import { ApplicationFailure, Context } from '@temporalio/activity';
import { activityName, isReported, oneLine, RETRY_SIGNAL, type Retry } from '../contract/retries.js';

const REPORT_MS_MAX = 2000;

type Activity = (input: never) => Promise<unknown>;

/** Wraps activities so that a failed attempt is reported, if it is one that is reported, before it fails. */
export function withRetryReports<Activities extends Record<string, Activity>>(activities: Activities): Activities {
  const reporting = Object.entries(activities).map(([type, activity]) => [
    type,
    async (input: never) => {
      try {
        return await activity(input);
      } catch (error) {
        await report(activityName(type, (input as { number?: number } | undefined)?.number), error);
        throw error;
      }
    },
  ]);
  return Object.fromEntries(reporting) as Activities;
}

async function report(activity: string, error: unknown): Promise<void> {
  const { info, client } = Context.current();
  if (!isReported(info.attempt) || info.workflowExecution === undefined) return;
  if (!(error instanceof ApplicationFailure) || error.nonRetryable === true || error.type === 'WorkerShutdown') return;
  const now = Date.now();
  const retry: Retry = {
    activity,
    attempt: info.attempt,
    message: oneLine(error.message),
    failedAt: new Date(now).toISOString(),
    nextAttemptAt: new Date(now + backoffMs(info)).toISOString(),
  };
  const { workflowId, runId } = info.workflowExecution;
  try {
    await client.withDeadline(now + REPORT_MS_MAX, () =>
      client.workflow.getHandle(workflowId, runId).signal(RETRY_SIGNAL, retry),
    );
  } catch {
    // A report that fails is dropped. The attempt fails for its own reason, which Temporal stores.
  }
}

/**
 * How long Temporal waits before the next attempt, in ms: initialInterval × backoffCoefficient ^ (attempt - 1), at most
 * maximumInterval.
 */
function backoffMs({ attempt, retryPolicy }: Context['info']): number {
  const { initialInterval, backoffCoefficient = 2, maximumInterval } = retryPolicy ?? {};
  const [initialMs, maximumMs] = [msOf(initialInterval) ?? 1000, msOf(maximumInterval)];
  return Math.min(initialMs * backoffCoefficient ** (attempt - 1), maximumMs ?? 100 * initialMs);
}

/** The SDK gives the policy that it received in ms. */
function msOf(duration: unknown): number | undefined {
  return typeof duration === 'number' ? duration : undefined;
}
