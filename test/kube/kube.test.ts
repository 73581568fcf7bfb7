/**
 * Bills on a real Kubernetes cluster with two nodes while pods and nodes fail. Each scenario reverts the previous run
 * and bills the same calls. The results are written to docs/evaluation/kubernetes.md.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BillingRunInput, PublishedResult } from '../../src/contract/billing-run.js';
import { billedContents } from '../support/contents.js';
import { eventually } from '../support/eventually.js';
import { meterfold } from '../support/processes.js';
import { Random } from '../support/random.js';
import { expectExact, progressOf, published, type RunHandle, startRun } from '../support/runs.js';
import { say } from '../support/say.js';
import type { Stack } from '../support/stack.js';
import { lossesIn, tallyHistory } from '../support/tally.js';
import { ACTIVITY_PODS, install, serversAnswer, startServers, WORKER_PODS } from './installation.js';
import { cluster, deletePods, kubectl, nodeReady, type Pod, podsOf, podsReady } from './kubectl.js';
import { type Burst, type Disturbed, type Shared, writeReport } from './report.js';
import { sampleUntil } from './samples.js';

const CALLS = 2_000_000;
const USERS = 20_000;
const BURST_CALLS = 10 * CALLS;
const PODS = 3;
const PODS_MAX = 6;
const SHARE_MIN = 0.2;
/** More tasks than by default, so that a fault affects running tasks. */
const DISTURBED_INPUT = { partitions: 48, shards: 48 };
const RUN_MS = 10 * 60 * 1000;
const KILLS_MAX = 6;
const KILL_EVERY_MS = 500;
const FROZEN_HALF_WAKES_MS = 20_000;

const random = new Random('pods');

let stack: Stack;
let shared: Shared;
const disturbed: Disturbed[] = [];
let burst: Burst;

beforeAll(async () => {
  await cluster('node2', 'heal');
  stack = await startServers();
  await install(stack, { 'activityWorkers.replicas': PODS });
  await podsReady(ACTIVITY_PODS, PODS);
  await command('generate', '--calls', String(CALLS), '--users', String(USERS), '--seed', '1');
});

afterAll(async () => {
  await stack?.pool.end();
});

test('(a) three pods on two nodes share a run: each maps at least a fifth of the calls', async () => {
  await bill();
  await revertLatest();
  const { result, seconds } = await bill();
  const pods = await podsOf(ACTIVITY_PODS);
  expect(new Set(pods.map(({ node }) => node))).toEqual(new Set(['node1', 'node2']));
  const shares = pods.map(({ name, node }) => {
    const calls = result.workers.find(({ worker }) => worker.startsWith(`${name}:`))?.calls ?? '0';
    return { pod: name, node, share: Number(calls) / CALLS };
  });
  await revertLatest();
  const { seconds: inManyTasks } = await bill(DISTURBED_INPUT);
  shared = { calls: CALLS, seconds, inManyTasks, shares };
  for (const { share } of shares) expect(share).toBeGreaterThanOrEqual(SHARE_MIN);
});

test('(b) pods are deleted at random, half of them without grace, and finally all workers at once', () =>
  disturb('pods deleted at random, then all at once', async (run) => {
    let kills = 0;
    for (; kills < KILLS_MAX && (await progressOf(run)).phase !== 'reducing'; kills++) {
      const ready = (await podsOf(ACTIVITY_PODS)).filter(({ ready, ending }) => ready && !ending);
      if (ready.length > 0) await deletePods([random.pick(ready)], { grace: kills % 2 === 0 });
      await delay(KILL_EVERY_MS);
    }
    await stillBilling(run);
    await deletePods(await podsOf(WORKER_PODS), { grace: false });
    return `${kills} pods, then all`;
  }));

test('(b) a node loses power', async () => {
  await disturb('a node loses power', async (run) => {
    await stillBilling(run);
    const lost = await podsOn('node2');
    await cluster('node2', 'kill');
    return `${lost.length} worker pods on it`;
  });
  await cluster('node2', 'up');
  await nodeReady('node2', true);
});

test('(b) a node is cut off while its pods continue; when it is reconnected, they change nothing', async () => {
  await spreadOut();
  await disturb('a node is cut off, and its pods continue', async (run) => {
    await stillBilling(run);
    const lost = await podsOn('node2');
    await cluster('node2', 'cut');
    return `${lost.length} worker pods on it`;
  });
  const before = await billedContents(stack);
  await cluster('node2', 'heal');
  await nodeReady('node2', true);
  await delay(FROZEN_HALF_WAKES_MS);
  expect(await billedContents(stack)).toEqual(before);
  await verified();
});

test('(d) a new image is rolled out in the middle of a run', async () => {
  await spreadOut();
  await disturb('a new image is rolled out', async (run) => {
    await stillBilling(run);
    await install(stack, { 'activityWorkers.replicas': PODS, 'image.tag': 'test-next' }, false);
    return 'all worker pods, one after the other';
  });
  await eventually(
    'all pods have the new image',
    async () => {
      const pods = await podsOf(WORKER_PODS);
      return pods.length > 0 && pods.every(({ image, ready }) => ready && image.endsWith(':test-next'));
    },
    120_000,
  );
});

