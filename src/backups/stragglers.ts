/**
 * Backup attempts for tasks that straggle (Dean and Ghemawat, MapReduce, 2004, section 3.6): of the last few tasks of a phase, each
 * that has been worked on for much longer than the others took is begun a second time. The first attempt to end wins, the other
 * is cancelled. What makes that safe stands in attempt.ts, what it is worth in docs/decisions/0004-backup-attempts.md.
 */
import { CancellationScope, condition, sleep } from '@temporalio/workflow';

/** Begins an attempt at a task, the first or its backup. */
export type Attempt<Result> = (backup: boolean) => Promise<Result>;
/** What an attempt tells: how long it worked, if it did and did not find the task done, and what it has overtaken. */
interface Timed {
  ms?: number;
  overtaken?: readonly { number: number; ms: number }[];
}
/** Runs a task, known by its number, with whatever attempts it takes. */
export type Race = <Result extends Timed>(number: number, attempt: Attempt<Result>) => Promise<Result>;

export interface Phase {
  /** That will be run. */
  tasks: number;
  backups: boolean;
  /** Asked before backups are begun: what to wait for, if anything. */
  gate: () => Promise<void> | undefined;
}

/** Nothing is called a straggler before. */
const PATIENCE_MS_MIN = 1000;
/** How many times as long as the median of the tasks that have ended. */
const MEDIAN_FACTOR = 2;
/** Of a phase's tasks, the part that may be begun twice. */
const LAST_PART = 0.25;

/** Marks a backup in its input; absent otherwise, to keep the inputs that people look at short. */
export function twin(backup: boolean): { backup?: true } {
  return backup ? { backup } : {};
}

/** Runs a phase; `work` runs each of its tasks by the race it is given. */
export async function withBackups<T>(phase: Phase, work: (race: Race) => Promise<T>): Promise<T> {
  if (!phase.backups || phase.tasks < 2) return work((_number, attempt) => attempt(false));
  const stragglers = new Stragglers(phase);
  const watching = new CancellationScope();
  watching.run(() => stragglers.watch()).catch(() => {});
  try {
    return await work((number, attempt) => stragglers.race(number, attempt));
  } finally {
    watching.cancel();
  }
}

/** How long a task is worked on until it is called a straggler, by how long those that have ended were. */
export function patienceMs(workedMs: readonly number[]): number {
  const sorted = workedMs.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return Math.max(PATIENCE_MS_MIN, MEDIAN_FACTOR * median);
}

/** How many tasks may be left when backups begin. */
export function lastMax(tasks: number): number {
  return Math.max(1, Math.floor(tasks * LAST_PART));
}

/** A task under way without a backup. */
interface Unbacked {
  beginBackup: () => void;
  /** When somebody began to work on it, if a later one has told. */
  begunAt?: number;
}

class Stragglers {
  readonly #phase: Phase;
  /** By number. */
  readonly #unbacked = new Map<number, Unbacked>();
  #left: number;
  #endedAt = Date.now();
  /** Of each task that has ended. */
  readonly #workedMs: number[] = [];

  constructor(phase: Phase) {
    this.#phase = phase;
    this.#left = phase.tasks;
  }

  /** Resolves with whichever attempt ends first. A backup that fails is no loss: the first attempt goes on. */
  async race<Result extends Timed>(number: number, attempt: Attempt<Result>): Promise<Result> {
    const scope = new CancellationScope();
    const task: Unbacked = { beginBackup: () => {} };
    let backedUp = false;
    this.#unbacked.set(number, task);
    try {
      const result = await new Promise<Result>((resolve, reject) => {
        task.beginBackup = () => {
          backedUp = true;
          scope.run(() => attempt(true)).then(resolve, () => {});
        };
        scope.run(() => attempt(false)).then(resolve, reject);
      });
      this.#learn(result);
      return result;
    } finally {
      this.#left--;
      this.#unbacked.delete(number);
      this.#endedAt = Date.now();
      // Only then is there anything left to cancel; a cancellation is an error with a stack, which takes its time.
      if (backedUp) scope.cancel();
    }
  }

  async watch(): Promise<void> {
    const { tasks, gate } = this.#phase;
    // All that is left is under way.
    await condition(() => this.#left <= lastMax(tasks) && this.#left === this.#unbacked.size && this.#left > 0);
    while (this.#unbacked.size > 0) {
      const waitMs = Math.min(...[...this.#unbacked.values()].map((task) => this.#waitMs(task)));
      if (waitMs > 0) await sleep(waitMs, { summary: 'wait until a task counts as slow' });
      await gate();
      for (const [number, task] of [...this.#unbacked]) {
        if (this.#waitMs(task) > 0) continue;
        this.#unbacked.delete(number);
        task.beginBackup();
      }
    }
  }

  #learn({ ms, overtaken = [] }: Timed): void {
    if (ms !== undefined) this.#workedMs.push(ms);
    for (const { number, ms } of overtaken) {
      const task = this.#unbacked.get(number);
      if (task !== undefined) task.begunAt = Date.now() - ms;
    }
  }

  /** Until it is a straggler. One that nobody has overtaken was begun about when the last one ended, if not after that. */
  #waitMs(task: Unbacked): number {
    return (task.begunAt ?? this.#endedAt) + patienceMs(this.#workedMs) - Date.now();
  }
}
