/** Starts billing runs, by the CLI and the demo alike. */
import type { Client, WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { TASK_QUEUE } from '../config.js';
import type { BillingRunInput } from '../contract/billing-run.js';
import { INSTALLATION_MEMO } from '../contract/installation.js';
import type { billingRun } from '../workflows/billing-run.js';
import { describeTaskQueue } from './pollers.js';

export interface StartOptions {
  /** Without it, one that names the moment. */
  workflowId?: string | undefined;
  taskQueue?: string;
  /** Whose run it is: other installations' workers refuse it. */
  installation?: string;
}

export type RunHandle = WorkflowHandleWithFirstExecutionRunId<typeof billingRun>;

/** A run that hangs for longer is ended by Temporal; the next one takes over. */
const EXECUTION_TIMEOUT = '12h';

/** Starts a run. Its workflow id names the moment: any number may be started, and PostgreSQL lets one of them bill. */
export function startRun(
  client: Client,
  input: BillingRunInput,
  { workflowId = `meterfold-run-${new Date().toISOString()}`, taskQueue = TASK_QUEUE, installation }: StartOptions = {},
): Promise<RunHandle> {
  return client.workflow.start<typeof billingRun>('billingRun', {
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

/** Says so if nobody polls the task queue: the run would wait, and its starter wonder. */
export async function warnWithoutWorkers(
  client: Client,
  taskQueue: string,
  say: (line: string) => void,
): Promise<void> {
  const queue = await describeTaskQueue(client.workflow, taskQueue, 'workflow').catch(() => undefined);
  if (queue?.pollers.length === 0)
    say(
      `No worker polls the task queue "${taskQueue}": the run waits until one does. Start it by \`meterfold worker\`.`,
    );
}
