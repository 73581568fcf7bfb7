/** A schedule in words: when runs start, and how the last ones ended. */
import type { ScheduledRun, ShownSchedule } from '../../operations/schedule/show.js';
import { counted, grouped, moment, optionDuration } from '../../text.js';
import { facts, table } from './output.js';

export function scheduleText(schedule: ShownSchedule): string {
  const note = schedule.note ? ` (${schedule.note})` : '';
  const next = schedule.nextTimes.map((time) => moment(new Date(time))).join(', ');
  return facts([
    ['schedule', `${schedule.scheduleId}: starts ${schedule.starts}`],
    ['state', schedule.paused ? `paused${note}; \`meterfold schedule resume\` resumes it` : 'active'],
    ['next', next || 'none'],
    ['price', "as in the workers' settings when a run starts"],
    ['after an outage', `a missed start is caught up within ${optionDuration(schedule.catchupWindowMs)}`],
    [
      'so far',
      `${counted(schedule.started, 'run')} started, ${grouped(schedule.skippedOverlap)} skipped because another was running, ` +
        `${grouped(schedule.missedCatchupWindow)} missed`,
    ],
  ]);
}

export function runsText(runs: readonly ScheduledRun[]): string {
  const cells = ({ scheduledAt, outcome, workflowId }: ScheduledRun) => [
    moment(new Date(scheduledAt)),
    outcome,
    workflowId,
  ];
  return table([{ title: 'due' }, { title: 'outcome' }, { title: 'workflow' }], runs.map(cells));
}
