/**
 * Why a run makes no progress, according to Temporal. A stall is an activity that is being retried, or a task that no
 * worker takes. PostgreSQL is not asked, because it may be what is unreachable.
 */
import type { WorkflowClient, WorkflowExecutionDescription } from '@temporalio/client';
import { WORKFLOW_TYPE } from '../contract/billing-run.js';
import { activityName, oneLine } from '../contract/retries.js';
import { isPolled, type TaskKind } from './task-queue.js';

/** One reason. Activities of one kind that fail with the same message are one stall. */
export interface Stall {
  /** "plan", "map", "publish"; "workflow" for the workflow's own tasks. */
  activity: string;
  /** How many activities. */
  activities: number;
  /** The last failed attempt of the activity with the most attempts; null if no attempt has started. */
  attempt: number | null;
  /** One sentence, without a full stop. */
  message: string;
  /** ISO 8601 in UTC; null while an attempt is running, and if no worker polls. */
  nextAttemptAt: string | null;
}

/** A running workflow that stalls. */
export interface StalledRun {
  workflowId: string;
  /** Null before the run is opened: PostgreSQL has no row for it yet. */
  runId: string | null;
  stalls: Stall[];
}

type PendingActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];
type Timestamp = PendingActivity['scheduledTime'];
type Failure = PendingActivity['lastFailure'];

/** A task that has waited for longer is a stall if no worker polls its queue. */
const WAIT_MS = 3000;
/** temporal.api.enums.v1.PendingActivityState, and PendingWorkflowTaskState */
const SCHEDULED = 1;
/** Workflows examined by one call: at most one of them bills, the others wait to plan. */
const RUNS_MAX = 20;

/** The stalls of a run; none after its workflow has ended. */
export async function readStalls(client: WorkflowClient, workflowId: string): Promise<Stall[]> {
  const { raw } = await client.getHandle(workflowId).describe();
  return stallsOf(client, raw);
}

/** The runs of a task queue that stall, including those that are not opened yet. */
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

/** Activities that are being retried, grouped by kind and message. */
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
  1: 'the attempt exceeded its time limit',
  2: 'no worker took it in time',
  3: 'it did not complete in time',
  4: 'its worker stopped answering: it crashed, was frozen or lost its connection to Temporal',
};

function sentenceOf(failure: NonNullable<Failure>): string {
  const timeout = failure.timeoutFailureInfo?.timeoutType;
  return (timeout == null ? undefined : TIMEOUTS[timeout]) ?? oneLine(failure.message ?? 'no reason given');
}

function withoutWorker(activity: string, activities: number, kind: TaskKind): Stall {
  const message = `no worker polls the task queue for ${kind === 'workflow' ? 'workflows' : 'activities'}: start one with \`meterfold worker\``;
  return { activity, activities, attempt: null, message, nextAttemptAt: null };
}

/** When the next attempt was due, in ms since the epoch. */
function dueMs({ nextAttemptScheduleTime, scheduledTime }: PendingActivity): number {
  return msOf(nextAttemptScheduleTime) || msOf(scheduledTime);
}

function msOf(time: Timestamp): number {
  return Number(time?.seconds ?? 0) * 1000 + Number(time?.nanos ?? 0) / 1e6;
}
