/** Counts workflows and activities in Temporal's histories. */
import type { Client, WorkflowHandle } from '@temporalio/client';

export interface Tally {
  workflows: {
    started: number;
    published: number;
    skipped: number;
    failed: number;
    cancelled: number;
    ended: number;
    open: number;
  };
  /** Tasks: scheduled activities. A backup attempt is not counted separately. */
  scheduled: number;
  completed: number;
  /** Completed reduces that only reported segments lost in a crash. */
  lost: number;
  /**
   * Attempts of all tasks. Temporal records the number of an attempt when it ends; an activity without a record counts
   * as one.
   */
  tries: number;
  /**
   * Tasks that failed or were cancelled, and tasks whose workflow was terminated, cancelled or lost before they ended.
   */
  notCompleted: { failed: number; cancelled: number; abandoned: number };
  /** Failure messages of activities and workflows, with their counts. */
  failures: Record<string, number>;
}

export type HistoryEvent = NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>[number];

export async function tallyOf(temporal: Client): Promise<Tally> {
  const tallies: Tally[] = [];
  for await (const { workflowId, runId } of temporal.workflow.list({ query: `WorkflowType = 'billingRun'` })) {
    const history = await temporal.workflow.getHandle(workflowId, runId).fetchHistory();
    tallies.push(tallyHistory(history.events ?? []));
  }
  return addTallies(tallies);
}

export function addTallies(tallies: readonly Tally[]): Tally {
  const sum = tallyHistory([]);
  sum.workflows = { started: 0, published: 0, skipped: 0, failed: 0, cancelled: 0, ended: 0, open: 0 };
  for (const tally of tallies) {
    for (const key of ['scheduled', 'completed', 'lost', 'tries'] as const) sum[key] += tally[key];
    add(sum.workflows, tally.workflows);
    add(sum.notCompleted, tally.notCompleted);
    add(sum.failures, tally.failures);
  }
  return sum;
}

function add(sum: Record<string, number>, more: Record<string, number>): void {
  for (const [key, count] of Object.entries(more)) sum[key] = (sum[key] ?? 0) + count;
}

export function tallyHistory(events: readonly HistoryEvent[]): Tally {
  const tasks = tasksOf(events);
  const count = (ending: Ending | undefined) => tasks.filter((task) => task.ending === ending).length;
  const activities = events.filter((event) => event.activityTaskScheduledEventAttributes).length;
  const started = events.flatMap(({ activityTaskStartedEventAttributes: attempt }) =>
    attempt ? [attempt.attempt ?? 1] : [],
  );
  const ending = endingOf(events.at(-1));
  // A cancelled workflow cancels its tasks or does not wait for them.
  const [cancelled, abandoned] = [count('cancelled'), count(undefined)];
  const tally: Tally = {
    workflows: { started: 1, published: 0, skipped: 0, failed: 0, cancelled: 0, ended: 0, open: 0 },
    scheduled: tasks.length,
    completed: count('completed'),
    lost: lossesIn(events),
    tries: started.reduce((sum, tries) => sum + tries, 0) + activities - started.length,
    notCompleted: {
      failed: count('failed'),
      ...(ending === 'cancelled' ? { cancelled: 0, abandoned: cancelled + abandoned } : { cancelled, abandoned }),
    },
    failures: {},
  };
  tally.workflows[ending]++;
  for (const event of events) {
    const failure = failureOf(event);
    if (failure !== undefined) tally.failures[failure] = (tally.failures[failure] ?? 0) + 1;
  }
  return tally;
}

/** The number of reduces that only reported segments lost in a crash of PostgreSQL. Such reduces run again. */
export function lossesIn(events: readonly HistoryEvent[]): number {
  return events.filter((event) => {
    const data = event.activityTaskCompletedEventAttributes?.result?.payloads?.[0]?.data;
    return data != null && Buffer.from(data).toString('utf8').includes('"segmentsLost":');
  }).length;
}

type Ending = 'completed' | 'failed' | 'cancelled';

interface Task {
  /** Undefined if the workflow ended first. */
  ending?: Ending;
}

/** The task number of an activity, if it has one, and whether it is a backup attempt. */
export function taskInputOf(activity: NonNullable<HistoryEvent['activityTaskScheduledEventAttributes']>): {
  number?: number;
  backup?: boolean;
} {
  return JSON.parse(Buffer.from(activity.input?.payloads?.[0]?.data ?? '{}').toString('utf8'));
}

/** The tasks of a workflow. A backup is a second activity for the same task, which completes when either completes. */
function tasksOf(events: readonly HistoryEvent[]): Task[] {
  const tasks: Task[] = [];
  const byName = new Map<string, Task>();
  const byEvent = new Map<string, Task>();
  for (const event of events) {
    const activity = event.activityTaskScheduledEventAttributes;
    if (activity) {
      const input = taskInputOf(activity);
      const name = `${activity.activityType?.name} ${input.number}`;
      let task = input.backup === true ? byName.get(name) : undefined;
      if (task === undefined) {
        task = {};
        tasks.push(task);
      }
      byName.set(name, task);
      byEvent.set(String(event.eventId), task);
      continue;
    }
    const over = (ending: Ending, { scheduledEventId }: { scheduledEventId?: unknown }) => {
      const task = byEvent.get(String(scheduledEventId))!;
      if (task.ending !== 'completed') task.ending = ending;
    };
    if (event.activityTaskCompletedEventAttributes) over('completed', event.activityTaskCompletedEventAttributes);
    const failed = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
    if (failed) over('failed', failed);
    if (event.activityTaskCanceledEventAttributes) over('cancelled', event.activityTaskCanceledEventAttributes);
  }
  return tasks;
}

function endingOf(last: HistoryEvent | undefined): Exclude<keyof Tally['workflows'], 'started'> {
  const completed = last?.workflowExecutionCompletedEventAttributes;
  if (completed) {
    const answer = JSON.parse(Buffer.from(completed.result?.payloads?.[0]?.data ?? '{}').toString('utf8')) as {
      status: string;
    };
    return answer.status === 'skipped' || answer.status === 'cancelled' ? answer.status : 'published';
  }
  if (last?.workflowExecutionCanceledEventAttributes) return 'cancelled';
  if (last?.workflowExecutionFailedEventAttributes) return 'failed';
  if (last?.workflowExecutionTerminatedEventAttributes ?? last?.workflowExecutionTimedOutEventAttributes)
    return 'ended';
  return 'open';
}

function failureOf(event: HistoryEvent): string | undefined {
  const { workflowExecutionFailedEventAttributes: workflow, activityTaskFailedEventAttributes: activity } = event;
  let failure = (workflow ?? activity ?? event.activityTaskTimedOutEventAttributes)?.failure;
  if (!failure) return undefined;
  while (failure.cause) failure = failure.cause;
  const type = failure.applicationFailureInfo?.type;
  // Messages that differ only in numbers are one kind.
  return `${workflow ? 'workflow' : 'task'}: ${type ?? 'Error'}: ${(failure.message ?? '').replaceAll(/\d+/g, 'N')}`;
}
