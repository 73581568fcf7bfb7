/**
 * Compares one server with a primary and a streaming replica from which map reads the log, where the replica keeps up
 * or is delayed. All processes share the cores of one machine, so runs are not faster here; the question is how much
 * load the replica removes from the primary.
 */
import { expect, test } from 'vitest';
import { type Replica, startReplica } from '../test/support/replica.js';
import { forgetRuns } from '../test/support/runs.js';
import { say } from '../test/support/say.js';
import type { Stack } from '../test/support/stack.js';
import { postmasterOf, withServers, withWorkers } from './billing.js';
import { fillLog, settle } from './contenders/log.js';
import { billed } from './contenders/meterfold.js';
import { report, setting, spread } from './figures.js';
import { processorSeconds } from './proc.js';

const calls = setting('BENCH_CALLS', 2_000_000);
const rounds = setting('BENCH_ROUNDS', 7);
/** How long the lagging replica pauses its replay, from just before the run. */
const LAG_MS = 1000;
const WORKERS = { count: 2, role: 'all' } as const;

const kinds = ['one server', 'a replica', 'a replica that lags'] as const;
type Kind = (typeof kinds)[number];

test('map reads from a replica', () =>
  withServers(async (servers) => {
    const replica = await startReplica(servers, { durable: true });
    try {
      await withWorkers(servers, WORKERS, async (alone) => {
        const env = ({ databaseName }: Stack) => ({ LOG_REPLICA_URL: replica.urlOf(databaseName) });
        await withWorkers(servers, { ...WORKERS, env }, (besides) => measure(alone, besides, replica));
      });
    } finally {
      await replica.stop();
    }
  }));

async function measure(alone: Stack, beside: Stack, replica: Replica): Promise<void> {
  for (const stack of [alone, beside]) await fillLog(stack, calls, calls / 100);
  const postmaster = await postmasterOf(alone);
  const seconds: Record<Kind, number[]> = { 'one server': [], 'a replica': [], 'a replica that lags': [] };
  const primary: Record<Kind, number[]> = { 'one server': [], 'a replica': [], 'a replica that lags': [] };
  // Round 0 is the warm-up.
  for (let round = 0; round <= rounds; round++) {
    for (const index of kinds.keys()) {
      const kind = kinds[(index + round) % kinds.length]!;
      const stack = kind === 'one server' ? alone : beside;
      await forgetRuns(stack);
      await settle(stack);
      if (kind === 'a replica that lags') await lag(replica);
      const before = await processorSeconds(postmaster);
      const job = await billed(stack);
      const own = (await processorSeconds(postmaster)) - before;
      say(`round ${round}, ${kind}: ${job.seconds.toFixed(2)} s, ${own.toFixed(2)} s CPU time of the primary`);
      if (round === 0) continue;
      seconds[kind].push(job.seconds);
      primary[kind].push(own);
    }
  }
  const spreads = Object.fromEntries(kinds.map((kind) => [kind, spread(seconds[kind])]));
  const primarySeconds = Object.fromEntries(kinds.map((kind) => [kind, spread(primary[kind]).median]));
  const ratios = {
    'a replica / one server': spreads['a replica']!.median / spreads['one server']!.median,
    "the primary's processors, a replica / one server": primarySeconds['a replica']! / primarySeconds['one server']!,
  };
  await report(alone, 'replica', spreads, ratios, {
    calls,
    rounds,
    workers: WORKERS.count,
    lagMs: LAG_MS,
    primarySeconds,
  });
  expect(primarySeconds['a replica']).toBeLessThan(primarySeconds['one server']!);
}

/** Pauses the replica's replay before the plan's own writes reach it. */
async function lag(replica: Replica): Promise<void> {
  await replica.pause();
  setTimeout(() => void replica.resume(), LAG_MS);
}
