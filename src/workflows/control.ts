/**
 * What an operator may do to a run: pause, resume, cancel, retry. Each is an Update: its validator refuses what makes no sense
 * now, and says why; it answers with the progress once it has taken effect.
 *
 *   working ⇄ paused          publishing, and what comes after, can't be stopped any more
 *      │ failed, if it is to be held
 *      ▼
 *   failed ──retry──► working
 *      │ cancel, or nobody came
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

  /** True once the run is to be given up because an operator said so. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** Runs what `cancel` stops; it may have come before anything was begun. */
  work<T>(work: () => Promise<T>): Promise<T> {
    this.#work = new CancellationScope();
    if (this.#cancelled) this.#work.cancel();
    return this.#work.run(work);
  }

  /** Stops what is left of the work. */
  stop(): void {
    this.#work.cancel();
  }

  /** What to wait for before anything new is begun: nothing, but while the run is paused. */
  readonly gate = (): Promise<void> | undefined => (this.#progress.now.paused ? this.#resumed() : undefined);

  /** Holds a failed run; true if it is to be tried again. */
  async hold(reason: string, seconds: number): Promise<boolean> {
    this.#retried = false;
    this.#progress.failed(reason);
    await condition(() => this.#retried || this.#cancelled, seconds * 1000);
    return this.#retried && !this.#cancelled;
  }

  /** The run has ended, whichever way: who has asked for it is answered. */
  ended(): void {
    this.#over = true;
    this.#progress.now.paused = false;
  }

  /** Looks again when it is awake: a pause that came together with the resume still holds. */
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
    if (paused) throw new Error(`${this.#name} is paused already`);
    this.#expectPhase(['planning', 'mapping', 'reducing'], 'it can be paused while it plans, maps or reduces');
  }

  #mayResume(): void {
    if (!this.#progress.now.paused) throw new Error(`${this.#name} is not paused`);
  }

  #mayCancel(): void {
    const { phase } = this.#progress.now;
    if (phase === 'published') throw new Error(`${this.#name} is already published: its bills stand`);
    if (phase === 'publishing') throw new Error(`${this.#name} is being published: it is too late to cancel it`);
    this.#expectPhase(['planning', 'mapping', 'reducing', 'failed'], 'there is nothing to cancel');
    if (this.#cancelled) throw new Error(`${this.#name} is being cancelled already`);
  }

  #mayRetry(): void {
    this.#expectPhase(['failed'], 'only a failed run is tried again');
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

/** Waits also in a workflow that is cancelled: an Update that was taken is answered by what became of the run. */
function until(met: () => boolean): Promise<void> {
  return CancellationScope.nonCancellable(() => condition(met));
}
