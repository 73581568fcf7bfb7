/** Retries of activities, as a worker reports them to the run's workflow, and as the workflow's Query shows them. */

/** The name of the signal that carries a Retry. */
export const RETRY_SIGNAL = 'retrying';

/** A failed attempt at an activity that Temporal will retry. Times are ISO 8601 in UTC. */
export interface Retry {
  /** "plan", "map 3", "publish" */
  activity: string;
  /** The failed attempt, counted from 1. */
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

/** The name of an activity on screen, from its type in Temporal and the number of its task: "map 3". */
export function activityName(type: string, number?: number): string {
  const name = NAMES[type] ?? type;
  return number === undefined || name === 'recount' ? name : `${name} ${number}`;
}

/**
 * True if the failed attempt is reported to the workflow: attempts 2, 4, 8, 16 and so on. A signal adds up to four
 * events to the history. In 12 hours an activity can have 4,300 attempts, which are 12 reports.
 */
export function isReported(attempt: number): boolean {
  return attempt >= 2 && Number.isInteger(Math.log2(attempt));
}

/** The message as one line of at most MESSAGE_MAX characters. */
export function oneLine(message: string): string {
  const line = message.replaceAll(/\s+/g, ' ').trim();
  return line.length <= MESSAGE_MAX ? line : `${line.slice(0, MESSAGE_MAX - 2)} …`;
}
