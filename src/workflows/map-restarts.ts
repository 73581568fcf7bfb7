/**
 * Restarts of map: PostgreSQL empties unlogged tables when it starts after a crash, so a run whose segments are lost
 * maps again. If reduce itself crashes the server, this must not repeat forever: restarts have a limit and a growing
 * delay.
 *
 *   restart        1    2    3    4     5     6
 *   delay          1 s  2 s  4 s  8 s  16 s   the run fails
 */
import { ApplicationFailure, sleep } from '@temporalio/workflow';

const RESTARTS_MAX = 5;
const FIRST_DELAY_MS = 1000;

export class MapRestarts {
  #restarts = 0;

  /**
   * Waits before the next restart. `loss` says what was lost. Throws an ApplicationFailure MapRestartsExceeded after
   * RESTARTS_MAX restarts.
   */
  async next(loss: string): Promise<void> {
    if (this.#restarts === RESTARTS_MAX) {
      throw ApplicationFailure.nonRetryable(
        `map was restarted ${RESTARTS_MAX} times, and ${loss}: find in PostgreSQL's log why it does not keep running, then bill again`,
        'MapRestartsExceeded',
      );
    }
    this.#restarts++;
    await sleep(FIRST_DELAY_MS * 2 ** (this.#restarts - 1), { summary: 'wait before map restarts' });
  }

  /** Called when an operator retries the run, after fixing the cause. */
  reset(): void {
    this.#restarts = 0;
  }
}
