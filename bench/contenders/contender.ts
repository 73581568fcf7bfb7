/** The interface of the contenders that bill the same log. */

import type { Setting } from './settings.js';

export interface Contender {
  /** For tables and plots. */
  readonly title: string;
  /** What it reads and writes, as a phrase that follows the title. */
  readonly does: string;
  /** Deletes its results, so that each job starts without any. */
  clear(): Promise<void>;
  /** The settings to try; the fastest is measured. */
  readonly settings: readonly Setting[];
  /** Runs one whole job, timed by the clock that is fairest to it. The server has been configured for `setting`. */
  run(setting: Setting): Promise<Job>;
  /** Its own processes, by role. PostgreSQL's processes are measured for all contenders. */
  processes(): Record<string, number[]>;
  close?(): Promise<void>;
}

export interface Job {
  seconds: number;
  /** Seconds of parts of the job, by name; their medians are reported. */
  parts?: Record<string, number>;
}

/** A contender, or the reason why it cannot run on this machine. */
export type Entrant = Contender | { title: string; missing: string };
