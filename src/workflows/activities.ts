/**
 * The activities as the workflow calls them: their timeouts, their retries, and what a cancellation of the run does to
 * each.
 */
import { ActivityCancellationType, type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { BillingActivities } from '../contract/activities.js';
import { HEARTBEAT_TIMEOUT_MS, RETRY_MS_MAX } from '../contract/timeouts.js';

/** Without a limit of attempts: a database that is down for an hour delays a run and does not fail it. */
const retry = { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: RETRY_MS_MAX } as const;

export const { planRun, publishRun, discardRun } = proxyActivities<BillingActivities>({
  startToCloseTimeout: '30m',
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  // The discard must not begin before the plan has ended: a plan could open the run after it.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry,
});

const taskOptions: ActivityOptions = {
  startToCloseTimeout: '2h',
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  // Eager dispatch would give all tasks to the worker that runs the workflow.
  allowEagerDispatch: false,
  retry,
};
export const tasks = proxyActivities<BillingActivities>(taskOptions);
// Recount is longer than any reduce beside it. If it were dispatched last, all slots but one would be idle at the end.
export const { recount } = proxyActivities<BillingActivities>({
  ...taskOptions,
  priority: { priorityKey: 1 },
});
