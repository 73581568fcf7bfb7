/** Runs that are held in a phase by a lock that the phase needs. */
import type { BillingRunProgress } from '../../src/contract/billing-run.js';
import { eventually } from './eventually.js';
import { type Hold, hold, holdMap, holdReduce } from './holds.js';
import { fannedOut, inPhase, type RunHandle, startRun } from './runs.js';
import type { Stack } from './stack.js';

export const phases = ['sealing', 'planning', 'mapping', 'reducing', 'recounting', 'publishing'] as const;
export type HeldPhase = (typeof phases)[number];

export interface HeldRun {
  run: RunHandle;
  held: Hold;
}

/** Locks a task of the active run, so that its activity waits. */
export const holdTask = (stack: Stack, kind: 'map' | 'reduce' | 'recount', number = 0): Promise<Hold> =>
  hold(
    stack,
    `select from meterfold.tasks join meterfold.runs using (run_id)
      where state = 'active' and kind = $1 and number = $2 for update of tasks`,
    [kind, number],
  );

/** Keeps the active run from being published or discarded; its other activities continue. */
export const holdEnding = (stack: Stack): Promise<Hold> =>
  hold(stack, `select from meterfold.runs where state = 'active' for key share`);

interface Holding {
  /** The phase in which the lock must be taken; absent: before the run starts. */
  before?: HeldPhase;
  take: (stack: Stack) => Promise<Hold>;
  waits: (stack: Stack, held: Hold) => Promise<unknown>;
}

const holdings: Record<HeldPhase, Holding> = {
  // A long transaction writes to the log. The run does not wait for a lock; it polls.
  sealing: {
    take: (stack) =>
      hold(stack, `insert into public.api_logs (user_id, usage, called_at) values ('never committed', 7, now())`),
    waits: (stack) =>
      eventually('the run has read the sequence', async () => {
        const sealing = `select from meterfold.runs where state = 'active' and seal_position is not null`;
        return (await stack.pool.query(sealing)).rows.length === 1;
      }),
  },
  planning: {
    take: (stack) => hold(stack, 'lock table meterfold.tasks in access exclusive mode'),
    waits: (_, held) => held.waiting({ query: 'insert into meterfold.tasks' }),
  },
  mapping: { take: holdMap, waits: (_, held) => held.waiting({ query: 'copy segments' }) },
  reducing: { take: holdReduce, waits: (_, held) => held.waiting({ query: 'copy open_cycles' }) },
  recounting: { before: 'mapping', take: (stack) => holdTask(stack, 'recount'), waits: (_, held) => held.waiting() },
  publishing: { before: 'mapping', take: holdEnding, waits: (_, held) => held.waiting({ query: 'for update' }) },
};

/**
 * Starts a run that is paused between two phases: `held` is over, and no activity of the next one, `before`, has begun.
 */
export async function startPaused(
  stack: Stack,
  held: HeldPhase,
  before: BillingRunProgress['phase'],
  start?: () => Promise<RunHandle>,
): Promise<RunHandle> {
  const { run, held: hold } = await startHeld(stack, held, start);
  await run.executeUpdate('pause');
  await hold.release();
  await inPhase(run, before);
  return run;
}

/** Starts a run, and returns once it waits in the phase. */
export async function startHeld(
  stack: Stack,
  phase: HeldPhase,
  start = () => startRun(stack, [fannedOut]),
): Promise<HeldRun> {
  const { before, take, waits } = holdings[phase];
  if (before === undefined) {
    const held = await take(stack);
    const run = await start();
    await waits(stack, held);
    return { run, held };
  }
  const earlier = await startHeld(stack, before, start);
  const held = await take(stack);
  await earlier.held.release();
  await waits(stack, held);
  return { run: earlier.run, held };
}
