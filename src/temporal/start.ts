/** Starts the workflow of a billing run. */
import type { Client, WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { TASK_QUEUE } from '../config.js';
import { type BillingRunInput, type BillingRunWorkflow, WORKFLOW_TYPE } from '../contract/billing-run.js';
import { INSTALLATION_MEMO } from '../contract/installation.js';

export interface StartOptions {
  /** Default: one that names the moment. */
  workflowId?: string | undefined;
  taskQueue?: string;
  /** The installation that the run bills. Workers of another installation refuse it. */
  installation?: string;
}

export type RunHandle = WorkflowHandleWithFirstExecutionRunId<BillingRunWorkflow>;

/** Temporal ends a workflow that runs for longer; the next run then takes over. */
const EXECUTION_TIMEOUT = '12h';

/** Any number of workflows may be started; PostgreSQL lets one of them bill. */
export function startWorkflow(
  client: Client,
  input: BillingRunInput,
  { workflowId = `meterfold-run-${new Date().toISOString()}`, taskQueue = TASK_QUEUE, installation }: StartOptions = {},
): Promise<RunHandle> {
  return client.workflow.start<BillingRunWorkflow>(WORKFLOW_TYPE, {
    taskQueue,
    workflowId,
    args: [input],
    workflowExecutionTimeout: EXECUTION_TIMEOUT,
    staticSummary: 'meterfold: bill all calls since the last run',
    staticDetails:
      'plan → map over partitions of the log → reduce over shards of users, beside a recount → prove and publish',
    memo: { startedBy: 'meterfold run', ...(installation === undefined ? {} : { [INSTALLATION_MEMO]: installation }) },
  });
}
