/**
 * Restarts of map: PostgreSQL empties unlogged tables when it starts after a crash, so a run whose segments are lost maps again. A reduce
 * that crashes the server must not loop: restarts have a bound and a growing delay.
 *
 *   restart        1    2    3    4     5     6
 *   delay          1 s  2 s  4 s  8 s  16 s   the run fails
 */
import { ApplicationFailure, sleep } from '@temporalio/workflow';

const RESTARTS_MAX = 5;
const FIRST_DELAY_MS = 1000;

export class MapRestarts {
  #restarts = 0;

  /** Waits before the next restart; `loss` says what was lost. Throws ApplicationFailure, type MapRestartsExceeded, after RESTARTS_MAX. */
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

  /** An operator has fixed the cause, and retries the run. */
  reset(): void {
    this.#restarts = 0;
  }
}
