/**
 * Measures whether the cost of a run depends only on its new calls: the same run with a long history, a short history
 * and no history, in turn. With a short history the run does the same work, including closed cycles; without a history
 * it closes fewer cycles and carries nothing in.
 */
import { expect, test } from 'vitest';
import { reset } from '../test/support/runs.js';
import { say } from '../test/support/say.js';
import type { Stack } from '../test/support/stack.js';
import { fillHistory, generate, timedRun, timedVerify, withServers, withWorkers } from './billing.js';
import { report, setting, spread } from './figures.js';

const historyCalls = setting('BENCH_HISTORY_CALLS', 10_000_000);
const shortCalls = setting('BENCH_SHORT_CALLS', 1_000_000);
const newCalls = setting('BENCH_NEW_CALLS', 100_000);
const users = setting('BENCH_USERS', 10_000);
const rounds = setting('BENCH_ROUNDS', 9);
const RATIO_MAX = 1.3;
const WORKERS = { count: 2, role: 'all' } as const;

const kinds = ['long history', 'short history', 'no history'] as const;
type Kind = (typeof kinds)[number];

test(`a run over new calls takes at most ${RATIO_MAX} times what it takes without a history`, () =>
  withServers((servers) =>
    withWorkers(servers, WORKERS, (long) =>
      withWorkers(servers, WORKERS, (short) =>
        withWorkers(servers, WORKERS, async (none) => {
          const stacks = { 'long history': long, 'short history': short, 'no history': none };
          await fillHistory(short, { calls: shortCalls, users, seed: 1 });
          await fillHistory(long, { calls: historyCalls, users, seed: 1 });
          const seconds: Record<Kind, number[]> = { 'long history': [], 'short history': [], 'no history': [] };
          const cycles: Record<Kind, string> = { 'long history': '', 'short history': '', 'no history': '' };
          // Round 0 is the warm-up.
          for (let round = 0; round <= rounds; round++) {
            // The order rotates: each kind is first, second and last in turn.
            for (const index of kinds.keys()) {
              const kind = kinds[(index + round) % kinds.length]!;
              const { seconds: took, result } = await billNew(stacks[kind], kind, round);
              say(`round ${round}, ${kind}: ${took.toFixed(3)} s, ${result.cycles} cycles`);
              if (round > 0) seconds[kind].push(took);
              cycles[kind] = result.cycles;
            }
          }
          const verifySeconds = await timedVerify(long);
          const spreads = Object.fromEntries(kinds.map((kind) => [kind, spread(seconds[kind])]));
          const to = (kind: Kind) => spreads['long history']!.median / spreads[kind]!.median;
          const ratios = { 'long / short': to('short history'), 'long / none': to('no history') };
          const about = {
            historyCalls,
            shortCalls,
            newCalls,
            users,
            rounds,
            workers: WORKERS.count,
            cycles,
            verifySeconds,
          };
          await report(long, 'incremental', spreads, ratios, about);
          expect(Math.max(...Object.values(ratios))).toBeLessThanOrEqual(RATIO_MAX);
        }),
      ),
    ),
  ));

/** Bills new calls of the history's users. The calls differ between rounds, but not between kinds. */
async function billNew(stack: Stack, kind: Kind, round: number): ReturnType<typeof timedRun> {
  if (kind === 'no history') await reset(stack);
  await generate(stack, { calls: newCalls, users, seed: 1000 + round });
  const took = await timedRun(stack);
  expect(took.result.calls).toBe(String(newCalls));
  return took;
}
