/** Retries of activities: what a worker reports to the run's workflow, and what the workflow's Query shows. */

/** The workflow's signal that takes a Retry. */
export const RETRY_SIGNAL = 'retrying';

/** A failed attempt at an activity that Temporal tries again. Times are ISO 8601 in UTC. */
export interface Retry {
  /** "plan", "map 3", "publish" */
  activity: string;
  /** The attempt that failed, counted from 1. */
  attempt: number;
  /** Why, in one sentence. */
  message: string;
  failedAt: string;
  nextAttemptAt: string;
}

const MESSAGE_MAX = 400;

const NAMES: Readonly<Record<string, string>> = {
  planRun: 'plan',
  mapPartition: 'map',
  reduceShard: 'reduce',
  publishRun: 'publish',
  discardRun: 'discard',
};

/** What people call an activity, by its type in Temporal and the number of its task. */
export function activityName(type: string, number?: number): string {
  const name = NAMES[type] ?? type;
  return number === undefined || name === 'recount' ? name : `${name} ${number}`;
}

/**
 * Whether a failed attempt is reported to the workflow: the second, and each whose number is a power of two. A signal is four events of the
 * history at most, and a run of 12 hours tries an activity 4,300 times: 12 reports.
 */
export function isReported(attempt: number): boolean {
  return attempt >= 2 && Number.isInteger(Math.log2(attempt));
}

/** A message as one line of bounded length. */
export function oneLine(message: string): string {
  const line = message.replaceAll(/\s+/g, ' ').trim();
  return line.length <= MESSAGE_MAX ? line : `${line.slice(0, MESSAGE_MAX - 2)} …`;
}
