/** The workers of a stack: real processes, each restarted when it ends, as a cluster does. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { startWorker, type WorkerProcess } from '../support/processes.js';
import type { ChaosStack } from './stack.js';

const AGAIN_MS = 500;
const LAST_BYTES = 3000;
const env = {
  WORKER_SLOTS: '2',
  LEASE_SECONDS: '5',
  SEAL_WAIT_SECONDS: '1',
  SHUTDOWN_GRACE_SECONDS: '5',
  // Smaller than a partition, so that map is in the middle of its partition at the first spill.
  SPILL_CALLS: '600',
};

export class Workers {
  readonly #stack: ChaosStack;
  readonly #running = new Set<WorkerProcess>();
  #stopping = false;
  #more: Record<string, string> = {};

  private constructor(stack: ChaosStack) {
    this.#stack = stack;
  }

  static async start(stack: ChaosStack, count: number): Promise<Workers> {
    const workers = new Workers(stack);
    const keepers = Array.from({ length: count }, () => workers.#keep());
    stack.onClose(async () => {
      workers.#stopping = true;
      for (const worker of workers.#running) worker.kill('SIGKILL');
      await Promise.all(keepers);
    });
    while (workers.#running.size < count) await delay(AGAIN_MS / 5);
    return workers;
  }

  get running(): WorkerProcess[] {
    return [...this.#running];
  }

  /** Kills all workers. The new ones have these settings in addition to the usual ones. */
  async restart(settings: Record<string, string>): Promise<void> {
    this.#more = settings;
    const before = this.running;
    for (const worker of before) worker.kill('SIGKILL');
    await Promise.all(before.map((worker) => worker.ended));
    await eventually('the workers are back', () => this.running.length >= before.length);
  }

  /** Returns the worker that a session's application name, or an outcome, names. */
  named(text: string): WorkerProcess | undefined {
    return this.running.find(({ name }) => text.endsWith(name));
  }

  /** Returns the end of each worker's log, for diagnosis. */
  lastLines(): string {
    return this.running.map((worker) => `${worker.name}:\n${worker.logs().slice(-LAST_BYTES)}`).join('\n');
  }

  async #keep(): Promise<void> {
    while (!this.#stopping) {
      // It ends if the servers are unavailable.
      const worker = await startWorker(this.#stack, { env: { ...env, ...this.#more } }).catch(() => undefined);
      if (worker === undefined) {
        await delay(AGAIN_MS);
        continue;
      }
      if (this.#stopping) worker.kill('SIGKILL');
      this.#running.add(worker);
      await worker.ended;
      this.#running.delete(worker);
      await delay(AGAIN_MS);
    }
  }
}

/** Returns whether the process is stopped by SIGSTOP. */
export async function isStopped(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}
