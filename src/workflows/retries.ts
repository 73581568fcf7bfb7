/** The activities in flight that are being retried, as workers report them by a signal. */
import type { Retry } from '../contract/retries.js';

export class Retries {
  /** How many activities of each name are in flight. A backup has the name of its task. */
  readonly #inFlight = new Map<string, number>();
  readonly #retries = new Map<string, Retry>();

  begun(activity: string): void {
    this.#inFlight.set(activity, (this.#inFlight.get(activity) ?? 0) + 1);
  }

  ended(activity: string): void {
    const left = (this.#inFlight.get(activity) ?? 1) - 1;
    if (left > 0) this.#inFlight.set(activity, left);
    else this.#inFlight.delete(activity);
    this.#retries.delete(activity);
  }

  /** Ignores the report if the activity has ended: signals may arrive late. */
  report(retry: Retry): void {
    if (this.#inFlight.has(retry.activity)) this.#retries.set(retry.activity, retry);
  }

  get list(): Retry[] {
    return [...this.#retries.values()];
  }
}
