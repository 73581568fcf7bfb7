/** Which activities under way are being retried, as their workers report it by a signal. */
import type { Retry } from '../contract/retries.js';

export class Retries {
  /** Activities under way by name; a backup has the name of the first. */
  readonly #underWay = new Map<string, number>();
  readonly #retries = new Map<string, Retry>();

  begun(activity: string): void {
    this.#underWay.set(activity, (this.#underWay.get(activity) ?? 0) + 1);
  }

  ended(activity: string): void {
    const left = (this.#underWay.get(activity) ?? 1) - 1;
    if (left > 0) this.#underWay.set(activity, left);
    else this.#underWay.delete(activity);
    this.#retries.delete(activity);
  }

  /** A report of an activity that has ended came too late. */
  report(retry: Retry): void {
    if (this.#underWay.has(retry.activity)) this.#retries.set(retry.activity, retry);
  }

  get list(): Retry[] {
    return [...this.#retries.values()];
  }
}
