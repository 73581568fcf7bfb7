/**
 * One cell of the matrix: a run is held at a point of a phase, and the fault is injected. Then the system must recover:
 * the run is published or discarded without a trace, the next run bills the rest, and the bills agree with the oracle.
 */
import { eventually } from '../support/eventually.js';
import type { Random } from '../support/random.js';
import { rowsOfRun, startRun } from '../support/runs.js';
import { type Bills, judgeBills } from './bills.js';
import { type Effect, effectsOn } from './effects.js';
import type { Fault } from './fault.js';
import type { Inflow } from './inflow.js';
import { NotReachedError } from './insist.js';
import { type HeldRun, type HoldScene, holdAt, type Phase, POINTS, type Point } from './phases.js';
import type { ChaosStack } from './stack.js';
import type { Workers } from './workers.js';

const SETTLE_MS = 120_000;
/**
 * Each of three shards reads more rows than PostgreSQL sends at once, so that a COPY can be interrupted in the middle.
 */
const BURST_CALLS = 3000;
const CONCURRENT_STARTS_MAX = 3;
/** The probability that the started runs are small; runs of the schedule are small too. */
const SMALL_RUNS = 0.25;
/** The number of undisturbed runs before the next fault. */
const QUIET_RUNS = 2;
const QUIET_CALLS = 300;
const QUIET_INPUT = { partitions: 3, shards: 3 };
/** The tables that may contain rows of a published run. */
const KEPT_ROWS = new Set(['records', 'open_cycles', 'tasks']);

export interface Cell {
  fault: Fault;
  phase: Phase;
}

export interface Observed {
  fault: string;
  phase: Phase;
  point: Point;
  /** True if the run was small, and past its plan. */
  small: boolean;
  /** The effects that count for the fault. If there are none, the fault does not count. */
  effects: Effect[];
  ending: 'published' | 'discarded';
  /** The time from the repair, or from the fault if nothing is repaired, to the next publish. */
  recoveryMs: number;
  bills: Bills;
}

export interface Ground {
  stack: ChaosStack;
  workers: Workers;
  inflow: Inflow;
}

/** Injects the fault once. All random choices are drawn from `random`. */
async function strike(
  { stack, workers, inflow }: Ground,
  cell: Cell,
  { name, random, fannedOut }: Try,
): Promise<Observed> {
  const { fault, phase } = cell;
  const point = random.pick<Point>(fault.points?.[phase] ?? POINTS[phase]);
  let bursts = 0;
  const moreCalls = () => inflow.burst(`${name}.${bursts++}`, BURST_CALLS);
  const startRuns = concurrentStarts(stack, name, random, fannedOut ? 0 : SMALL_RUNS);
  const scene: HoldScene = { stack, workers, random, startRuns, moreCalls };
  if (fannedOut) await stack.rest();
  await moreCalls();
  const held = await holdAt(scene, phase, point);
  if (fannedOut) await stack.resumeSchedule();
  const struck = await fault.strike({ ...scene, inflow, held, phase });
  const ending = await settled(stack, held.run);
  await struck.afterwards?.();
  const effects = [...(struck.effects ?? []), ...(await effectsOn(stack, held))];
  const publishedAt = await nextPublish(stack, held.run, struck.healedAt ?? struck.injectedAt);
  for (let run = 0; run < QUIET_RUNS; run++) await billQuietly({ stack, inflow }, `quiet-${name}-${run}`);
  return {
    fault: fault.name,
    phase,
    point,
    small: held.inPlan && phase !== 'plan',
    effects: effects.filter(({ kind }) => fault.counts.includes(kind)),
    ending,
    recoveryMs: publishedAt.getTime() - (struck.healedAt ?? struck.injectedAt).getTime(),
    bills: await judgeBills(stack),
  };
}

interface Try {
  /** A name that is unique within the episode. */
  name: string;
  random: Random;
  /** If true, the affected run has an activity for each task; otherwise a random choice decides. */
  fannedOut: boolean;
}

