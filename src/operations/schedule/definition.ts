/** The schedule as Temporal stores it. docs/decisions/0002-schedule.md gives the reasons for each policy. */
import type { ScheduleOptions, ScheduleOptionsAction, ScheduleSpec } from '@temporalio/client';
import { TASK_QUEUE } from '../../config.js';
import { WORKFLOW_TYPE } from '../../contract/billing-run.js';
import { INSTALLATION_MEMO } from '../../contract/installation.js';
import { optionDuration } from '../../text.js';
import { scheduledWorkflowIdOf, scheduleIdOf } from './owner.js';

/** How long a scheduled run may take before Temporal ends it. */
export const SCHEDULE_TIMEOUT_MS = 6 * 3_600_000;
const CATCHUP_MS_MIN = 60_000;
const CRON_CATCHUP_MS = 600_000;

/** When runs start: each interval, or by a cron expression in a time zone (default: UTC). */
export type When = { everyMs: number } | { cron: string; timezone?: string | undefined };

export type ScheduleRequest = When & {
  /** Default: 6 hours. */
  timeoutMs?: number | undefined;
  /** How long a run that has failed is held for a retry. Absent: not at all. */
  holdMs?: number | undefined;
};

export function scheduleDefinition(
  request: ScheduleRequest,
  { taskQueue = TASK_QUEUE, installation }: { taskQueue?: string; installation?: string } = {},
): ScheduleOptions<ScheduleOptionsAction> {
  const { timeoutMs = SCHEDULE_TIMEOUT_MS, holdMs } = request;
  const isCron = 'cron' in request;
  return {
    scheduleId: scheduleIdOf(taskQueue),
    spec: specOf(request),
    action: {
      type: 'startWorkflow',
      workflowType: WORKFLOW_TYPE,
      taskQueue,
      workflowId: scheduledWorkflowIdOf(taskQueue),
      ...(installation === undefined ? {} : { memo: { [INSTALLATION_MEMO]: installation } }),
      args: [holdMs === undefined ? {} : { holdFailedSeconds: holdMs / 1000 }],
      workflowExecutionTimeout: timeoutMs,
      staticSummary: `Scheduled billing run (${isCron ? `cron ${request.cron}` : `every ${optionDuration(request.everyMs)}`})`,
    },
    policies: {
      overlap: 'SKIP',
      catchupWindow: isCron ? CRON_CATCHUP_MS : Math.max(request.everyMs, CATCHUP_MS_MIN),
      pauseOnFailure: false,
    },
  };
}

function specOf(when: When): ScheduleSpec {
  if ('everyMs' in when) return { intervals: [{ every: when.everyMs }] };
  const { cron, timezone } = when;
  return { cronExpressions: [commented(cron)], ...(timezone === undefined ? {} : { timezone }) };
}

/**
 * The server converts the expression to a calendar and keeps only its comment: the comment repeats the expression, so
 * that it can be shown.
 */
function commented(cron: string): string {
  return `${cron.split('#')[0]} # ${cron}`;
}
