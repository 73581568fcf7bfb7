/** Whether a run costs what its new calls cost: the same run with a long history behind it, and with none, in turn. */
import { expect, test } from 'vitest';
import { reset } from '../test/support/runs.js';
import { say } from '../test/support/say.js';
import type { Stack } from '../test/support/stack.js';
import { fillHistory, generate, timedRun, timedVerify, withServers, withWorkers } from './billing.js';
import { report, setting, spread } from './report.js';

const historyCalls = setting('BENCH_HISTORY_CALLS', 10_000_000);
const newCalls = setting('BENCH_NEW_CALLS', 100_000);
const users = setting('BENCH_USERS', 10_000);
const pairs = setting('BENCH_PAIRS', 9);
const RATIO_MAX = 1.3;
const WORKERS = { count: 2, role: 'all' } as const;

test(`a run over new calls takes at most ${RATIO_MAX} times what it takes on an empty history`, () =>
  withServers((servers) =>
    withWorkers(servers, WORKERS, (history) =>
      withWorkers(servers, WORKERS, async (empty) => {
        await fillHistory(history, { calls: historyCalls, users, seed: 1 });
        const seconds = { history: [] as number[], empty: [] as number[] };
        // The first pair warms up.
        for (let pair = 0; pair <= pairs; pair++) {
          for (const side of pair % 2 === 0 ? (['history', 'empty'] as const) : (['empty', 'history'] as const)) {
            const took = await billNew(side === 'history' ? history : empty, side === 'empty', pair);
            say(`pair ${pair}, ${side}: ${took.toFixed(3)} s`);
            if (pair > 0) seconds[side].push(took);
          }
        }
        const verifySeconds = await timedVerify(history);
        const spreads = { history: spread(seconds.history), empty: spread(seconds.empty) };
        const ratio = spreads.history.median / spreads.empty.median;
        const about = { historyCalls, newCalls, users, pairs, workers: WORKERS.count, verifySeconds };
        await report(history, 'incremental', spreads, { 'history / empty': ratio }, about);
        expect(ratio).toBeLessThanOrEqual(RATIO_MAX);
      }),
    ),
  ));

/** The same calls on both sides: another seed each time, of the users of the history. */
async function billNew(stack: Stack, forget: boolean, pair: number): Promise<number> {
  if (forget) await reset(stack);
  await generate(stack, { calls: newCalls, users, seed: 1000 + pair });
  const { seconds, result } = await timedRun(stack);
  expect(result.calls).toBe(String(newCalls));
  return seconds;
}