/** Returns a function that starts several runs at the same moment, in addition to the schedule. */
function concurrentStarts(stack: ChaosStack, name: string, random: Random, smallRuns: number): () => Promise<void> {
  let started = 0;
  return async () => {
    const inputs = Array.from({ length: random.whole(1, CONCURRENT_STARTS_MAX) }, () =>
      random.chance(smallRuns) ? {} : { partitions: random.whole(1, 3), shards: random.whole(1, 3) },
    );
    await Promise.all(
      inputs.map((input) => {
        const workflowId = `start-${name}-${started++}`;
        stack.startedByHand(workflowId);
        return startRun(stack, [input], workflowId);
      }),
    );
  };
}

/** Inserts some calls and bills them. A run that is skipped is started again. */
async function billQuietly({ stack, inflow }: Pick<Ground, 'stack' | 'inflow'>, name: string): Promise<void> {
  await inflow.burst(name, QUIET_CALLS);
  let starts = 0;
  await eventually(
    `${name} is published`,
    async () => {
      const run = await startRun(stack, [QUIET_INPUT], `${name}.${starts++}`);
      return (await run.result()).status === 'published';
    },
    SETTLE_MS,
  );
}

/** Waits until the run is published, or discarded without a trace. */
async function settled(stack: ChaosStack, { runId }: HeldRun): Promise<'published' | 'discarded'> {
  return eventually(
    `run ${runId} is published, or discarded without a trace`,
    async () => {
      const [run] = await stack.ask<{ state: string }>('select state from meterfold.runs where run_id = $1', [runId]);
      const { state } = run!;
      if (state === 'active') return undefined;
      const rows = Object.keys(await rowsOfRun(stack, runId).catch(() => ({ unknown: 1 })));
      if (state === 'published' && rows.every((table) => KEPT_ROWS.has(table))) return state;
      if (state === 'discarded' && rows.length === 0) return state;
      return undefined;
    },
    SETTLE_MS,
  );
}

/** Returns the time of the first publish after `after`, once a run after the affected one has been published too. */
async function nextPublish(stack: ChaosStack, { runId }: HeldRun, after: Date): Promise<Date> {
  const [next] = await eventually(
    `a run after ${runId} is published`,
    async () => {
      const rows = await stack.ask<{ at: Date; last: string }>(
        `select min(published_at) filter (where published_at > $1) as at, max(run_id) as last
           from meterfold.runs where state = 'published'`,
        [after],
      );
      return BigInt(rows[0]!.last ?? 0) > BigInt(runId) && rows[0]!.at !== null && rows;
    },
    SETTLE_MS,
  );
  return next!.at;
}

/**
 * Injects the fault until it has an effect, with a limit. Throws if it has none, or if the system is in a wrong state.
 */
export async function hit(ground: Ground, cell: Cell, name: string, random: Random): Promise<Observed[]> {
  const tries: Observed[] = [];
  const must = cell.fault.mustSee?.[cell.phase];
  for (let number = 0; number < TRIES_MAX; number++) {
    const attempt = `${name}.${number}`;
    const one: Try = { name: attempt, random: random.fork(attempt), fannedOut: must !== undefined && number > 0 };
    const observed = await strike(ground, cell, one).catch((error: Error) => {
      if (!(error instanceof NotReachedError)) throw error;
    });
    if (observed === undefined) continue;
    tries.push(observed);
    const { bills } = observed;
    if (bills.lost > 0 || bills.doubled > 0 || bills.differences.length > 0) {
      throw new Error(`the bills are wrong: ${JSON.stringify(bills)}`);
    }
    if (observed.effects.some(({ kind }) => must === undefined || kind === must)) return tries;
  }
  throw new Error(`no ${must ?? 'effect'} was observed in ${TRIES_MAX} tries`);
}

const TRIES_MAX = 4;
