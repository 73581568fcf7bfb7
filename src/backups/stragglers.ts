/**
 * Backup attempts for slow tasks, on the side of the workflow (Dean and Ghemawat, MapReduce, 2004, section 3.6). Among
 * the last tasks of a phase, each task that has run for much longer than the others took is begun a second time. The
 * attempt that finishes first wins, and the other one is cancelled. attempt.ts explains why that is safe,
 * docs/decisions/0004-backup-attempts.md what it is worth.
 *
 *   slowMs    = max(SLOW_MS_MIN, SLOW_FACTOR × median time of the tasks that have ended)
 *   beganAt   = as reported by a later task that has ended; otherwise when the last task ended
 *   a task gets a backup at beganAt + slowMs, once at most LAST_SHARE of the phase's tasks are left
 */
import { CancellationScope, condition, sleep } from '@temporalio/workflow';

/** Runs an activity that attempts a task; `backup` is true for the second attempt beside the first. */
export type AttemptTask<Result> = (backup: boolean) => Promise<Result>;

/** What the result of an attempt says about times. */
interface Timed {
  /** How long the attempt worked; absent if it found a stored outcome. */
  ms?: number;
  /** Tasks that began before this one and still run. */
  overtaken?: readonly { number: number; ms: number }[];
}

/** Runs a task, known by its number, by one attempt or two. */
export type RunTask = <Result extends Timed>(number: number, attempt: AttemptTask<Result>) => Promise<Result>;

export interface Phase {
  /** How many tasks are still to be run. */
  tasks: number;
  backups: boolean;
  /** Called before backups begin; returns what to wait for, if anything. */
  gate: () => Promise<void> | undefined;
}

/** No task counts as slow before. */
const SLOW_MS_MIN = 1000;
const SLOW_FACTOR = 2;
/** The share of a phase's tasks that may be begun a second time. */
const LAST_SHARE = 0.25;

/** Runs a phase. `work` runs each of its tasks by the function that it receives. */
export async function withBackups<T>(phase: Phase, work: (runTask: RunTask) => Promise<T>): Promise<T> {
  if (!phase.backups || phase.tasks < 2) return work((_number, attempt) => attempt(false));
  const stragglers = new Stragglers(phase);
  const watching = new CancellationScope();
  watching.run(() => stragglers.watch()).catch(() => {});
  try {
    return await work((number, attempt) => stragglers.runTask(number, attempt));
  } finally {
    watching.cancel();
  }
}

/** How long a task may run before it counts as slow, in ms, given how long the tasks that have ended worked. */
export function slowMs(workedMs: readonly number[]): number {
  const sorted = workedMs.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return Math.max(SLOW_MS_MIN, SLOW_FACTOR * median);
}

/** How many tasks may be left when backups begin. */
export function lastMax(tasks: number): number {
  return Math.max(1, Math.floor(tasks * LAST_SHARE));
}

/** A task in flight that has no backup. */
interface TaskInFlight {
  beginBackup: () => void;
  /** When a worker began it, if a task that overtook it has reported that. */
  beganAt?: number;
}

class Stragglers {
  readonly #phase: Phase;
  /** By number. */
  readonly #inFlight = new Map<number, TaskInFlight>();
  #left: number;
  #lastEndedAt = Date.now();
  readonly #workedMs: number[] = [];

  constructor(phase: Phase) {
    this.#phase = phase;
    this.#left = phase.tasks;
  }

  /** Resolves with the result of the attempt that ends first. If a backup fails, the first attempt continues. */
  async runTask<Result extends Timed>(number: number, attempt: AttemptTask<Result>): Promise<Result> {
    const scope = new CancellationScope();
    const task: TaskInFlight = { beginBackup: () => {} };
    let hasBackup = false;
    this.#inFlight.set(number, task);
    try {
      const result = await new Promise<Result>((resolve, reject) => {
        task.beginBackup = () => {
          hasBackup = true;
          scope.run(() => attempt(true)).then(resolve, () => {});
        };
        scope.run(() => attempt(false)).then(resolve, reject);
      });
      this.#learnTimes(result);
      return result;
    } finally {
      this.#left--;
      this.#inFlight.delete(number);
      this.#lastEndedAt = Date.now();
      // Without a backup there is nothing to cancel, and a cancellation costs an error with a stack.
      if (hasBackup) scope.cancel();
    }
  }

  async watch(): Promise<void> {
    const { tasks, gate } = this.#phase;
    // Until few tasks are left and all of them are in flight.
    await condition(() => this.#left <= lastMax(tasks) && this.#left === this.#inFlight.size && this.#left > 0);
    while (this.#inFlight.size > 0) {
      const waitMs = Math.min(...[...this.#inFlight.values()].map((task) => this.#msUntilSlow(task)));
      if (waitMs > 0) await sleep(waitMs, { summary: 'wait until a task counts as slow' });
      await gate();
      for (const [number, task] of [...this.#inFlight]) {
        if (this.#msUntilSlow(task) > 0) continue;
        this.#inFlight.delete(number);
        task.beginBackup();
      }
    }
  }

  #learnTimes({ ms, overtaken = [] }: Timed): void {
    if (ms !== undefined) this.#workedMs.push(ms);
    for (const { number, ms } of overtaken) {
      const task = this.#inFlight.get(number);
      if (task !== undefined) task.beganAt = Date.now() - ms;
    }
  }

  /** A task that no other has overtaken began about when the last one ended, or later. */
  #msUntilSlow(task: TaskInFlight): number {
    return (task.beganAt ?? this.#lastEndedAt) + slowMs(this.#workedMs) - Date.now();
  }
}
