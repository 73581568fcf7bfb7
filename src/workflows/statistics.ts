/** Who did what in a run. Tries are told by the outcomes: each says at which attempt, and on which worker, it came about. */
import type { WorkerShare } from './messages.js';

export class RunStatistics {
  #scheduled = 0;
  #retried = 0;
  readonly #workers = new Map<string, { activities: number; calls: bigint }>();

  /** Counts an activity, and the calls that its worker has read from the log for it. */
  add({ worker, attempt }: { worker: string; attempt: number }, callsMapped = '0'): void {
    this.#scheduled++;
    this.#retried += attempt - 1;
    const share = this.#workers.get(worker) ?? { activities: 0, calls: 0n };
    share.activities++;
    share.calls += BigInt(callsMapped);
    this.#workers.set(worker, share);
  }

  /** Of the run up to its publication; every one scheduled has completed when this is asked. */
  activities(): { scheduled: number; completed: number; retried: number } {
    return { scheduled: this.#scheduled, completed: this.#scheduled, retried: this.#retried };
  }

  workers(): WorkerShare[] {
    return [...this.#workers]
      .map(([worker, { activities, calls }]) => ({ worker, activities, calls: String(calls) }))
      .sort((a, b) => (a.worker < b.worker ? -1 : 1));
  }
}
