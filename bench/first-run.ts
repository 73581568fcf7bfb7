/**
 * The cost of a worker's first runs. In a new worker, code is not compiled yet and sessions have not planned their
 * statements. Each round starts one new worker, which bills the same log three times; the database is reset between
 * runs. There is only one worker, because with two it would be unclear which run is the first of each.
 */
import { expect, test } from 'vitest';
import { forgetRuns } from '../test/support/runs.js';
import { say } from '../test/support/say.js';
import { freshStack } from '../test/support/stack.js';
import { startBenchWorker, withServers } from './billing.js';
import type { Job } from './contenders/contender.js';
import { fillLog, settle } from './contenders/log.js';
import { billed } from './contenders/meterfold.js';
import { medianParts, setting, spread } from './figures.js';

const calls = setting('BENCH_CALLS', 100_000);
const rounds = setting('BENCH_ROUNDS', 9);
const RUNS = ['first', 'second', 'third'] as const;

test(`the first runs of a new worker, ${calls.toLocaleString('en')} calls each`, () =>
  withServers(
    async (servers) => {
      const jobs: Job[][] = RUNS.map(() => []);
      const stack = await freshStack({ servers });
      try {
        await fillLog(stack, calls, Math.max(1, calls / 100));
        for (let round = 1; round <= rounds; round++) {
          const worker = await startBenchWorker(stack, { role: 'all' });
          for (const [which, name] of RUNS.entries()) {
            await forgetRuns(stack);
            await settle(stack);
            const job = await billed(stack);
            say(`round ${round} of ${rounds}, ${name} run: ${job.seconds.toFixed(3)} s`);
            jobs[which]!.push(job);
          }
          await worker.stop();
        }
      } finally {
        await stack.close();
      }
      const figures = RUNS.map((name, which) => ({
        run: name,
        calls,
        seconds: spread(jobs[which]!.map(({ seconds }) => seconds)),
        parts: medianParts(jobs[which]!),
      }));
      const third = figures.at(-1)!.seconds.median;
      for (const { run, seconds } of figures) {
        say(`${run} run: ${seconds.median.toFixed(3)} s, ${(seconds.median / third).toFixed(2)} × the third`);
      }
      say(JSON.stringify(figures));
      expect(figures.every(({ seconds }) => seconds.samples === rounds)).toBe(true);
    },
    { calls },
  ));
