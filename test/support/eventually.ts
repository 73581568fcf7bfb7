/** Waits for conditions, with a limit, instead of sleeping. */
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 25;
const WAIT_MS = 45_000;

/**
 * Calls `probe` until it returns a truthy value, and returns that value. After a limit it throws an error that names
 * `what`.
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  waitMs = WAIT_MS,
): Promise<T> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const answer = await probe();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${waitMs / 1000} s in vain: ${what}`);
    await delay(POLL_MS);
  }
}
