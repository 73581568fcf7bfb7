/**
 * meterfold, timed from the start to the end of its workflow by timestamps of Temporal. Its workers are already
 * running.
 */

import type { BillingRunInput } from '../../src/contract/billing-run.js';
import type { WorkerProcess } from '../../test/support/processes.js';
import { forgetRuns, published, type RunHandle, startRun } from '../../test/support/runs.js';
import type { Stack } from '../../test/support/stack.js';
import type { Contender, Job } from './contender.js';
import { SERVER_SETTINGS } from './settings.js';

export function meterfold(stack: Stack, workers: readonly WorkerProcess[]): Contender {
  return {
    title: 'meterfold',
    does:
      'reads id, user_id, usage, called_at; writes records (user, cycle, usage, first and last call with their times), open cycles ' +
      'and the proof, each with its keys',
    settings: SERVER_SETTINGS,
    clear: () => forgetRuns(stack),
    run: () => billed(stack),
    processes: () => ({ worker: workers.map(({ pid }) => pid) }),
  };
}

/** Bills the new calls of the log. */
export async function billed(stack: Stack, input: BillingRunInput = {}): Promise<Job> {
  const run = await startRun(stack, [input]);
  published(await run.result());
  return timesOf(run);
}

type Times = [from: number, to: number];
type Timestamp = { seconds?: { toNumber(): number } | null; nanos?: number | null } | null | undefined;

const PHASES = {
  plan: 'planRun',
  map: 'mapPartition',
  reduce: 'reduceShard',
  recount: 'recount',
  publish: 'publishRun',
};

/**
 * Returns the total time, the time of each phase, and the time during which no activity was running, which is
 * Temporal's.
 */
async function timesOf(run: RunHandle): Promise<Job> {
  const events = (await run.fetchHistory()).events ?? [];
  const at = (index: number) => seconds(events.at(index)?.eventTime);
  const scheduled = new Map<string, { type: string; at: number }>();
  const started = new Map<string, number>();
  const worked: Times[] = [];
  const phases = new Map<string, Times>();
  for (const event of events) {
    const time = seconds(event.eventTime);
    const schedule = event.activityTaskScheduledEventAttributes;
    if (schedule) scheduled.set(String(event.eventId), { type: schedule.activityType?.name ?? '', at: time });
    const start = event.activityTaskStartedEventAttributes;
    if (start) started.set(String(start.scheduledEventId), time);
    const done = event.activityTaskCompletedEventAttributes;
    if (!done) continue;
    const id = String(done.scheduledEventId);
    const { type, at: scheduledAt } = scheduled.get(id)!;
    worked.push([started.get(id)!, time]);
    const phase = phases.get(type);
    phases.set(type, [Math.min(scheduledAt, phase?.[0] ?? scheduledAt), time]);
  }
  const total = at(-1) - at(0);
  const parts: Record<string, number> = { 'no activity running': total - covered(worked) };
  for (const [name, type] of Object.entries(PHASES)) {
    const phase = phases.get(type);
    if (phase !== undefined) parts[name] = phase[1] - phase[0];
  }
  return { seconds: total, parts };
}

function seconds(time: Timestamp): number {
  return Number(time?.seconds?.toNumber()) + (time?.nanos ?? 0) / 1e9;
}

/** The length of the union of time intervals. */
function covered(intervals: Times[]): number {
  let sum = 0;
  let end = Number.NEGATIVE_INFINITY;
  for (const [from, to] of intervals.toSorted((a, b) => a[0] - b[0])) {
    sum += Math.max(0, to - Math.max(from, end));
    end = Math.max(end, to);
  }
  return sum;
}
