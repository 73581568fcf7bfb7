/** Measures how the cost of a run depends on the log and on the workers; the workloads alternate. */
import { test } from 'vitest';
import { meterfold as command } from '../test/support/processes.js';
import { bill, forgetRuns } from '../test/support/runs.js';
import { say } from '../test/support/say.js';
import type { Stack } from '../test/support/stack.js';
import { withServers, withWorkers } from './billing.js';
import type { Job } from './contenders/contender.js';
import { fillLog, settle } from './contenders/log.js';
import { billed } from './contenders/meterfold.js';
import { machineOf, medianParts, setting, spread } from './figures.js';
import { addShapes } from './report.js';

const calls = setting('BENCH_CALLS', 1_000_000);
const rounds = setting('BENCH_ROUNDS', 7);
const usual = calls / 100;

interface Shape {
  name: string;
  workers: number;
  fill(stack: Stack): Promise<void>;
  /** Runs before each job. */
  clear(stack: Stack): Promise<void>;
}

const shapes: Shape[] = [
  {
    name: `two workers, ${usual.toLocaleString('en')} users`,
    workers: 2,
    fill: (stack) => fillLog(stack, calls, usual),
    clear: forgetRuns,
  },
  {
    name: 'one worker, the same',
    workers: 1,
    fill: (stack) => fillLog(stack, calls, usual),
    clear: forgetRuns,
  },
  {
    name: 'after a billed history of the same size',
    workers: 2,
    async fill(stack) {
      await fillLog(stack, calls, usual);
      await bill(stack);
      await fillLog(stack, calls, usual);
    },
    clear: revertLatest,
  },
  {
    name: `many users: ${(calls / 2).toLocaleString('en')}`,
    workers: 2,
    fill: (stack) => fillLog(stack, calls, calls / 2),
    clear: forgetRuns,
  },
  { name: 'few users: 100', workers: 2, fill: (stack) => fillLog(stack, calls, 100), clear: forgetRuns },
  {
    name: 'one user with half of the calls',
    workers: 2,
    async fill(stack) {
      await fillLog(stack, calls, usual);
      await stack.pool.query(`update api_logs set user_id = 'hot' where id % 2 = 0`);
      await stack.pool.query('vacuum (full) api_logs');
    },
    clear: forgetRuns,
  },
];

test(`${calls.toLocaleString('en')} calls with other workloads`, () =>
  withServers((servers) => {
    /** Opens the stacks in nested scopes. */
    const open = (stacks: readonly Stack[]): Promise<void> => {
      const shape = shapes[stacks.length];
      if (shape === undefined) return measure(stacks);
      return withWorkers(servers, { count: shape.workers, role: 'all' }, async (stack) => {
        await shape.fill(stack);
        await open([...stacks, stack]);
      });
    };
    return open([]);
  }));

async function measure(stacks: readonly Stack[]): Promise<void> {
  const jobs: Job[][] = shapes.map(() => []);
  // Round 0 is the warm-up.
  for (let round = 0; round <= rounds; round++) {
    for (const turn of shapes.keys()) {
      const which = (turn + round) % shapes.length;
      const { name, clear } = shapes[which]!;
      const stack = stacks[which]!;
      await clear(stack);
      await settle(stack);
      const job = await billed(stack);
      say(`round ${round} of ${rounds}, ${name}: ${job.seconds.toFixed(3)} s`);
      if (round > 0) jobs[which]!.push(job);
    }
  }
  await addShapes(
    await machineOf(stacks[0]!.pool),
    shapes.map(({ name }, which) => ({
      name,
      calls,
      seconds: spread(jobs[which]!.map(({ seconds }) => seconds)),
      parts: medianParts(jobs[which]!),
    })),
  );
}

/** Reverts the latest run, unless it is the first. */
async function revertLatest(stack: Stack): Promise<void> {
  const { rows } = await stack.pool.query<{ run_id: string }>(
    `select run_id from meterfold.runs where state = 'published' and previous_run_id is not null`,
  );
  if (rows[0] === undefined) return;
  const { code, stderr } = await command(stack, ['revert', rows[0].run_id, '--yes', '--reason', 'measured again']);
  if (code !== 0) throw new Error(stderr);
}
