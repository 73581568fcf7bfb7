/** Follows a run until it ends: a bar on a terminal, plain lines elsewhere. Both on standard error. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type BillingRunProgress, type BillingRunResult, progressQuery } from '../../contract/billing-run.js';
import { readStalls, type Stall } from '../../operations/stalls.js';
import type { RunHandle } from '../../operations/start.js';
import { grouped, note } from './output.js';
import { CommandError } from './problems.js';
import { stallText } from './stall.js';

const POLL_MS = 200;
/** Plain lines come when the phase changes, and this often. */
const LINE_EVERY_MS = 5000;
/** Temporal is asked this often why the run does not get on. */
const ASK_MS = 1000;

export interface FollowedRun {
  result: BillingRunResult;
  /** From start to close by Temporal's own clock. */
  seconds: number;
}

export async function followRun(handle: RunHandle): Promise<FollowedRun> {
  const show = process.stderr.isTTY ? await createBar() : createLines();
  let over = false;
  const ended = handle.result().finally(() => {
    over = true;
  });
  ended.catch(() => {});
  let progress: BillingRunProgress | undefined;
  let stalls: Stall[] = [];
  const pause = (ms: number) => Promise.race([sleep(ms, undefined, { ref: false }), ended.catch(() => {})]);
  const watch = async (everyMs: number, look: () => Promise<void>) => {
    while (!over) {
      await look();
      if (!over) show.update(progress, stalls);
      await pause(everyMs);
    }
  };
  const watching = Promise.all([
    watch(POLL_MS, async () => {
      // Without a worker there is nobody to answer, for long; the result tells in the end.
      progress = await handle.query(progressQuery).catch(() => undefined);
    }),
    pause(ASK_MS).then(() =>
      watch(ASK_MS, async () => {
        stalls = await readStalls(handle.client, handle.workflowId).catch(() => []);
      }),
    ),
  ]);
  try {
    const result = await ended;
    const { startTime, closeTime } = await handle.describe();
    return { result, seconds: ((closeTime?.getTime() ?? 0) - startTime.getTime()) / 1000 };
  } catch (error) {
    throw runFailure(error as Error, handle.workflowId);
  } finally {
    await watching;
    show.stop();
  }
}

/** The innermost message says what went wrong; the layers around it only say that an activity or a workflow failed. */
function runFailure(error: Error, workflowId: string): Error {
  if (error.name !== 'WorkflowFailedError') return error;
  let reason = error.cause instanceof Error ? error.cause : error;
  while (reason.cause instanceof Error && reason.constructor.name !== 'ApplicationFailure') reason = reason.cause;
  return new CommandError(`The run failed: ${reason.message}. Nothing of it was published. (workflow ${workflowId})`, {
    cause: error,
  });
}

interface Show {
  /** Without progress, no worker has answered. */
  update(progress: BillingRunProgress | undefined, stalls: readonly Stall[]): void;
  stop(): void;
}

function createLines(): Show {
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

async function createBar(): Promise<Show> {
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
