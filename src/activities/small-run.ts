/**
 * A small run is one task: the activity that has planned it goes on with its only partition and its only shard, and publishes it. To hand
 * each of these over would take longer than all of them, and four times as many events.
 *
 * It does what the other activities do, by their own code and their own transactions. Whatever goes wrong, or takes long, is left to them:
 * they find what is done, and it is they that are tried again, paused, cancelled, and looked at.
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

/** Plan as the workflow asks for it: of a small run, it is all. */
export function createSmallRun({ pool, log }: ActivityDependencies, stages: Stages) {
  async function planRun(input: PlanInput): Promise<PlannedRun | SkippedRun> {
    const { info, cancellationSignal } = Context.current();
    const newest = newestUntil();
    const plan = await stages.planRun(input);
    if (plan.status === 'skipped' || !isSmall(plan, input.billing)) return plan;
    const runId = BigInt(plan.runId);
    // It may be frozen, and keep the run or its tasks from those that are to go on. Publishing it may have come to its end after all.
    const leave = async () => {
      try {
        await endAttemptsOf(pool, runId, info.activityId);
        // The other activities rely on what the tasks have committed: this commit waits for the disk, and so for theirs.
        await renewLease(pool, runId);
      } catch (error) {
        throw toFailure(error);
      }
      const now = await stages.planRun(input);
      return now.status === 'planned' ? ended(now) : now;
    };
    if (info.attempt > 1) return leave();
    // By then another attempt may have overtaken this one.
    const msLeft = newest - Date.now();
    if (plan.published !== undefined || msLeft <= 0) return plan;
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(new Error('a small run took too long: another attempt may have begun')),
      msLeft,
    );
    // A publish that has begun is not left to others.
    const onPublish = () => clearTimeout(timer);
    try {
      const published = await Promise.race([bill(plan, late.signal, onPublish), failing(late.signal)]);
      return ended({ ...plan, published });
    } catch (error) {
      if (cancellationSignal.aborted) throw error;
      log.warn({ run: plan.runId, err: error }, 'a small run is left to the other activities');
      return leave();
    } finally {
      clearTimeout(timer);
    }
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

/** As this activity has left it, at this attempt or an earlier one. */
function ended(plan: PlannedRun): PlannedRun {
  return plan.published === undefined ? plan : { ...plan, small: true };
}

function outcomesOf<Outcome>(done: readonly ({ outcome: Outcome } | SegmentsLost)[]): Outcome[] {
  return done.map((one) => {
    if ('segmentsLost' in one) throw new SegmentsLostError(one.segmentsLost);
    return one.outcome;
  });
}

async function failing(signal: AbortSignal): Promise<never> {
  await once(signal, 'abort');
  throw signal.reason;
}

function isSmall({ partitions, shards, callsExpected }: PlannedRun, asked: BillingRunInput): boolean {
  if (asked.partitions !== undefined || asked.shards !== undefined) return false;
  return partitions.length <= 1 && shards.length <= 1 && callsExpected <= SMALL_RUN_CALLS;
}
