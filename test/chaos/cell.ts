/**
 * One cell of the matrix: a run is brought to a point of a phase, the fault is done to it, and everything must come right again:
 * the run is published or gone without a trace, the next one bills the rest, and the bills are what the oracle says.
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
/** The rows that any of three shards reads are more than PostgreSQL sends at once, so that a COPY has a middle. */
const BURST_CALLS = 3000;
const HANDS_MAX = 3;
/** Those of the schedule are small as well. */
const SMALL_RUNS = 0.25;
/** That bill undisturbed before the next fault. */
const QUIET_RUNS = 2;
const QUIET_CALLS = 300;
const QUIET_INPUT = { partitions: 3, shards: 3 };
/** Of a published run nothing else may stay. */
const KEPT_ROWS = new Set(['records', 'open_cycles', 'tasks']);

export interface Cell {
  fault: Fault;
  phase: Phase;
}

export interface Observed {
  fault: string;
  phase: Phase;
  point: Point;
  /** It was a small run, past its plan. */
  small: boolean;
  /** Those that count for the fault; none: the fault does not count. */
  effects: Effect[];
  ending: 'published' | 'discarded';
  /** From the healing, or from the fault where nothing is healed, to the next publish. */
  recoveryMs: number;
  bills: Bills;
}

export interface Ground {
  stack: ChaosStack;
  workers: Workers;
  inflow: Inflow;
}

/** Does the fault once; all chance is drawn from `random`. */
async function strike(
  { stack, workers, inflow }: Ground,
  cell: Cell,
  { name, random, fannedOut }: Try,
): Promise<Observed> {
  const { fault, phase } = cell;
  const point = random.pick<Point>(fault.points?.[phase] ?? POINTS[phase]);
  let bursts = 0;
  const moreCalls = () => inflow.burst(`${name}.${bursts++}`, BURST_CALLS);
  const startRuns = hands(stack, name, random, fannedOut ? 0 : SMALL_RUNS);
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
  /** Unique in the episode. */
  name: string;
  random: Random;
  /** The run that is hit has an activity for each of its tasks; otherwise that is left to chance. */
  fannedOut: boolean;
}

/** Each call starts runs by several hands at the same moment, beside the schedule. */
function hands(stack: ChaosStack, name: string, random: Random, smallRuns: number): () => Promise<void> {
  let hand = 0;
  return async () => {
    const inputs = Array.from({ length: random.whole(1, HANDS_MAX) }, () =>
      random.chance(smallRuns) ? {} : { partitions: random.whole(1, 3), shards: random.whole(1, 3) },
    );
    await Promise.all(
      inputs.map((input) => {
        const workflowId = `hand-${name}-${hand++}`;
        stack.startedByHand(workflowId);
        return startRun(stack, [input], workflowId);
      }),
    );
  };
}

/** Some calls, and a run for them; one that is skipped is started again. */
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

/** Waits until the run is published, or given up without a trace. */
async function settled(stack: ChaosStack, { runId }: HeldRun): Promise<'published' | 'discarded'> {
  return eventually(
    `run ${runId} is published, or given up without a trace`,
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

/** The first publish after a moment, once the run after the one that was hit has been published too. */
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

/** Does the fault until it has an effect, bounded. Throws if it has none, and if anything is not as it must be. */
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
  throw new Error(`no ${must ?? 'effect'} to be seen in ${TRIES_MAX} tries`);
}

const TRIES_MAX = 4;