test.each(['postgres', 'temporal'])('(e) the pod of %s is deleted in the middle of a run', (server) =>
  disturb(`the pod of ${server} is deleted`, async (run) => {
    await stillBilling(run);
    await deletePods(await podsOf(`app=${server}`), { grace: false });
    await delay(1000);
    await serversAnswer(stack.databaseUrl, stack.temporalAddress);
    return 'the server, whose data is kept';
  }),
);

test('(c) during a tenfold burst KEDA adds pods, and removes them again', async () => {
  await revertLatest();
  await install(stack, { 'image.tag': 'test-next', 'autoscaling.type': 'keda', 'autoscaling.maxReplicas': PODS_MAX });
  await podsReady(ACTIVITY_PODS, 1);
  await command('generate', '--calls', String(BURST_CALLS - CALLS), '--users', String(USERS), '--seed', '2');
  const run = await startRun(stack, [{}]);
  const startedAt = Date.now();
  let drainedAt = 0;
  const running = run.result().then((result) => {
    drainedAt = Date.now();
    return published(result);
  });
  const samples = await sampleUntil(stack, run, async (sample) => drainedAt > 0 && sample.pods === 1);
  const result = await running;
  await expectExact(stack, result);
  await verified();
  burst = { calls: BURST_CALLS, startedAt, drainedSeconds: (drainedAt - startedAt) / 1000, samples };
  expect(Math.max(...samples.map(({ pods }) => pods))).toBeGreaterThan(2);
  await writeReport({ shared, disturbed, burst, podsMax: PODS_MAX });
});

interface Billed {
  result: PublishedResult;
  seconds: number;
}

async function bill(input: BillingRunInput = {}): Promise<Billed> {
  const startedAt = Date.now();
  const result = published(await (await startRun(stack, [input])).result());
  return { result, seconds: (Date.now() - startedAt) / 1000 };
}

/** Reverts the latest run, so that the next one bills the same calls. */
async function revertLatest(): Promise<void> {
  const { rows } = await stack.pool.query<{ runId: string }>(
    `select max(run_id) as "runId" from meterfold.runs where state = 'published'`,
  );
  await command('revert', rows[0]!.runId, '--yes', '--reason', 'to bill the same calls again');
}

/** Bills the same calls again, disturbs the run, and checks its results. */
async function disturb(what: string, inflict: (run: RunHandle) => Promise<string>): Promise<void> {
  await revertLatest();
  const startedAt = Date.now();
  const run = await startRun(stack, [DISTURBED_INPUT]);
  const hit = await inflict(run);
  const result = published(await eventually('the run ends', () => run.result().catch(() => undefined), RUN_MS));
  const seconds = (Date.now() - startedAt) / 1000;
  await expectExact(stack, result);
  await verified();
  const events = (await run.fetchHistory()).events ?? [];
  const { scheduled, completed, tries } = tallyHistory(events);
  const lost = lossesIn(events);
  // Reduces that only found that their segments were lost do not count.
  expect((completed - lost) / (scheduled - lost)).toBeGreaterThanOrEqual(0.95);
  disturbed.push({ what, hit, seconds, scheduled, completed, lost, tries });
  say(
    `${what} (${hit}): ${seconds.toFixed(1)} s, ${completed} of ${scheduled} tasks completed in ${tries} attempts, ${lost} of them without segments`,
  );
}

/** Waits until a partition is done, and checks that not all shards are. */
async function stillBilling(run: RunHandle): Promise<void> {
  const { shards } = await eventually('the run maps', async () => {
    const progress = await progressOf(run).catch(() => undefined);
    return progress !== undefined && progress.partitions.done > 0 && progress;
  });
  expect(shards.done).toBeLessThan(DISTURBED_INPUT.shards);
}

async function podsOn(node: string): Promise<Pod[]> {
  const pods = (await podsOf(WORKER_PODS)).filter((pod) => pod.node === node);
  expect(pods.length).toBeGreaterThan(0);
  return pods;
}

/** Distributes the pods over both nodes again, after one of the nodes was unavailable. */
async function spreadOut(): Promise<void> {
  await podsReady(ACTIVITY_PODS, PODS);
  if ((await podsOf(ACTIVITY_PODS)).some(({ node }) => node === 'node2')) return;
  await kubectl('rollout', 'restart', 'deployment', '--selector', WORKER_PODS);
  await eventually(
    'pods are on both nodes',
    async () => {
      const pods = await podsOf(ACTIVITY_PODS);
      return pods.length === PODS && pods.every(({ ready }) => ready) && pods.some(({ node }) => node === 'node2');
    },
    120_000,
  );
}

async function verified(): Promise<void> {
  await command('verify', '--all');
}

async function command(...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await meterfold(stack, args);
  expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
}
