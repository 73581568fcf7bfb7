/**
 * Why a run does not get on: what Temporal knows of its activities and workers. A stall is an activity that is tried again, or a task
 * that no worker takes. PostgreSQL is not asked: it may be what is out of reach.
 */
import type { WorkflowClient, WorkflowExecutionDescription } from '@temporalio/client';
import { WORKFLOW_TYPE } from '../config.js';
import { activityName, oneLine } from '../contract/retries.js';
import { describeTaskQueue, type TaskKind } from './pollers.js';

/** One reason. Several activities of a kind that fail alike are one stall. */
export interface Stall {
  /** "plan", "map", "publish"; "workflow" for the workflow's own tasks. */
  activity: string;
  /** How many activities. */
  activities: number;
  /** The last attempt that failed, of the one that was tried most often; null if none was begun. */
  attempt: number | null;
  /** One sentence, without a full stop. */
  message: string;
  /** ISO 8601 in UTC; null while an attempt is at work, or if a worker is what is missing. */
  nextAttemptAt: string | null;
}

/** A run in progress, known to Temporal, that stalls. */
export interface StalledRun {
  workflowId: string;
  /** Null if it was not opened yet: PostgreSQL may not know it. */
  runId: string | null;
  stalls: Stall[];
}

type PendingActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];
type Timestamp = PendingActivity['scheduledTime'];
type Failure = PendingActivity['lastFailure'];

/** A task that waited for longer has no worker, unless one polls. */
const WAIT_MS = 3000;
/** temporal.api.enums.v1.PendingActivityState, and PendingWorkflowTaskState */
const SCHEDULED = 1;
/** Runs asked at a time: at most one bills, others wait to plan. */
const RUNS_MAX = 20;

/** The stalls of a run; none if its workflow has ended. */
export async function readStalls(client: WorkflowClient, workflowId: string): Promise<Stall[]> {
  const { raw } = await client.getHandle(workflowId).describe();
  return stallsOf(client, raw);
}

/** All runs of this task queue that stall, those that are not opened yet included. */
export async function listStalledRuns(client: WorkflowClient, taskQueue: string): Promise<StalledRun[]> {
  const stalled: StalledRun[] = [];
  let asked = 0;
  for await (const run of client.list({ query: `WorkflowType = '${WORKFLOW_TYPE}' and ExecutionStatus = 'Running'` })) {
    if (run.taskQueue !== taskQueue) continue;
    if (++asked > RUNS_MAX) break;
    const { raw, memo } = await client.getHandle(run.workflowId).describe();
    const stalls = await stallsOf(client, raw);
    const { meterfoldRun } = (memo ?? {}) as { meterfoldRun?: string };
    if (stalls.length > 0) stalled.push({ workflowId: run.workflowId, runId: meterfoldRun ?? null, stalls });
  }
  return stalled;
}

async function stallsOf(client: WorkflowClient, raw: WorkflowExecutionDescription['raw']): Promise<Stall[]> {
  const now = Date.now();
  const taskQueue = raw.workflowExecutionInfo?.taskQueue ?? '';
  const pending = raw.pendingActivities ?? [];
  const stalls = retriesOf(pending);
  const idle = pending.filter(({ state }) => state === SCHEDULED).filter((activity) => dueMs(activity) < now - WAIT_MS);
  if (idle.length > 0 && !(await isPolled(client, taskQueue, 'activity'))) {
    stalls.push(withoutWorker(activityName(idle[0]!.activityType?.name ?? ''), idle.length, 'activity'));
  }
  const task = raw.pendingWorkflowTask;
  if (
    task?.state === SCHEDULED &&
    msOf(task.scheduledTime) < now - WAIT_MS &&
    !(await isPolled(client, taskQueue, 'workflow'))
  ) {
    stalls.push(withoutWorker('workflow', 1, 'workflow'));
  } else if (task != null && (task.attempt ?? 1) > 1) {
    const message = "the workflow's own task fails: see its history in Temporal's UI";
    stalls.push({
      activity: 'workflow',
      activities: 1,
      attempt: (task.attempt ?? 1) - 1,
      message,
      nextAttemptAt: null,
    });
  }
  return stalls;
}

/** Activities that have failed and are tried again, by what and why. */
export function retriesOf(pending: readonly PendingActivity[]): Stall[] {
  const stalls = new Map<string, Stall>();
  for (const { activityType, attempt, lastFailure, state, nextAttemptScheduleTime } of pending) {
    if (lastFailure == null || attempt == null || attempt < 2) continue;
    const activity = activityName(activityType?.name ?? '');
    const message = sentenceOf(lastFailure);
    const nextMs = state === SCHEDULED ? msOf(nextAttemptScheduleTime) : 0;
    const nextAttemptAt = nextMs > 0 ? new Date(nextMs).toISOString() : null;
    const key = `${activity} ${message}`;
    const other = stalls.get(key);
    const most = other === undefined || attempt - 1 > (other.attempt ?? 0);
    stalls.set(key, {
      ...(most ? { activity, attempt: attempt - 1, message, nextAttemptAt } : other),
      activities: (other?.activities ?? 0) + 1,
    });
  }
  return [...stalls.values()];
}

/** temporal.api.enums.v1.TimeoutType */
const TIMEOUTS: Readonly<Record<number, string>> = {
  1: 'it took longer than it may',
  2: 'no worker took it in time',
  3: 'it was not ended in time',
  4: 'its worker stopped answering: it crashed, was frozen or lost its connection to Temporal',
};

function sentenceOf(failure: NonNullable<Failure>): string {
  const timeout = failure.timeoutFailureInfo?.timeoutType;
  return (timeout == null ? undefined : TIMEOUTS[timeout]) ?? oneLine(failure.message ?? 'it did not say why');
}

function withoutWorker(activity: string, activities: number, kind: TaskKind): Stall {
  const message = `no worker polls the task queue for ${kind === 'workflow' ? 'workflows' : 'activities'}: start one by \`meterfold worker\``;
  return { activity, activities, attempt: null, message, nextAttemptAt: null };
}

async function isPolled(client: WorkflowClient, taskQueue: string, kind: TaskKind): Promise<boolean> {
  return (await describeTaskQueue(client, taskQueue, kind)).pollers.length > 0;
}

/** When the activity was to be begun, in ms. */
function dueMs({ nextAttemptScheduleTime, scheduledTime }: PendingActivity): number {
  return msOf(nextAttemptScheduleTime) || msOf(scheduledTime);
}

function msOf(time: Timestamp): number {
  return Number(time?.seconds ?? 0) * 1000 + Number(time?.nanos ?? 0) / 1e6;
}
