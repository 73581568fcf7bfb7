/**
 * What a fault has brought about, as those it was done to have noted it: Temporal's history, the runs' table, the proxy, the worker's
 * log. A fault counts only if there is such an effect.
 */
import { WorkflowNotFoundError } from '@temporalio/client';
import { eventually } from '../support/eventually.js';
import { type HistoryEvent, lossesIn, taskInputOf } from '../support/tally.js';
import type { Held, HeldRun } from './phases.js';
import type { ChaosStack } from './stack.js';

export const EFFECTS = [
  'task time-out',
  'broken connection',
  'error of the database',
  'lost segments',
  'other failed try',
  'takeover',
  'backup',
  'stall',
  'wait for another ending',
] as const;
export type EffectKind = (typeof EFFECTS)[number];

export interface Effect {
  kind: EffectKind;
  detail: string;
}

/** A small run is left to others as well where it takes long, which needs no fault. */
const TOO_LATE = /a small run took too long/;
const BROKEN =
  /terminat|ECONN|EPIPE|closed|starting up|shutting down|in recovery|socket|timeout expired|is dead|ETIMEDOUT/i;

async function historyOf(stack: ChaosStack, { workflowId }: HeldRun): Promise<HistoryEvent[]> {
  const workflow = stack.temporal.workflow.getHandle(workflowId);
  const history = await eventually('the workflow of the run that was hit has ended', async () => {
    try {
      // Temporal notes tries only once their activity is over.
      return (await workflow.describe()).status.name !== 'RUNNING' && (await workflow.fetchHistory());
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return { events: [] };
      throw error;
    }
  });
  return history.events ?? [];
}

/** Second and later tries of the run's activities, each with what ended the one before. */
function retriesIn(events: readonly HistoryEvent[]): Effect[] {
  return events.flatMap(({ activityTaskStartedEventAttributes: attempt }): Effect[] => {
    if (attempt === undefined || attempt === null || (attempt.attempt ?? 1) < 2) return [];
    const failure = attempt.lastFailure;
    const message = failure?.message ?? '';
    const type = failure?.applicationFailureInfo?.type ?? '';
    const detail = `attempt ${attempt.attempt}: ${type === '' ? message : `${type}: ${message}`}`;
    if (failure?.timeoutFailureInfo) return [{ kind: 'task time-out', detail }];
    return [{ kind: kindOf(message), detail }];
  });
}

function kindOf(message: string): EffectKind {
  if (BROKEN.test(message)) return 'broken connection';
  return message.startsWith('PostgreSQL: ') ? 'error of the database' : 'other failed try';
}

interface LogLine {
  run?: string;
  err?: { message: string };
}

/** That an activity which does all of a small run has left the rest of it to others, and why. That is no other try, and in no history. */
function leftBy({ worker, run }: Held): Effect[] {
  const lines = worker
    .logs()
    .split('\n')
    .filter((line) => line.includes('a small run is left'));
  return lines.flatMap((text): Effect[] => {
    const line = JSON.parse(text) as LogLine;
    const message = line.err?.message ?? '';
    if (line.run !== run.runId || TOO_LATE.test(message)) return [];
    return [{ kind: kindOf(message), detail: `left to other activities: ${message}` }];
  });
}

/** Backups that were done before the activity that they backed up. */
function backupsIn(events: readonly HistoryEvent[]): Effect[] {
  const completed = new Set(
    events.map(({ activityTaskCompletedEventAttributes: done }) => String(done?.scheduledEventId)),
  );
  return events.flatMap(({ eventId, activityTaskScheduledEventAttributes: activity }): Effect[] => {
    if (!activity || !completed.has(String(eventId))) return [];
    const { number, backup } = taskInputOf(activity);
    if (backup !== true) return [];
    return [{ kind: 'backup', detail: `of ${activity.activityType?.name} ${number}, done before the first attempt` }];
  });
}

/** Reduces that ended with this as their outcome: a crash had taken what map stored, and map restarts. */
function lossesFound(events: readonly HistoryEvent[]): Effect[] {
  const losses = lossesIn(events);
  return losses === 0 ? [] : [{ kind: 'lost segments', detail: `found by ${losses} reduces` }];
}

async function takeoverOf(stack: ChaosStack, { runId }: HeldRun): Promise<Effect[]> {
  const rows = await stack.ask<{ reason: string }>(
    `select discard_reason as reason from meterfold.runs where run_id = $1 and discard_reason like 'taken over by %'`,
    [runId],
  );
  return rows.map(({ reason }) => ({ kind: 'takeover', detail: reason }));
}

/** All that shows once the run is settled. */
export async function effectsOn(stack: ChaosStack, held: Held): Promise<Effect[]> {
  const events = await historyOf(stack, held.run);
  const inHistory = [...retriesIn(events), ...lossesFound(events), ...backupsIn(events)];
  return [...(await takeoverOf(stack, held.run)), ...inHistory, ...leftBy(held)];
}
