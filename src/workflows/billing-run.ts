/**
 * The billing run: plan → map → reduce beside recount → publish.
 *
 * Nothing of size travels here: positions, counts and digests. Whatever goes wrong, or is cancelled, before the run is published
 * ends in discard; a workflow that is terminated or lost cleans nothing up, and the next run's plan does it.
 */
import {
  ActivityCancellationType,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  isCancellation,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { createDiscard } from '../activities/discard.js';
import type { createMap } from '../activities/map.js';
import type { createPlan, PlannedRun } from '../activities/plan.js';
import type { createPublish } from '../activities/publish.js';
import type { createRecount } from '../activities/recount.js';
import type { createReduce } from '../activities/reduce.js';
import type { PublishedFigures } from '../domain/proof.js';
import { fanOut } from './fan-out.js';
import { checkInput } from './input.js';
import { type BillingRunInput, type BillingRunResult, progressQuery } from './messages.js';
import { Progress } from './progress.js';
import { RunStatistics } from './statistics.js';

type Coordination = ReturnType<typeof createPlan> & ReturnType<typeof createPublish> & ReturnType<typeof createDiscard>;
type Tasks = ReturnType<typeof createMap> & ReturnType<typeof createReduce> & ReturnType<typeof createRecount>;

/** Tries go on for as long as the run may last: a database that is down for an hour delays a run, and does not fail it. */
const retry = { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '10s' } as const;

const { planRun, publishRun, discardRun } = proxyActivities<Coordination>({
  startToCloseTimeout: '30m',
  heartbeatTimeout: '10s',
  // A plan that still runs could open a run behind the back of its discard.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry,
});

// Eager dispatch would give all of them to the pod that happens to run the workflow.
const tasks = proxyActivities<Tasks>({
  startToCloseTimeout: '2h',
  heartbeatTimeout: '10s',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  allowEagerDispatch: false,
  retry,
});

/** Temporal takes summaries of up to 400 bytes. */
const SUMMARY_MAX = 100;
/** Activities in flight at a time; far below Temporal's limit of 2,000 pending ones. */
const IN_FLIGHT_MAX = 100;

export async function billingRun(input: BillingRunInput = {}): Promise<BillingRunResult> {
  const progress = new Progress();
  setHandler(progressQuery, () => progress.now);
  checkInput(input);

  const { firstExecutionRunId } = workflowInfo();
  const statistics = new RunStatistics();
  const work = new CancellationScope();
  try {
    const plan = await planRun.executeWithOptions({ summary: 'open the run, seal its end, cut the work' }, [
      { billing: input, firstExecutionRunId },
    ]);
    // A plan that ended in spite of a cancellation; without work to do nothing else would notice it before publishing.
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    if (plan.status === 'skipped') {
      progress.skipped(plan.message);
      return plan;
    }
    progress.planned(plan);
    statistics.add(plan);
    const published = await work.run(() => fold(plan, progress, statistics));
    progress.published(published, plan.terms.currency);
    return result(plan, published, statistics);
  } catch (error) {
    progress.phase('discarding');
    // The discard must not queue behind the siblings of an activity that has failed.
    work.cancel();
    const reason = reasonOf(error);
    const answer = await CancellationScope.nonCancellable(() =>
      discardRun.executeWithOptions({ summary: `discard: ${reason}`.slice(0, SUMMARY_MAX) }, [
        { firstExecutionRunId, reason },
      ]),
    );
    if (answer.status !== 'already published') throw error;
    throw ApplicationFailure.nonRetryable(`the run is published, but its result was lost: ${reason}`, 'ResultLost');
  }
}

async function fold(plan: PlannedRun, progress: Progress, statistics: RunStatistics): Promise<PublishedFigures> {
  const { runId, terms, previousRunId } = plan;
  const callsPerCycle = terms.callsPerCycle;

  progress.phase('mapping');
  const maps = await fanOut(plan.partitions, IN_FLIGHT_MAX, async ({ first, last }, number) => {
    const summary = `calls ${first} to ${last}`;
    const mapped = await tasks.mapPartition.executeWithOptions({ summary }, [{ runId, number }]);
    statistics.add(mapped, mapped.outcome.calls);
    progress.mapped(mapped.outcome.calls);
    return mapped.outcome;
  });

  progress.phase('reducing');
  const reduceAll = fanOut(plan.shards, IN_FLIGHT_MAX, async ({ first, end }, number) => {
    const summary = `buckets ${first} to ${end - 1}`;
    const reduced = await tasks.reduceShard.executeWithOptions({ summary }, [
      { runId, number, callsPerCycle, previousRunId },
    ]);
    statistics.add(reduced);
    progress.reduced(reduced.outcome);
    return reduced.outcome;
  });
  const recountAll = fanOut(plan.to === plan.after ? [] : [plan], 1, async ({ after, to }) => {
    const recounted = await tasks.recount.executeWithOptions({ summary: `calls after ${after} to ${to}` }, [
      { runId, number: 0 },
    ]);
    statistics.add(recounted);
    return recounted.outcome;
  });
  const [reduces, [recount]] = await Promise.all([reduceAll, recountAll]);

  // From here on the run is published or fails; a cancellation that comes now is too late.
  progress.phase('publishing');
  const published = await CancellationScope.nonCancellable(() =>
    publishRun.executeWithOptions({ summary: `prove run ${runId} and make it visible` }, [
      { runId, callsPerCycle, recount, maps, reduces },
    ]),
  );
  statistics.add(published);
  return published.figures;
}

function result(plan: PlannedRun, published: PublishedFigures, statistics: RunStatistics): BillingRunResult {
  return {
    status: 'published',
    runId: plan.runId,
    range: { after: plan.after, to: plan.to },
    ...published,
    currency: plan.terms.currency,
    pricePerUnit: plan.terms.pricePerUnit,
    activities: statistics.activities(),
    workers: statistics.workers(),
    heldUpBy: plan.heldUpBy,
  };
}

function reasonOf(error: unknown): string {
  if (isCancellation(error)) return 'cancelled';
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
