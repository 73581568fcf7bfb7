/**
 * A small run is one activity: plan also maps its only partition, reduces its only shard, recounts and publishes. To
 * dispatch an activity for each would take longer than the work, and four times as many events in the history.
 *
 * It calls the functions of the other activities, each with its own transaction. If one of them fails, or all take
 * longer than an attempt is certainly the newest (contract/timeouts.ts), the run falls back to one activity per task.
 * These find what is done already, and are retried, paused, cancelled and reported like those of any other run.
 */
import { once } from 'node:events';
import { Context } from '@temporalio/activity';
import { askedDigest, type PublishedFigures } from '../billing/proof.js';
import type { PlanInput, PlannedRun, SegmentsLost, SkippedRun } from '../contract/activities.js';
import type { BillingRunInput } from '../contract/billing-run.js';
import { SMALL_RUN_CALLS } from '../engine/cuts.js';
import { endAttemptsOf } from '../runs/attempts.js';
import { renewLease } from '../runs/run.js';
import { SegmentsLostError } from '../runs/segments.js';
import { toFailure } from './failures.js';
import type { createMap } from './map.js';
import { type createPlan, newestUntil } from './plan.js';
import type { createPublish } from './publish.js';
import type { createRecount } from './recount.js';
import type { createReduce } from './reduce.js';
import type { ActivityDependencies } from './task.js';

type Stages = ReturnType<typeof createPlan> &
  ReturnType<typeof createMap> &
  ReturnType<typeof createReduce> &
  ReturnType<typeof createRecount> &
  ReturnType<typeof createPublish>;

/** Adds small runs to plan, and returns all activities of a run except discard. */
export function createSmallRun({ pool, log }: ActivityDependencies, stages: Stages) {
  async function planRun(input: PlanInput): Promise<PlannedRun | SkippedRun> {
    const { info, cancellationSignal } = Context.current();
    const newest = newestUntil();
    const plan = await stages.planRun(input);
    if (plan.status === 'skipped' || !isSmall(plan, input.billing)) return plan;
    const fallBack = () => fallBackToTasks(BigInt(plan.runId), info.activityId, input);
    // An earlier attempt may be frozen while it holds the run or a task, or may have published the run.
    if (info.attempt > 1) return fallBack();
    const msLeft = newest - Date.now();
    if (plan.published !== undefined || msLeft <= 0) return plan;
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(new Error('a small run took too long: another attempt may have begun')),
      msLeft,
    );
    // A publish that has begun is finished, however long it takes.
    const onPublish = () => clearTimeout(timer);
    try {
      const published = await Promise.race([bill(plan, late.signal, onPublish), rejectedWhen(late.signal)]);
      return markSmall({ ...plan, published });
    } catch (error) {
      if (cancellationSignal.aborted) throw error;
      log.warn({ run: plan.runId, err: error }, 'a small run falls back to one activity per task');
      return fallBack();
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Terminates what this activity has begun, and returns the run's plan, from which the workflow schedules the tasks
   * that are left. The run is published if a publish has been committed meanwhile.
   */
  async function fallBackToTasks(runId: bigint, activityId: string, input: PlanInput) {
    try {
      await endAttemptsOf(pool, runId, activityId);
      // The tasks' commits did not wait for the disk. This one does, and so makes them durable before other activities
      // rely on them.
      await renewLease(pool, runId);
    } catch (error) {
      throw toFailure(error);
    }
    const plan = await stages.planRun(input);
    return plan.status === 'planned' ? markSmall(plan) : plan;
  }

  async function bill(plan: PlannedRun, late: AbortSignal, onPublish: () => void): Promise<PublishedFigures> {
    const { runId, after, to, partitions, shards } = plan;
    const task = { runId, number: 0, small: true };
    const maps = await Promise.all(partitions.map(() => stages.mapPartition(task)));
    late.throwIfAborted();
    const [recount, ...reduces] = await Promise.all([
      after === to ? undefined : stages.recount({ ...task, ...askedDigest(outcomesOf(maps)) }),
      ...shards.map(() => stages.reduceShard(task)),
    ]);
    late.throwIfAborted();
    onPublish();
    const proof = { maps: outcomesOf(maps), reduces: outcomesOf(reduces), recount: recount?.outcome };
    return (await stages.publishRun({ runId, ...proof })).figures;
  }

  return { ...stages, planRun };
}

/** Marks a plan whose run this activity has published, in this attempt or an earlier one. */
function markSmall(plan: PlannedRun): PlannedRun {
  return plan.published === undefined ? plan : { ...plan, small: true };
}

function outcomesOf<Outcome>(done: readonly ({ outcome: Outcome } | SegmentsLost)[]): Outcome[] {
  return done.map((one) => {
    if ('segmentsLost' in one) throw new SegmentsLostError(one.segmentsLost);
    return one.outcome;
  });
}

async function rejectedWhen(signal: AbortSignal): Promise<never> {
  await once(signal, 'abort');
  throw signal.reason;
}

function isSmall({ partitions, shards, callsExpected }: PlannedRun, asked: BillingRunInput): boolean {
  if (asked.partitions !== undefined || asked.shards !== undefined) return false;
  return partitions.length <= 1 && shards.length <= 1 && callsExpected <= SMALL_RUN_CALLS;
}
