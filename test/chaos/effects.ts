/**
 * The effects of a fault, as recorded by the components that it affects: Temporal's history, the table of runs, the
 * proxy, the worker's log. A fault counts only if it has an effect.
 */
import { WorkflowNotFoundError } from '@temporalio/client';
import { eventually } from '../support/eventually.js';
import { type HistoryEvent, lossesIn, taskInputOf } from '../support/tally.js';
import type { Held, HeldRun } from './phases.js';
import type { ChaosStack } from './stack.js';

export const EFFECTS = [
  'task timeout',
  'broken connection',
  'database error',
  'lost segments',
  'other failed attempt',
  'takeover',
  'backup',
  'stall',
  'wait for another process',
] as const;
export type EffectKind = (typeof EFFECTS)[number];

export interface Effect {
  kind: EffectKind;
  detail: string;
}

/** A small run that takes too long falls back to other activities even without a fault. */
const TOO_LATE = /a small run took too long/;
const BROKEN =
  /terminat|ECONN|EPIPE|closed|starting up|shutting down|in recovery|socket|timeout expired|is dead|ETIMEDOUT/i;

async function historyOf(stack: ChaosStack, { workflowId }: HeldRun): Promise<HistoryEvent[]> {
  const workflow = stack.temporal.workflow.getHandle(workflowId);
  const history = await eventually('the workflow of the run that was hit has ended', async () => {
    try {
      // Temporal records attempts only when their activity has ended.
      return (await workflow.describe()).status.name !== 'RUNNING' && (await workflow.fetchHistory());
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return { events: [] };
      throw error;
    }
  });
  return history.events ?? [];
}

/** Second and later attempts of the run's activities, each with the failure of the previous one. */
function retriesIn(events: readonly HistoryEvent[]): Effect[] {
  return events.flatMap(({ activityTaskStartedEventAttributes: attempt }): Effect[] => {
    if (attempt === undefined || attempt === null || (attempt.attempt ?? 1) < 2) return [];
    const failure = attempt.lastFailure;
    const message = failure?.message ?? '';
    const type = failure?.applicationFailureInfo?.type ?? '';
    const detail = `attempt ${attempt.attempt}: ${type === '' ? message : `${type}: ${message}`}`;
    if (failure?.timeoutFailureInfo) return [{ kind: 'task timeout', detail }];
    return [{ kind: kindOf(message), detail }];
  });
}

function kindOf(message: string): EffectKind {
  if (BROKEN.test(message)) return 'broken connection';
  return message.startsWith('PostgreSQL: ') ? 'database error' : 'other failed attempt';
}

interface LogLine {
  run?: string;
  err?: { message: string };
}

/**
 * Fallbacks of the activity that does all of a small run. They are no further attempts, so they are not in the history,
 * but in the worker's log.
 */
function fallbacksIn({ worker, run }: Held): Effect[] {
  const lines = worker
    .logs()
    .split('\n')
    .filter((line) => line.includes('a small run is left'));
  return lines.flatMap((text): Effect[] => {
    const line = JSON.parse(text) as LogLine;
    const message = line.err?.message ?? '';
    if (line.run !== run.runId || TOO_LATE.test(message)) return [];
    return [{ kind: kindOf(message), detail: `fallback to other activities: ${message}` }];
  });
}

/** Backup attempts that finished before the first attempt. */
function backupsIn(events: readonly HistoryEvent[]): Effect[] {
  const completed = new Set(
    events.map(({ activityTaskCompletedEventAttributes: done }) => String(done?.scheduledEventId)),
  );
  return events.flatMap(({ eventId, activityTaskScheduledEventAttributes: activity }): Effect[] => {
    if (!activity || !completed.has(String(eventId))) return [];
    const { number, backup } = taskInputOf(activity);
    if (backup !== true) return [];
    return [
      { kind: 'backup', detail: `of ${activity.activityType?.name} ${number}, finished before the first attempt` },
    ];
  });
}

/** Reduces whose outcome is that segments are lost: a crash has emptied the table, and map restarts. */
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

/** Returns all effects that are visible once the run has ended. */
export async function effectsOn(stack: ChaosStack, held: Held): Promise<Effect[]> {
  const events = await historyOf(stack, held.run);
  const inHistory = [...retriesIn(events), ...lossesFound(events), ...backupsIn(events)];
  return [...(await takeoverOf(stack, held.run)), ...inHistory, ...fallbacksIn(held)];
}
