/** Who did what in a run. Tries are told by the outcomes: each says at which attempt, and on which worker, it came about. */
import type { Activities, WorkerShare } from '../contract/billing-run.js';

interface Done {
  worker: string;
  attempt: number;
}

/** Learns which activities are under way, by name. */
interface Watch {
  begun(activity: string): void;
  ended(activity: string): void;
}

export class RunStatistics {
  readonly #watch: Watch;
  #scheduled = 0;
  #completed = 0;
  #backups = 0;
  /** By what was done: a task that was tried twice is one worker's. */
  readonly #done = new Map<string, Done & { calls: bigint }>();

  constructor(watch: Watch) {
    this.#watch = watch;
  }

  /** Counts an activity, before and after; `calls` are those that its worker has read from the log for it. */
  async count<Result>(
    what: string,
    activity: () => Promise<Result>,
    outcome: (result: Result) => Done & { calls?: string; segmentsLost?: string },
    backup = false,
  ): Promise<Result> {
    this.#scheduled++;
    if (backup) this.#backups++;
    this.#watch.begun(what);
    let result: Result;
    try {
      result = await activity();
    } finally {
      this.#watch.ended(what);
    }
    this.#completed++;
    const { worker, attempt, calls = '0', segmentsLost } = outcome(result);
    // It will be done again, which must not hide the tries of this time.
    const done = segmentsLost === undefined ? what : `${what}, lost when ${this.#completed} were completed`;
    this.#done.set(done, { worker, attempt, calls: BigInt(calls) });
    return result;
  }

  activities(): Activities {
    const retried = [...this.#done.values()].reduce((sum, { attempt }) => sum + attempt - 1, 0);
    return { scheduled: this.#scheduled, completed: this.#completed, retried, backups: this.#backups };
  }

  workers(): WorkerShare[] {
    const shares = new Map<string, { activities: number; calls: bigint }>();
    for (const { worker, calls } of this.#done.values()) {
      const share = shares.get(worker) ?? { activities: 0, calls: 0n };
      shares.set(worker, { activities: share.activities + 1, calls: share.calls + calls });
    }
    return [...shares]
      .map(([worker, { activities, calls }]) => ({ worker, activities, calls: String(calls) }))
      .sort((a, b) => (a.worker < b.worker ? -1 : 1));
  }
}
