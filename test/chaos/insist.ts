import { setTimeout as delay } from 'node:timers/promises';

const AGAIN_MS = 4000;
const TRIES_MAX = 10;

/** The point was not reached, or the fault could not be injected. The system is undisturbed. */
export class NotReachedError extends Error {
  override name = 'NotReachedError';
}

/**
 * Starts runs repeatedly until `wait` resolves. A single start may not be enough: of several runs only one bills, and
 * it may find nothing to bill.
 */
export async function insist<T>(start: () => Promise<void>, wait: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const givingUp = new AbortController();
  const waited = wait(givingUp.signal);
  waited.catch(() => {});
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    await start();
    const timer = new AbortController();
    const over = await Promise.race([
      waited.then(() => true),
      delay(AGAIN_MS, false, { signal: timer.signal }).catch(() => false),
    ]);
    timer.abort();
    if (over) return waited;
  }
  givingUp.abort(new NotReachedError(`not reached after ${TRIES_MAX} starts of runs`));
  return waited;
}
