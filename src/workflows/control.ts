/**
 * What an operator may do to a run: pause, resume, cancel, retry. Each is an Update. Its validator refuses what the
 * run's phase does not allow, and says why. It returns the progress once it has taken effect.
 *
 *   working ⇄ paused          from publishing on, a run can no longer be stopped
 *      │ failed, if the run is to be held
 *      ▼
 *   failed ──retry──► working
 *      │ cancel, or the time to hold it is over
 *      ▼
 *   discarded
 */
import { CancellationScope, condition, setHandler } from '@temporalio/workflow';
import { cancelUpdate, pauseUpdate, resumeUpdate, retryUpdate } from '../contract/billing-run.js';
import type { Progress } from './progress.js';

export class Control {
  readonly #progress: Progress;
  #work = new CancellationScope();
  #cancelled = false;
  #retried = false;
  #over = false;

  constructor(progress: Progress) {
    this.#progress = progress;
    setHandler(pauseUpdate, () => this.#pause(true), { validator: () => this.#mayPause() });
    setHandler(resumeUpdate, () => this.#pause(false), { validator: () => this.#mayResume() });
    setHandler(
      retryUpdate,
      async () => {
        this.#retried = true;
        await until(() => this.#progress.now.phase !== 'failed');
        return progress.now;
      },
      { validator: () => this.#mayRetry() },
    );
    setHandler(
      cancelUpdate,
      async () => {
        this.#cancelled = true;
        this.#work.cancel();
        await until(() => this.#over);
        return progress.now;
      },
      { validator: () => this.#mayCancel() },
    );
  }

  /** True once an operator has cancelled the run. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** Runs the work that `cancel` stops. If the Update came earlier, the work is cancelled from the start. */
  work<T>(work: () => Promise<T>): Promise<T> {
    this.#work = new CancellationScope();
    if (this.#cancelled) this.#work.cancel();
    return this.#work.run(work);
  }

  /** Cancels the work's activities that are still in flight. */
  stop(): void {
    this.#work.cancel();
  }

  /** While the run is paused, returns what to wait for before a new activity is begun. */
  readonly gate = (): Promise<void> | undefined => (this.#progress.now.paused ? this.#resumed() : undefined);

  /** Holds a failed run for at most `seconds`; returns true if an operator retries it. */
  async hold(reason: string, seconds: number): Promise<boolean> {
    this.#retried = false;
    this.#progress.failed(reason);
    await condition(() => this.#retried || this.#cancelled, seconds * 1000);
    return this.#retried && !this.#cancelled;
  }

  /** Called when the run has ended: pending Updates are answered. */
  ended(): void {
    this.#over = true;
    this.#progress.now.paused = false;
  }

  /** Checks again after each resume, because another pause may have come with it. */
  async #resumed(): Promise<void> {
    const { now } = this.#progress;
    while (now.paused) await condition(() => !now.paused);
  }

  async #pause(paused: boolean) {
    this.#progress.paused(paused);
    return this.#progress.now;
  }

  #mayPause(): void {
    const { paused } = this.#progress.now;
    if (paused) throw new Error(`${this.#name} is already paused`);
    this.#expectPhase(['planning', 'mapping', 'reducing'], 'a run can be paused while it plans, maps or reduces');
  }

  #mayResume(): void {
    if (!this.#progress.now.paused) throw new Error(`${this.#name} is not paused`);
  }

  #mayCancel(): void {
    const { phase } = this.#progress.now;
    if (phase === 'published') throw new Error(`${this.#name} is already published: its bills stand`);
    if (phase === 'publishing') throw new Error(`${this.#name} is being published: it is too late to cancel it`);
    this.#expectPhase(['planning', 'mapping', 'reducing', 'failed'], 'there is nothing to cancel');
    if (this.#cancelled) throw new Error(`${this.#name} is already being cancelled`);
  }

  #mayRetry(): void {
    this.#expectPhase(['failed'], 'only a failed run can be retried');
  }

  #expectPhase(phases: string[], otherwise: string): void {
    const { phase } = this.#progress.now;
    if (!phases.includes(phase)) throw new Error(`${this.#name} is ${phase}: ${otherwise}`);
  }

  get #name(): string {
    const { runId } = this.#progress.now;
    return runId === undefined ? 'the run' : `run ${runId}`;
  }
}

/** Waits also if the workflow is cancelled: an Update that was accepted must be answered. */
function until(met: () => boolean): Promise<void> {
  return CancellationScope.nonCancellable(() => condition(met));
}
