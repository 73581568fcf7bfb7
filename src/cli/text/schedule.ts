/** `meterfold schedule show`: when runs start, and what came of the last ones. */
import type { Client, ScheduleDescription } from '@temporalio/client';
import type { BillingRunResult } from '../../contract/billing-run.js';
import { scheduleWarnings } from '../../operations/schedule-warnings.js';
import { durationText } from '../arguments.js';
import { counted, facts, grouped, moment, note, printable, table, writeJson, writeLine } from './output.js';

const nextShown = 3;

interface ScheduledRun {
  scheduledAt: string;
  workflowId: string;
  outcome: string;
}

export async function showSchedule(client: Client, scheduleId: string, json: boolean) {
  const schedule = await client.schedule.getHandle(scheduleId).describe();
  const runs = await Promise.all(
    schedule.info.recentActions.reverse().map(async (recent): Promise<ScheduledRun> => {
      const { workflowId, firstExecutionRunId } = recent.action.workflow;
      return {
        scheduledAt: recent.scheduledAt.toISOString(),
        workflowId,
        outcome: await outcomeOf(client, workflowId, firstExecutionRunId),
      };
    }),
  );
  const warnings = await scheduleWarnings(client, schedule);
  const next = schedule.state.paused ? [] : schedule.info.nextActionTimes.slice(0, nextShown);
  if (json) {
    return writeJson({
      scheduleId: schedule.scheduleId,
      namespace: client.options.namespace,
      starts: startsText(schedule),
      paused: schedule.state.paused,
      note: schedule.state.note ?? null,
      nextTimes: next.map((time) => time.toISOString()),
      warnings,
      started: schedule.info.numActionsTaken,
      skippedOverlap: schedule.info.numActionsSkippedOverlap,
      missedCatchupWindow: schedule.info.numActionsMissedCatchupWindow,
      runs,
    });
  }
  await writeLine(scheduleText(schedule, next));
  for (const warning of warnings) note(`Warning: ${warning}.`);
  if (runs.length === 0) return;
  await writeLine(`\n${table([{ title: 'due' }, { title: 'outcome' }, { title: 'workflow' }], runs.map(runCells))}`);
}

function scheduleText(schedule: ScheduleDescription, next: Date[]): string {
  const { state, info, policies } = schedule;
  return facts([
    ['schedule', `${schedule.scheduleId}: starts ${startsText(schedule)}`],
    [
      'state',
      state.paused ? `paused${state.note ? ` (${state.note})` : ''}; \`meterfold schedule resume\` goes on` : 'active',
    ],
    ['next', next.length === 0 ? 'none' : next.map(moment).join(', ')],
    ['price', "of the workers' settings at the time of the run"],
    ['after an outage', `a start is made up for within ${durationText(policies.catchupWindow)}`],
    [
      'so far',
      `${counted(info.numActionsTaken, 'run')} started, ${grouped(info.numActionsSkippedOverlap)} left out beside a running one, ` +
        `${grouped(info.numActionsMissedCatchupWindow)} missed`,
    ],
  ]);
}

/** "every 5m", "by cron 0 3 * * * (Europe/Berlin)". The expression itself is in the calendar's comment. */
function startsText({ spec }: ScheduleDescription): string {
  const interval = spec.intervals?.[0];
  if (interval !== undefined) return `every ${durationText(Number(interval.every))}`;
  const cron = spec.calendars?.[0]?.comment || 'a calendar made elsewhere';
  return `by cron ${printable(cron)} (${spec.timezone || 'UTC'})`;
}

function runCells(run: ScheduledRun): string[] {
  return [moment(new Date(run.scheduledAt)), run.outcome, run.workflowId];
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
