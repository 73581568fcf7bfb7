/** What the schedule is, when it starts runs next, and how the last ones ended. */
import type { Client, ScheduleDescription } from '@temporalio/client';
import type { BillingRunResult } from '../../contract/billing-run.js';
import { counted, grouped, optionDuration, printable } from '../../text.js';
import { scheduleWarnings } from './warnings.js';

const NEXT_TIMES = 3;

/** Times are ISO 8601 in UTC. */
export interface ShownSchedule {
  scheduleId: string;
  namespace: string;
  /** "every 5m", "by cron 0 3 * * * (Europe/Berlin)" */
  starts: string;
  paused: boolean;
  /** Why it was paused or resumed. */
  note: string | null;
  nextTimes: string[];
  /** Sentences without a full stop. */
  warnings: string[];
  catchupWindowMs: number;
  started: number;
  skippedOverlap: number;
  missedCatchupWindow: number;
  /** Newest first. */
  runs: ScheduledRun[];
}

export interface ScheduledRun {
  scheduledAt: string;
  workflowId: string;
  outcome: string;
}

export async function describeSchedule(client: Client, scheduleId: string): Promise<ShownSchedule> {
  const schedule = await client.schedule.getHandle(scheduleId).describe();
  const { state, info, policies } = schedule;
  const [runs, warnings] = await Promise.all([scheduledRuns(client, schedule), scheduleWarnings(client, schedule)]);
  const next = state.paused ? [] : info.nextActionTimes.slice(0, NEXT_TIMES);
  return {
    scheduleId: schedule.scheduleId,
    namespace: client.options.namespace,
    starts: startsText(schedule),
    paused: state.paused,
    note: state.note ?? null,
    nextTimes: next.map((time) => time.toISOString()),
    warnings,
    catchupWindowMs: policies.catchupWindow,
    started: info.numActionsTaken,
    skippedOverlap: info.numActionsSkippedOverlap,
    missedCatchupWindow: info.numActionsMissedCatchupWindow,
    runs,
  };
}

function scheduledRuns(client: Client, { info }: ScheduleDescription): Promise<ScheduledRun[]> {
  return Promise.all(
    info.recentActions.reverse().map(async ({ scheduledAt, action }) => {
      const { workflowId, firstExecutionRunId } = action.workflow;
      return {
        scheduledAt: scheduledAt.toISOString(),
        workflowId,
        outcome: await outcomeOf(client, workflowId, firstExecutionRunId),
      };
    }),
  );
}

/** The expression itself is in the calendar's comment. */
function startsText({ spec }: ScheduleDescription): string {
  const interval = spec.intervals?.[0];
  if (interval !== undefined) return `every ${optionDuration(Number(interval.every))}`;
  const cron = spec.calendars?.[0]?.comment || 'a calendar that meterfold did not create';
  return `by cron ${printable(cron)} (${spec.timezone || 'UTC'})`;
}

async function outcomeOf(client: Client, workflowId: string, firstExecutionRunId: string): Promise<string> {
  const handle = client.workflow.getHandle(workflowId, firstExecutionRunId);
  try {
    const { status } = await handle.describe();
    if (status.name !== 'COMPLETED') return status.name.toLowerCase().replace('_', ' ');
    const result = (await handle.result()) as BillingRunResult;
    if (result.status !== 'published') return result.message;
    return `run ${result.runId} published: ${counted(result.calls, 'call')}, ${grouped(result.amount)} ${result.currency}`;
  } catch (error) {
    if ((error as Error).name === 'WorkflowNotFoundError') return "no longer in Temporal's history";
    throw error;
  }
}
