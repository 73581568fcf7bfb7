/** The activities as the workflow asks for them: how long each may take, and what becomes of it when the run is cancelled. */
import { ActivityCancellationType, type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { BillingActivities } from '../contract/activities.js';
import { HEARTBEAT_TIMEOUT_MS, RETRY_MS_MAX } from '../contract/timeouts.js';

/** Tries go on for as long as the run may last: a database that is down for an hour delays a run, and does not fail it. */
const retry = { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: RETRY_MS_MAX } as const;

export const { planRun, publishRun, discardRun } = proxyActivities<BillingActivities>({
  startToCloseTimeout: '30m',
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  // A plan that still runs could open a run behind the back of its discard.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry,
});

// Eager dispatch would give all of them to the pod that happens to run the workflow.
const taskOptions: ActivityOptions = {
  startToCloseTimeout: '2h',
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  allowEagerDispatch: false,
  retry,
};
export const tasks = proxyActivities<BillingActivities>(taskOptions);
// The longest of those beside it: begun last, it would leave all slots but one with nothing to do.
export const { recount } = proxyActivities<BillingActivities>({
  ...taskOptions,
  priority: { priorityKey: 1 },
});
