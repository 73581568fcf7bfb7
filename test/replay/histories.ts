/**
 * The saved histories: their names, and what each must contain. A history that is missing, unexpected or of another
 * shape is an error, for the recorder and for the tests.
 *
 * Record them again (`npm run histories`, half a minute) after an intended change of the workflow. If runs of released
 * code may still be in progress, put the change behind `patched`, and before you record, keep the histories that it
 * affects in KEPT, under other names.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const historiesDir = fileURLToPath(new URL('./histories/', import.meta.url));

/** A history in Temporal's JSON form, with the fields that are used here. */
export interface History {
  events: HistoryEvent[];
}

export interface HistoryEvent {
  eventId: string;
  /** Like EVENT_TYPE_ACTIVITY_TASK_SCHEDULED. */
  eventType: string;
  userMetadata?: { summary?: JsonPayload };
  // biome-ignore lint/suspicious/noExplicitAny: each type of event has attributes of its own
  [attributes: `${string}EventAttributes`]: any;
}

export interface JsonPayload {
  metadata?: Record<string, string>;
  data?: string;
}

/** A summary of a history: what is scheduled, what the run receives, and how it ends. */
export interface Shape {
  ends: 'COMPLETED' | 'FAILED' | 'CANCELED';
  activities: Record<string, number>;
  /** Activities that were asked to stop. */
  cancelled?: number;
  /** Activities whose last recorded attempt was not the first. */
  triedAgain?: number;
  /** Accepted Updates, in this order; all were answered. */
  updates?: readonly string[];
  /** Signals, in this order. */
  signals?: readonly string[];
  /** Timers that fired. */
  timersFired?: number;
  /** The run was reset. */
  reset?: true;
}

const whole = { planRun: 1, mapPartition: 4, reduceShard: 4, recount: 1, publishRun: 1 };
const untilMap = { planRun: 1, mapPartition: 4, discardRun: 1 };
const untilReduce = { planRun: 1, mapPartition: 4, reduceShard: 4, recount: 1, discardRun: 1 };
const mapRestarts = {
  ends: 'COMPLETED',
  activities: { ...whole, mapPartition: 8, reduceShard: 2 },
  updates: ['pause', 'resume'],
} as const;
const withBackup = { ...whole, mapPartition: 5 };

/** The histories by name, in the order of recording. The name of a history is the workflow id of its run. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  'finished-empty': { ends: 'COMPLETED', activities: { planRun: 1, publishRun: 1 } },
  small: { ends: 'COMPLETED', activities: { planRun: 1 } },
  finished: { ends: 'COMPLETED', activities: whole },
  'finished-carried-in': { ends: 'COMPLETED', activities: whole },
  skipped: { ends: 'COMPLETED', activities: { planRun: 1 } },
  'cancelled-in-plan': { ends: 'CANCELED', activities: { planRun: 1, discardRun: 1 }, cancelled: 1 },
  'cancelled-in-map': { ends: 'CANCELED', activities: untilMap, cancelled: 4 },
  'cancelled-in-reduce': { ends: 'CANCELED', activities: untilReduce, cancelled: 4 },
  'cancelled-while-paused': { ends: 'CANCELED', activities: untilMap, updates: ['pause'] },
  'cancelled-too-late': { ends: 'COMPLETED', activities: whole },
  'given-up-at-start': { ends: 'COMPLETED', activities: { discardRun: 1 }, updates: ['cancel'] },
  'given-up-in-map': { ends: 'COMPLETED', activities: untilMap, cancelled: 4, updates: ['cancel'] },
  paused: { ends: 'COMPLETED', activities: whole, updates: ['pause', 'resume', 'pause', 'resume'] },
  'map-restarted': { ...mapRestarts, timersFired: 1 },
  'failed-by-input': { ends: 'FAILED', activities: {} },
  'failed-in-plan': { ends: 'FAILED', activities: { planRun: 1, discardRun: 1 } },
  'failed-in-map': { ends: 'FAILED', activities: untilMap, cancelled: 3 },
  quarantined: { ends: 'COMPLETED', activities: whole },
  'failed-in-publish': { ends: 'FAILED', activities: { ...whole, discardRun: 1 } },
  'failed-after-publish': { ends: 'COMPLETED', activities: { ...whole, discardRun: 1 } },
  'held-and-discarded': { ends: 'FAILED', activities: untilMap, timersFired: 1 },
  'held-and-given-up': { ends: 'COMPLETED', activities: untilMap, updates: ['cancel'] },
  'held-and-cancelled': { ends: 'CANCELED', activities: untilMap },
  'held-and-retried': { ends: 'COMPLETED', activities: { ...whole, mapPartition: 5 }, updates: ['retry'] },
  'backup-won': { ends: 'COMPLETED', activities: withBackup, cancelled: 1, timersFired: 1 },
  'backup-lost': { ends: 'COMPLETED', activities: withBackup, cancelled: 1, timersFired: 1 },
  'tried-again': { ends: 'COMPLETED', activities: whole, triedAgain: 4 },
  'tried-again-and-reported': { ends: 'COMPLETED', activities: whole, triedAgain: 1, signals: ['retrying'] },
  reset: { ends: 'COMPLETED', activities: whole, reset: true },
  'reset-when-published': { ends: 'COMPLETED', activities: { planRun: 1 }, reset: true },
  'reset-when-failed': { ends: 'COMPLETED', activities: whole, reset: true },
};

/** Histories of earlier code, which the recorder can no longer make. */
const KEPT: Readonly<Record<string, Shape>> = {};

