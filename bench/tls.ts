/**
 * Measures the cost of TLS to PostgreSQL: two databases of one server contain the same log and have their own workers;
 * the workers of one database connect over TLS. Besides the seconds of a run, it reports the CPU seconds of all
 * participating processes, which depend less on other load on the machine.
 */
import { expect, test } from 'vitest';
import { AUTHORITY, provideCertificate } from '../test/support/certificate.js';
import type { WorkerProcess } from '../test/support/processes.js';
import { forgetRuns } from '../test/support/runs.js';
import { say } from '../test/support/say.js';
import type { Stack } from '../test/support/stack.js';
import { postmasterOf, withServers, withWorkers } from './billing.js';
import { fillLog, settle } from './contenders/log.js';
import { billed } from './contenders/meterfold.js';
import { report, setting, settings, spread } from './figures.js';
import { processorSeconds } from './proc.js';

const sizes = settings('BENCH_SIZES', [100_000, 1_000_000]);
const rounds = setting('BENCH_ROUNDS', 9);
/** The permitted ratio of a whole run's time with TLS to its time without. */
const RATIO_MAX = 1.25;
const WORKERS = { count: 2, role: 'all' } as const;

interface Side {
  stack: Stack;
  workers: WorkerProcess[];
  seconds: number[];
  processors: number[];
}

const sides = ['TCP', 'TLS'] as const;

test.each(sizes)('%i calls, without TLS and with it', async (calls) => {
  const certificate = await provideCertificate();
  const tls = ({ databaseUrl }: Stack) => {
    const url = new URL(databaseUrl);
    url.searchParams.set('sslmode', 'verify-full');
    url.searchParams.set('sslrootcert', AUTHORITY);
    return { DATABASE_URL: url.toString() };
  };
  try {
    await withServers(
      (servers) =>
        withWorkers(servers, WORKERS, (plain, plainWorkers) =>
          withWorkers(servers, { ...WORKERS, env: tls }, (over, overWorkers) =>
            measure(calls, {
              TCP: { stack: plain, workers: plainWorkers, seconds: [], processors: [] },
              TLS: { stack: over, workers: overWorkers, seconds: [], processors: [] },
            }),
          ),
        ),
      { calls: 2 * calls, settings: certificate.settings },
    );
  } finally {
    await certificate.remove();
  }
});

async function measure(calls: number, by: Record<(typeof sides)[number], Side>): Promise<void> {
  const { stack } = by.TCP;
  for (const side of sides) await fillLog(by[side].stack, calls, calls / 100);
  const postmaster = await postmasterOf(stack);
  // Negative rounds are the warm-up.
  for (let round = -2; round < rounds; round++) {
    for (const index of sides.keys()) {
      const name = sides[(index + round + 2) % sides.length]!;
      const side = by[name];
      await forgetRuns(side.stack);
      await settle(side.stack);
      const before = await processorsOf(postmaster, side.workers);
      const job = await billed(side.stack);
      const processors = (await processorsOf(postmaster, side.workers)) - before;
      say(`round ${round}, ${name}: ${job.seconds.toFixed(3)} s, ${processors.toFixed(2)} s of processors`);
      if (round < 0) continue;
      side.seconds.push(job.seconds);
      side.processors.push(processors);
    }
  }
  const seconds = Object.fromEntries(sides.map((name) => [name, spread(by[name].seconds)]));
  const processors = Object.fromEntries(sides.map((name) => [name, spread(by[name].processors).median]));
  const ratios = {
    'TLS / TCP': seconds.TLS!.median / seconds.TCP!.median,
    'processors, TLS / TCP': processors.TLS! / processors.TCP!,
  };
  await report(stack, 'tls', seconds, ratios, { calls, rounds, workers: WORKERS.count, processors });
  expect(ratios['TLS / TCP']).toBeLessThan(RATIO_MAX);
}

async function processorsOf(postmaster: number, workers: readonly WorkerProcess[]): Promise<number> {
  const all = await Promise.all([postmaster, ...workers.map(({ pid }) => pid)].map(processorSeconds));
  return all.reduce((sum, one) => sum + one, 0);
}
