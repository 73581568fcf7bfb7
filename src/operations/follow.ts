/**
 * Follows a run until its workflow ends.
 *
 * Two pollers run side by side, because a Query without a worker to answer it blocks for seconds, and that is when the
 * stalls are wanted:
 *
 *   every 200 ms          ask the workflow for its progress
 *   every second, after   ask Temporal why the run makes no progress
 *   the first
 *
 * A consumer that is slow receives the newest state only; nothing is queued for it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import {
  type BillingRunProgress,
  type BillingRunResult,
  type BillingRunWorkflow,
  progressQuery,
} from '../contract/billing-run.js';
import { readStalls, type Stall } from '../temporal/stalls.js';
import { RunFailedError } from './errors.js';

const PROGRESS_MS = 200;
const STALLS_MS = 1000;

export interface RunUpdate {
  type: 'update';
  /** Undefined until a worker has answered. */
  progress: BillingRunProgress | undefined;
  stalls: readonly Stall[];
}

export interface RunEnded {
  type: 'ended';
  result: BillingRunResult;
  /** From the start to the end of the workflow, by Temporal's clock. */
  seconds: number;
}

type FollowedHandle = WorkflowHandle<BillingRunWorkflow>;

/**
 * Yields updates, and at last the result. Throws RunFailedError. Ending the iteration early stops the polling, not the
 * run.
 */
export async function* followRun(handle: FollowedHandle): AsyncGenerator<RunUpdate | RunEnded, void> {
  const pollers = new Pollers(handle);
  const watching = new AbortController();
  const ended = handle.client.withAbortSignal(watching.signal, () => handle.result());
  const over = ended.then(
    () => true,
    () => true,
  );
  try {
    pollers.start();
    while (!(await Promise.race([over, pollers.polled()]))) yield pollers.latest;
    const result = await ended;
    const { startTime, closeTime } = await handle.describe();
    yield { type: 'ended', result, seconds: ((closeTime?.getTime() ?? 0) - startTime.getTime()) / 1000 };
  } catch (error) {
    throw runFailure(error as Error, handle.workflowId);
  } finally {
    pollers.stop();
    watching.abort();
  }
}

class Pollers {
  readonly #handle: FollowedHandle;
  readonly #stopping = new AbortController();
  #progress: BillingRunProgress | undefined;
  #stalls: readonly Stall[] = [];
  #announce = (_over: false) => {};
  #polled: Promise<false> = this.#nextPoll();

  constructor(handle: FollowedHandle) {
    this.#handle = handle;
  }

  get latest(): RunUpdate {
    return { type: 'update', progress: this.#progress, stalls: this.#stalls };
  }

  start(): void {
    void this.#poll(PROGRESS_MS, 0, async () => {
      // Without a worker the Query fails; the stalls say why.
      this.#progress = await this.#handle.query(progressQuery).catch(() => undefined);
    });
    void this.#poll(STALLS_MS, STALLS_MS, async () => {
      this.#stalls = await readStalls(this.#handle.client, this.#handle.workflowId).catch(() => []);
    });
  }

  /** Resolves to false after the next poll that no earlier call has reported. */
  async polled(): Promise<false> {
    const over = await this.#polled;
    this.#polled = this.#nextPoll();
    return over;
  }

  stop(): void {
    this.#stopping.abort();
  }

  #nextPoll(): Promise<false> {
    return new Promise((resolve) => {
      this.#announce = resolve;
    });
  }

  async #poll(everyMs: number, firstMs: number, look: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    try {
      await sleep(firstMs, undefined, { signal });
      while (!signal.aborted) {
        await look();
        this.#announce(false);
        await sleep(everyMs, undefined, { signal });
      }
    } catch {
      // The pause was ended by stop().
    }
  }
}

/** The innermost message says what went wrong; those around it only say that an activity or a workflow failed. */
function runFailure(error: Error, workflowId: string): Error {
  if (error.name !== 'WorkflowFailedError') return error;
  let reason = error.cause instanceof Error ? error.cause : error;
  while (reason.cause instanceof Error && reason.constructor.name !== 'ApplicationFailure') reason = reason.cause;
  return new RunFailedError(
    `The run failed: ${reason.message}. Nothing of it was published. (workflow ${workflowId})`,
    {
      cause: error,
    },
  );
}
