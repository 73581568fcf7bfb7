/**
 * Backup attempts for tasks that straggle (Dean and Ghemawat, MapReduce, 2004, section 3.6): when the last few of a phase are all
 * that is under way, and none of them has ended for much longer than any gap before, each is begun a second time. The first
 * to end wins, the other is cancelled. What makes that safe stands in src/db/backups.ts.
 */
import { CancellationScope, condition, sleep } from '@temporalio/workflow';

/** Begins an attempt at a task, the first or its backup. */
export type Attempt<Result> = (backup: boolean) => Promise<Result>;
/** Runs a task with whatever attempts it takes. */
export type Race = <Result>(attempt: Attempt<Result>) => Promise<Result>;

export interface Phase {
  /** That will be run. */
  tasks: number;
  backups: boolean;
  /** Asked before backups are begun: what to wait for, if anything. */
  gate: () => Promise<void> | undefined;
}

/** Nothing is called a straggler before. */
const PATIENCE_MS_MIN = 5000;
/** How many times as long as the longest gap before. */
const GAP_FACTOR = 3;
/** Of a phase's tasks, the part that may be begun twice. */
const LAST_PART = 0.25;

/** Runs a phase; `work` runs each of its tasks by the race it is given. */
export async function withBackups<T>(phase: Phase, work: (race: Race) => Promise<T>): Promise<T> {
  if (!phase.backups || phase.tasks < 2) return work((attempt) => attempt(false));
  const stragglers = new Stragglers(phase);
  const watching = new CancellationScope();
  watching.run(() => stragglers.watch()).catch(() => {});
  try {
    return await work((attempt) => stragglers.race(attempt));
  } finally {
    watching.cancel();
  }
}

/** Of the phase, in milliseconds: how long nothing must have ended until the rest is called stragglers. */
export function patienceMs(longestGapMs: number): number {
  return Math.max(PATIENCE_MS_MIN, GAP_FACTOR * longestGapMs);
}

/** How many tasks may be left when backups begin. */
export function lastMax(tasks: number): number {
  return Math.max(1, Math.floor(tasks * LAST_PART));
}

class Stragglers {
  readonly #phase: Phase;
  /** Of each task under way without a backup: how to begin one. */
  readonly #unbacked = new Set<() => void>();
  #left: number;
  #endedAt = Date.now();
  #longestGapMs = 0;

  constructor(phase: Phase) {
    this.#phase = phase;
    this.#left = phase.tasks;
  }

  /** Resolves with whichever attempt ends first. A backup that fails is no loss: the first attempt goes on. */
  async race<Result>(attempt: Attempt<Result>): Promise<Result> {
    const scope = new CancellationScope();
    let beginBackup: () => void = () => {};
    try {
      return await new Promise<Result>((resolve, reject) => {
        beginBackup = () => void scope.run(() => attempt(true)).then(resolve, () => {});
        this.#unbacked.add(beginBackup);
        scope.run(() => attempt(false)).then(resolve, reject);
      });
    } finally {
      this.#left--;
      this.#unbacked.delete(beginBackup);
      this.#longestGapMs = Math.max(this.#longestGapMs, Date.now() - this.#endedAt);
      this.#endedAt = Date.now();
      scope.cancel();
    }
  }

  async watch(): Promise<void> {
    const { tasks, gate } = this.#phase;
    // All that is left is under way.
    await condition(() => this.#left <= lastMax(tasks) && this.#left === this.#unbacked.size && this.#left > 0);
    for (;;) {
      const leftMs = this.#endedAt + patienceMs(this.#longestGapMs) - Date.now();
      if (leftMs <= 0) break;
      await sleep(leftMs);
    }
    await gate();
    for (const beginBackup of [...this.#unbacked]) beginBackup();
  }
}
