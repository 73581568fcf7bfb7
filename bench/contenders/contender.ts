/** Who bills the same log side by side, and what each of them is measured by. */

import type { Setting } from './settings.js';

export interface Contender {
  /** For tables and plots. */
  readonly title: string;
  /** What it reads, and what it leaves behind. */
  readonly does: string;
  /** Forgets what it has written, so that each of its jobs begins with nothing. */
  clear(): Promise<void>;
  /** Those that it is tried with; the fastest is measured. */
  readonly settings: readonly Setting[];
  /** One whole job, by the clock that is fairest to it. The server is set as `setting` says. */
  run(setting: Setting): Promise<Job>;
  /** Its own processes, by the part that they play; PostgreSQL's are counted for everybody. */
  processes(): Record<string, number[]>;
  close?(): Promise<void>;
}

export interface Job {
  seconds: number;
  /** Whatever else it tells of itself, by name; medians of it are reported. */
  parts?: Record<string, number>;
}

/** A contender, or why it can't take part here. */
export type Entrant = Contender | { title: string; missing: string };
