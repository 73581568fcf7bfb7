/** Shows a run until it ends: a bar on a terminal, plain lines elsewhere. Both go to standard error. */
import type { BillingRunProgress } from '../../contract/billing-run.js';
import type { RunEnded } from '../../operations/follow.js';
import type { Servers } from '../../operations/servers.js';
import { stallText } from '../../operations/stall-text.js';
import type { Stall } from '../../temporal/stalls.js';
import type { RunHandle } from '../../temporal/start.js';
import { grouped } from '../../text.js';
import { CommandError } from './command-error.js';
import { note, writeJson, writeLine } from './output.js';
import { resultText } from './run-result.js';

/** Plain lines are written when the phase changes, and this often. */
const LINE_EVERY_MS = 5000;

/** Shows the run's progress, then its result. Throws RunFailedError, and CommandError if the run was cancelled. */
export async function showRunToItsEnd(servers: Servers, handle: RunHandle, json: boolean): Promise<void> {
  void noteMissingWorkers(servers);
  const { result, seconds } = await showProgress(handle);
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
export async function showProgress(handle: RunHandle): Promise<RunEnded> {
  const { followRun } = await import('../../operations/follow.js');
  const display = process.stderr.isTTY ? await createBar() : createLines();
  try {
    for await (const event of followRun(handle)) {
      if (event.type === 'ended') return event;
      display.update(event.progress, event.stalls);
    }
  } finally {
    display.stop();
  }
  throw new Error('a run was followed without an end');
}

interface Display {
  /** `progress` is undefined until a worker has answered. */
  update(progress: BillingRunProgress | undefined, stalls: readonly Stall[]): void;
  stop(): void;
}

function createLines(): Display {
  let phase = '';
  let why = '';
  let saidAt = 0;
  return {
    update(progress, stalls) {
      const whyNow = stalls.map(({ activity, message }) => `${activity} ${message}`).join();
      if (whyNow !== '' && (whyNow !== why || Date.now() - saidAt >= LINE_EVERY_MS)) {
        why = whyNow;
        phase = progress?.phase ?? phase;
        saidAt = Date.now();
        note(lineOf(progress, stalls));
        return;
      }
      if (progress === undefined) return;
      const waits = progress.paused || progress.phase === 'failed';
      if (progress.phase === phase && (waits || Date.now() - saidAt < LINE_EVERY_MS)) return;
      phase = progress.phase;
      saidAt = Date.now();
      note(progressLine(progress));
    },
    stop() {},
  };
}

async function createBar(): Promise<Display> {
  const { default: progress } = await import('cli-progress');
  const bar = new progress.SingleBar({
    format: '{bar} {percentage}%  {text}',
    clearOnComplete: true,
  });
  bar.start(1, 0, { text: 'waiting for a worker' });
  return {
    update(now, stalls) {
      if (now === undefined) {
        if (stalls.length > 0) bar.update(0, { text: lineOf(now, stalls) });
        return;
      }
      const { partitions, shards } = now;
      bar.setTotal(Math.max(1, partitions.total + shards.total));
      bar.update(partitions.done + shards.done, { text: lineOf(now, stalls) });
    },
    stop: () => bar.stop(),
  };
}

function lineOf(progress: BillingRunProgress | undefined, stalls: readonly Stall[]): string {
  const parts = stalls.map((stall) => stallText(stall));
  return [...(progress === undefined ? [] : [progressLine(progress)]), ...parts].join('; ');
}

function progressLine({
  runId,
  phase,
  partitions,
  shards,
  callsMapped,
  mapRestarts,
  callsReduced,
  cyclesClosed,
  paused,
  failure,
}: BillingRunProgress): string {
  const run = runId === undefined ? '' : `run ${runId}${paused ? ' (paused)' : ''}: `;
  if (phase === 'failed') {
    return `${run}failed: ${failure}. Mend it, then \`meterfold retry ${runId}\`; or \`meterfold cancel ${runId}\``;
  }
  if (phase === 'mapping') {
    const anew = mapRestarts === undefined ? '' : ' anew (PostgreSQL had lost what was mapped, in a crash)';
    return `${run}mapping${anew}, ${partitions.done} of ${partitions.total} partitions, ${grouped(callsMapped)} calls`;
  }
  if (phase === 'reducing') {
    return `${run}reducing, ${shards.done} of ${shards.total} shards, ${grouped(callsReduced)} calls, ${grouped(cyclesClosed)} cycles`;
  }
  return `${run}${phase}`;
}
