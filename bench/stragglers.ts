/**
 * What backup attempts are worth (Dean and Ghemawat, MapReduce, 2004, section 3.6): the same run with no slow worker, and with one that
 * runs a tenth of the time, with backups and without, in turn.
 */
import { expect, test } from 'vitest';
import { startWorker, type WorkerProcess } from '../test/support/processes.js';
import { forgetRuns } from '../test/support/runs.js';
import { say } from '../test/support/say.js';
import type { Stack } from '../test/support/stack.js';
import { generate, timedRun, withServers, withWorkers } from './billing.js';
import { report, setting, spread } from './figures.js';

const calls = setting('BENCH_CALLS', 4_000_000);
const users = setting('BENCH_USERS', 40_000);
const rounds = setting('BENCH_ROUNDS', 7);
const WORKERS = 4;
/** The slow worker runs for so long, then stands still for nine times as long: often enough to keep its heartbeats alive. */
const RUNS_MS = 10;
const STANDS_MS = 9 * RUNS_MS;

const kinds = ['no slow worker', 'slow worker, backups', 'slow worker, no backups'] as const;
type Kind = (typeof kinds)[number];

test('a run beside a slow worker, with backups and without', () =>
  withServers((servers) =>
    withWorkers(servers, { count: WORKERS, role: 'activity' }, async (stack, workers) => {
      // Not among those that are slowed: no backup helps a workflow that is slow itself.
      await startWorker(stack, { role: 'workflow' });
      await generate(stack, { calls, users, seed: 1 });
      const seconds: Record<Kind, number[]> = {
        'no slow worker': [],
        'slow worker, backups': [],
        'slow worker, no backups': [],
      };
      const backups: Record<Kind, number[]> = {
        'no slow worker': [],
        'slow worker, backups': [],
        'slow worker, no backups': [],
      };
      // Activities that the slow worker has ended, where nobody helped it.
      const bySlow: number[] = [];
      // The first round warms up.
      for (let round = 0; round <= rounds; round++) {
        // Each kind is first, second and last in turn, and each worker the slow one.
        for (const place of kinds.keys()) {
          const kind = kinds[(place + round) % kinds.length]!;
          const took = await bill(stack, kind, workers[round % WORKERS]!);
          say(
            `round ${round}, ${kind}: ${took.seconds.toFixed(2)} s, ${took.backups} backups, ` +
              `${took.bySlow} activities by ${kind === 'no slow worker' ? 'the next' : 'the'} slow worker`,
          );
          if (round === 0) continue;
          seconds[kind].push(took.seconds);
          backups[kind].push(took.backups);
          if (kind === 'slow worker, no backups') bySlow.push(took.bySlow);
        }
      }
      const spreads = Object.fromEntries(kinds.map((kind) => [kind, spread(seconds[kind])]));
      const normal = spreads['no slow worker']!.median;
      const ratios = Object.fromEntries(
        kinds.slice(1).map((kind) => [`${kind} / no slow worker`, spreads[kind]!.median / normal]),
      );
      await report(stack, 'stragglers', spreads, ratios, { calls, users, rounds, workers: WORKERS, backups, bySlow });
    }),
  ));

interface Took {
  seconds: number;
  backups: number;
  bySlow: number;
}

/** Bills the whole log, as the first run that there is. */
async function bill(stack: Stack, kind: Kind, slow: WorkerProcess): Promise<Took> {
  await forgetRuns(stack);
  const slowed = kind === 'no slow worker' ? undefined : slowDown(slow);
  try {
    const { seconds, result } = await timedRun(stack, { backups: kind !== 'slow worker, no backups' });
    expect(result.calls).toBe(String(calls));
    const bySlow = result.workers.find(({ worker }) => worker === slow.name)?.activities ?? 0;
    return { seconds, backups: result.activities.backups, bySlow };
  } finally {
    slowed?.stop();
  }
}

function slowDown(worker: WorkerProcess): { stop(): void } {
  let timer: NodeJS.Timeout;
  const run = () => {
    worker.kill('SIGCONT');
    timer = setTimeout(stand, RUNS_MS);
  };
  const stand = () => {
    worker.kill('SIGSTOP');
    timer = setTimeout(run, STANDS_MS);
  };
  stand();
  return {
    stop() {
      clearTimeout(timer);
      worker.kill('SIGCONT');
    },
  };
}
