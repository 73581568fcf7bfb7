/** Shows a run until it ends: a bar on a terminal, plain lines elsewhere. Both go to standard error. */
import type { BillingRunProgress } from '../../contract/billing-run.js';
import type { RunEnded, RunUpdate } from '../../operations/follow.js';
import type { Servers } from '../../operations/servers.js';
import { stallText } from '../../operations/stall-text.js';
import type { RunHandle } from '../../temporal/start.js';
import { grouped } from '../../text.js';
import { CommandError } from './command-error.js';
import { note, writeJson, writeLine } from './output.js';
import { showProgress } from './progress.js';
import { resultText } from './run-result.js';

/** Plain lines are written when the phase changes, and this often. */
const LINE_EVERY_MS = 5000;

/** Shows the run's progress, then its result. Throws RunFailedError, and CommandError if the run was cancelled. */
export async function showRunToItsEnd(servers: Servers, handle: RunHandle, json: boolean): Promise<void> {
  void noteMissingWorkers(servers);
  const { result, seconds } = await showRun(handle);
  if (result.status === 'cancelled') throw new CommandError(resultText(result, seconds));
  if (json) return writeJson({ ...result, workflowId: handle.workflowId, seconds });
  await writeLine(resultText(result, seconds));
}

async function noteMissingWorkers(servers: Servers): Promise<void> {
  const { hasWorkers } = await import('../../operations/start.js');
  if (await hasWorkers(servers)) return;
  const { taskQueue } = servers.config.temporal;
  note(
    `No worker polls the task queue "${taskQueue}": the run waits until one does. Start one with \`meterfold worker\`.`,
  );
}

/** Shows the run's progress until its workflow ends. Throws RunFailedError. */
export async function showRun(handle: RunHandle): Promise<RunEnded> {
  const { followRun } = await import('../../operations/follow.js');
  const display = process.stderr.isTTY ? await createBar() : new Lines();
  try {
    for await (const event of followRun(handle)) {
      if (event.type === 'ended') return event;
      display.update(event);
    }
  } finally {
    display.stop();
  }
  throw new Error('a run was followed without an end');
}

interface Display {
  update(now: RunUpdate): void;
  stop(): void;
}

/**
 * Writes a line when the phase or the stalls change, and every LINE_EVERY_MS, except while the run waits for an
 * operator.
 */
class Lines implements Display {
  #phase = '';
  #stalls = '';
  #writtenAt = 0;

  update(now: RunUpdate): void {
    const { progress } = now;
    const stalls = now.stalls.map(({ activity, message }) => `${activity} ${message}`).join();
    if (progress === undefined && stalls === '') return;
    const phase = progress?.phase ?? this.#phase;
    const isNew = phase !== this.#phase || (stalls !== '' && stalls !== this.#stalls);
    const waits = stalls === '' && (progress?.paused || phase === 'failed');
    const isDue = !waits && Date.now() - this.#writtenAt >= LINE_EVERY_MS;
    if (!isNew && !isDue) return;
    this.#phase = phase;
    this.#stalls = stalls;
    this.#writtenAt = Date.now();
    note(lineOf(now));
  }

  stop(): void {}
}

async function createBar(): Promise<Display> {
  const bar = await showProgress();
  bar.update({ done: 0, total: 1, text: 'waiting for a worker' });
  return {
    update(now) {
      if (now.progress === undefined && now.stalls.length === 0) return;
      const { partitions, shards } = now.progress ?? NOTHING_DONE;
      bar.update({
        done: partitions.done + shards.done,
        total: partitions.total + shards.total,
        text: lineOf(now),
      });
    },
    stop: () => bar.stop(),
  };
}

const NOTHING_DONE = { partitions: { done: 0, total: 0 }, shards: { done: 0, total: 0 } };

function lineOf({ progress, stalls }: RunUpdate): string {
  const texts = stalls.map((stall) => stallText(stall));
  return [...(progress === undefined ? [] : [progressLine(progress)]), ...texts].join('; ');
}

function progressLine(progress: BillingRunProgress): string {
  const { runId, phase, partitions, shards, paused, failure } = progress;
  const run = runId === undefined ? '' : `run ${runId}${paused ? ' (paused)' : ''}: `;
  switch (phase) {
    case 'failed':
      return `${run}failed: ${failure}. Fix it, then \`meterfold retry ${runId}\`; or \`meterfold cancel ${runId}\``;
    case 'mapping': {
      const again = progress.mapRestarts === undefined ? '' : ' again (a crash of PostgreSQL had lost the segments)';
      return `${run}mapping${again}, ${partitions.done} of ${partitions.total} partitions, ${grouped(progress.callsMapped)} calls`;
    }
    case 'reducing':
      return `${run}reducing, ${shards.done} of ${shards.total} shards, ${grouped(progress.callsReduced)} calls, ${grouped(progress.cyclesClosed)} cycles`;
    default:
      return `${run}${phase}`;
  }
}
