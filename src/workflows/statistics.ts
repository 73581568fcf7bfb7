/**
 * Which worker did what in a run, counted from the results of activities: each says on which worker and at which
 * attempt it was completed.
 */
import type { DoneBy } from '../contract/activities.js';
import type { Activities, WorkerShare } from '../contract/billing-run.js';

/** Is notified of the activities that are in flight, by name. */
interface Observer {
  begun(activity: string): void;
  ended(activity: string): void;
}

/** An activity as it is counted. */
export interface Counted<Result> {
  /** "map 3". A backup has the name of the task. */
  name: string;
  backup?: boolean;
  /** How many calls the worker read from the log for it; none if absent. */
  callsIn?: ((result: Result) => string) | undefined;
}

export class RunStatistics {
  readonly #observer: Observer;
  #scheduled = 0;
  #completed = 0;
  #backups = 0;
  /** The last result of each activity by name: a task that was done twice counts for one worker. */
  readonly #done = new Map<string, DoneBy & { calls: bigint }>();

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  /** Runs an activity and counts it. */
  async count<Result extends DoneBy & { segmentsLost?: string }>(
    { name, backup = false, callsIn = () => '0' }: Counted<Result>,
    activity: () => Promise<Result>,
  ): Promise<Result> {
    this.#scheduled++;
    if (backup) this.#backups++;
    this.#observer.begun(name);
    let result: Result;
    try {
      result = await activity();
    } finally {
      this.#observer.ended(name);
    }
    this.#completed++;
    const { worker, attempt, segmentsLost } = result;
    // A reduce that found no segments is done again under the same name. Its attempts must still be counted.
    const key = segmentsLost === undefined ? name : `${name}, lost when ${this.#completed} were completed`;
    this.#done.set(key, { worker, attempt, calls: BigInt(callsIn(result)) });
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