export const ALL: Readonly<Record<string, Shape>> = { ...SHAPES, ...KEPT };

/** Reads all histories of a folder, in the order of ALL. Throws if one is missing or unexpected. */
export function readHistories(dir: string = historiesDir): Map<string, History> {
  const files = readdirSync(dir).filter((file) => file.endsWith('.json'));
  const found = new Set(files.map((file) => basename(file, '.json')));
  checkNames(found, ALL);
  return new Map(
    Object.keys(ALL).map((name) => [name, JSON.parse(readFileSync(join(dir, `${name}.json`), 'utf8')) as History]),
  );
}

export function checkNames(found: ReadonlySet<string>, expected: Readonly<Record<string, Shape>>): void {
  const missing = Object.keys(expected).filter((name) => !found.has(name));
  const unexpected = [...found].filter((name) => !(name in expected));
  if (missing.length > 0) throw new Error(`histories are missing: ${missing.join(', ')}`);
  if (unexpected.length > 0) throw new Error(`unexpected histories: ${unexpected.join(', ')}`);
}

/** The shape of a history. */
export function shapeOf({ events }: History): Shape {
  const all = (type: string) => events.filter(({ eventType }) => eventType === `EVENT_TYPE_${type}`);
  const activities: Record<string, number> = {};
  for (const event of all('ACTIVITY_TASK_SCHEDULED')) {
    const type: string = event.activityTaskScheduledEventAttributes.activityType.name;
    activities[type] = (activities[type] ?? 0) + 1;
  }
  const cancelled = all('ACTIVITY_TASK_CANCEL_REQUESTED').length;
  const started = all('ACTIVITY_TASK_STARTED').map((event) => event.activityTaskStartedEventAttributes);
  const triedAgain = started.filter(({ attempt }) => attempt > 1).length;
  const updates = all('WORKFLOW_EXECUTION_UPDATE_ACCEPTED').map(
    (event): string => event.workflowExecutionUpdateAcceptedEventAttributes.acceptedRequest.input.name,
  );
  const signals = all('WORKFLOW_EXECUTION_SIGNALED').map(
    (event): string => event.workflowExecutionSignaledEventAttributes.signalName,
  );
  const unanswered = updates.length - all('WORKFLOW_EXECUTION_UPDATE_COMPLETED').length;
  if (unanswered !== 0) throw new Error(`${unanswered} accepted Updates are not answered`);
  const timersFired = all('TIMER_FIRED').length;
  const reset = all('WORKFLOW_TASK_FAILED').some(
    (event) => event.workflowTaskFailedEventAttributes.cause === 'WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW',
  );
  return {
    ends: events.at(-1)?.eventType.replace('EVENT_TYPE_WORKFLOW_EXECUTION_', '') as Shape['ends'],
    activities,
    ...(cancelled === 0 ? {} : { cancelled }),
    ...(triedAgain === 0 ? {} : { triedAgain }),
    ...(updates.length === 0 ? {} : { updates }),
    ...(signals.length === 0 ? {} : { signals }),
    ...(timersFired === 0 ? {} : { timersFired }),
    ...(reset ? { reset } : {}),
  };
}
