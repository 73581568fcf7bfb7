/**
 * What backup attempts are worth (Dean and Ghemawat, MapReduce, 2004, section 3.6). The same run is measured in turn
 * with four equal workers, and with one worker that has a tenth of the others' CPU, with backups and without. CPU
 * quotas keep the machine partly idle: on a machine whose cores are full, whatever a backup uses is taken from the
 * other workers.
 */
import { expect, test } from 'vitest';
import { startWorker, type WorkerProcess } from '../test/support/processes.js';
import { forgetRuns } from '../test/support/runs.js';
import { say } from '../test/support/say.js';
import type { Stack } from '../test/support/stack.js';
import { generate, timedRun, withServers, withWorkers } from './billing.js';
import { CpuQuotas } from './cpu-quota.js';
import { report, setting, spread } from './figures.js';

const calls = setting('BENCH_CALLS', 8_000_000);
const users = setting('BENCH_USERS', 40_000);
const rounds = setting('BENCH_ROUNDS', 7);
const WORKERS = 4;
const TASKS = 8;
/** Percent of one core. */
const NORMAL_PERCENT = 20;
const SLOW_PERCENT = 2;

const kinds = ['no slow worker', 'slow worker, backups', 'slow worker, no backups'] as const;
type Kind = (typeof kinds)[number];

interface Sample {
  seconds: number;
  backups: number;
  /** Activities that the slow worker completed. */
  bySlow: number;
}

test('a run beside a slow worker, with backups and without', async () => {
  const quotas = new CpuQuotas();
  try {
    await withServers((servers) =>
      withWorkers(servers, { count: WORKERS, role: 'activity' }, async (stack, workers) => {
        // A worker of its own, without a quota: no backup helps a workflow that is slow itself.
        await startWorker(stack, { role: 'workflow' });
        await generate(stack, { calls, users, seed: 1 });
        const samples: Record<Kind, Sample[]> = {
          'no slow worker': [],
          'slow worker, backups': [],
          'slow worker, no backups': [],
        };
        // The first round warms up.
        for (let round = 0; round <= rounds; round++) {
          // Each kind is first, second and last in turn, and each worker is the slow one in turn.
          for (const number of kinds.keys()) {
            const kind = kinds[(number + round) % kinds.length]!;
            const sample = await bill(stack, quotas, kind, workers, round % WORKERS);
            say(`round ${round}, ${kind}: ${JSON.stringify(sample)}`);
            if (round > 0) samples[kind].push(sample);
          }
        }
        await reportSamples(stack, samples);
      }),
    );
  } finally {
    await quotas.remove();
  }
});

/** Bills the whole log as a first run, with the CPU quotas that the kind asks for. */
async function bill(
  stack: Stack,
  quotas: CpuQuotas,
  kind: Kind,
  workers: readonly WorkerProcess[],
  slow: number,
): Promise<Sample> {
  await forgetRuns(stack);
  for (const [number, { pid }] of workers.entries()) {
    quotas.set(pid, kind !== 'no slow worker' && number === slow ? SLOW_PERCENT : NORMAL_PERCENT);
  }
  try {
    const input = { partitions: TASKS, shards: TASKS, backups: kind !== 'slow worker, no backups' };
    const { seconds, result } = await timedRun(stack, input);
    expect(result.calls).toBe(String(calls));
    const bySlow = result.workers.find(({ worker }) => worker === workers[slow]!.name)?.activities ?? 0;
    return { seconds, backups: result.activities.backups, bySlow };
  } finally {
    for (const { pid } of workers) quotas.set(pid, undefined);
  }
}

async function reportSamples(stack: Stack, samples: Record<Kind, Sample[]>): Promise<void> {
  const spreads = Object.fromEntries(kinds.map((kind) => [kind, spread(samples[kind].map(({ seconds }) => seconds))]));
  const normal = spreads['no slow worker']!.median;
  const ratios = Object.fromEntries(
    kinds.slice(1).map((kind) => [`${kind} / no slow worker`, spreads[kind]!.median / normal]),
  );
  await report(stack, 'stragglers', spreads, ratios, {
    calls,
    users,
    rounds,
    workers: WORKERS,
    tasks: TASKS,
    cpuPercent: { normal: NORMAL_PERCENT, slow: SLOW_PERCENT },
    backups: Object.fromEntries(kinds.map((kind) => [kind, samples[kind].map(({ backups }) => backups)])),
    bySlow: Object.fromEntries(kinds.slice(1).map((kind) => [kind, samples[kind].map(({ bySlow }) => bySlow)])),
  });
}
