/**
 * A worker's slots for activities. Those that it polls for are bounded: map, reduce and recount, which have a memory and a connection of
 * their own each. Plan, publish and discard, which take next to nothing, come beside them: Temporal hands them to the worker with its
 * answer to the workflow task that has asked for them (eager dispatch), some milliseconds sooner than by a poll. A plain bound would
 * never allow that, as an idle worker's slots are all held by its polls.
 */
import type { ActivitySlotInfo, CustomSlotSupplier, SlotPermit, SlotReleaseContext } from '@temporalio/worker';

const POLLED: SlotPermit = { polled: true };
const EAGER: SlotPermit = { polled: false };

export class ActivitySlots implements CustomSlotSupplier<ActivitySlotInfo> {
  readonly type = 'custom';
  readonly #waiting = new Set<() => void>();
  #free: number;

  constructor(slots: number) {
    this.#free = slots;
  }

  /** For a poll, which may be given up before a slot is free. */
  async reserveSlot(_context: unknown, signal: AbortSignal): Promise<SlotPermit> {
    while (this.#free === 0) await this.#release(signal);
    this.#free--;
    return POLLED;
  }

  /** For an activity that a workflow task asks for; which of them do stands in src/workflows (`allowEagerDispatch`). */
  tryReserveSlot(): SlotPermit {
    return EAGER;
  }

  markSlotUsed(): void {}

  releaseSlot({ permit }: Pick<SlotReleaseContext<ActivitySlotInfo>, 'permit'>): void {
    if (!(permit as { polled: boolean }).polled) return;
    this.#free++;
    for (const wake of this.#waiting) wake();
  }

  /** Resolves when a slot is released. */
  async #release(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const end = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', giveUp);
      };
      const wake = () => {
        end();
        resolve();
      };
      const giveUp = () => {
        end();
        reject(signal.reason);
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }
}
