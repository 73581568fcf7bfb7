/** Samples a burst once a second: pods, backlog, calls. */
import { setTimeout as delay } from 'node:timers/promises';
import { TASK_QUEUE } from '../../src/config.js';
import { progressOf, type RunHandle } from '../support/runs.js';
import type { Stack } from '../support/stack.js';
import { ACTIVITY_PODS } from './installation.js';
import { podsOf } from './kubectl.js';

export interface Sample {
  at: number;
  /** The number of activity pods, and of those that are ready. */
  pods: number;
  ready: number;
  /** The number of activities that wait for a worker. */
  backlog: number;
  /** The calls mapped so far. */
  calls: number;
}

const EVERY_MS = 1000;
const SAMPLES_MAX = 900;

/** Takes a sample every second until `enough` returns true. */
export async function sampleUntil(
  stack: Stack,
  run: RunHandle,
  enough: (sample: Sample) => Promise<boolean>,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  while (samples.length < SAMPLES_MAX) {
    const sample = await take(stack, run);
    samples.push(sample);
    if (await enough(sample)) return samples;
    await delay(EVERY_MS);
  }
  throw new Error(`not finished after ${SAMPLES_MAX} samples: ${JSON.stringify(samples.at(-1))}`);
}

async function take(stack: Stack, run: RunHandle): Promise<Sample> {
  const [pods, backlog, progress] = await Promise.all([podsOf(ACTIVITY_PODS), backlogOf(stack), progressOf(run)]);
  return {
    at: Date.now(),
    pods: pods.length,
    ready: pods.filter(({ ready }) => ready).length,
    backlog,
    calls: Number(progress.callsMapped),
  };
}

const TASK_QUEUE_TYPE_ACTIVITY = 2;

async function backlogOf({ temporal, namespace }: Stack): Promise<number> {
  const { stats } = await temporal.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: TASK_QUEUE },
    taskQueueType: TASK_QUEUE_TYPE_ACTIVITY,
    reportStats: true,
  });
  return Number(stats?.approximateBacklogCount ?? 0);
}
