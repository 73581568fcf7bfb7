/** Measures `meterfold verify --all` on a long history. */
import { expect, test } from 'vitest';
import { say } from '../test/support/say.js';
import { fillHistory, timedVerify, withServers, withWorkers } from './billing.js';
import { report, setting, spread } from './figures.js';

const historyCalls = setting('BENCH_HISTORY_CALLS', 10_000_000);
const users = setting('BENCH_USERS', 10_000);
const rounds = setting('BENCH_ROUNDS', 3);
const SECONDS_MAX = 60;

test(`verify --all takes less than ${SECONDS_MAX} s`, () =>
  withServers((servers) =>
    withWorkers(servers, { count: 2, role: 'all' }, async (stack) => {
      await fillHistory(stack, { calls: historyCalls, users, seed: 1 });
      const seconds: number[] = [];
      for (let round = 1; round <= rounds; round++) {
        seconds.push(await timedVerify(stack));
        say(`round ${round}: ${seconds.at(-1)!.toFixed(1)} s`);
      }
      const took = spread(seconds);
      await report(stack, 'verify', { 'verify --all': took }, {}, { historyCalls, users });
      expect(took.median).toBeLessThan(SECONDS_MAX);
    }),
  ));
