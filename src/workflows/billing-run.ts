/**
 * The billing run: plan → map → reduce beside recount → publish; a small run is all done by the activity that plans it.
 *
 * Nothing of size travels here: positions, counts and digests. Whatever goes wrong, or is cancelled, before the run is published
 * ends in discard, at once or after it was held for an operator; a workflow that is terminated or lost cleans nothing up, and the
 * next run's plan does it.
 */
import {
  allHandlersFinished,
  CancellationScope,
  CancelledFailure,
  condition,
  isCancellation,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { type Race, twin, withBackups } from '../backups/stragglers.js';
import {
  askedDigest,
  type MapOutcome,
  type PublishedFigures,
  type RecountOutcome,
  type ReduceOutcome,
} from '../billing/proof.js';
import type { PlannedRun, SkippedRun } from '../contract/activities.js';
import {
  type BillingRunInput,
  type BillingRunResult,
  type PublishedResult,
  progressQuery,
  retrySignal,
} from '../contract/billing-run.js';
import { INSTALLATION_MEMO } from '../contract/installation.js';
import type { BucketRange } from '../engine/cuts.js';
import { planRun, publishRun, recount, tasks } from './activities.js';
import { Control } from './control.js';
import { mayBeHeld, reasonOf, typeOf } from './failures.js';
import { fanOut } from './fan-out.js';
import { giveUp } from './give-up.js';
import { checkInput } from './input.js';
import { MapRestarts } from './map-restarts.js';
import { countEnded, countProofFailure, countPublished } from './metrics.js';
import { Progress } from './progress.js';
import { publishedResult } from './result.js';
import { RunStatistics } from './statistics.js';

/** Activities in flight at a time; far below Temporal's limit of 2,000 pending ones. */
const IN_FLIGHT_MAX = 100;

export async function billingRun(input: BillingRunInput = {}): Promise<BillingRunResult> {
  const progress = new Progress();
  setHandler(progressQuery, () => progress.now);
  setHandler(retrySignal, (retry) => progress.retrying(retry));
  const control = new Control(progress);
  try {
    checkInput(input);
    const result = await new BillingRun(input, progress, control).run();
    countEnded(result.status);
    return result;
  } catch (error) {
    countEnded(isCancellation(error) ? 'cancelled' : 'failed');
    throw error;
  } finally {
    control.ended();
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}

class BillingRun {
  readonly #input: BillingRunInput;
  readonly #progress: Progress;
  readonly #control: Control;
  readonly #statistics: RunStatistics;
  readonly #restarts = new MapRestarts();
  // How far it has come; what is there is not done again after a failure.
  #plan: PlannedRun | SkippedRun | undefined;
  readonly #maps: MapOutcome[] = [];
  readonly #reduces: ReduceOutcome[] = [];
  readonly #recounts: RecountOutcome[] = [];

  constructor(input: BillingRunInput, progress: Progress, control: Control) {
    this.#input = input;
    this.#progress = progress;
    this.#statistics = new RunStatistics(progress);
    this.#control = control;
  }

  /** Whose database it bills, for the activities to check: by its plan, before that by its memo. Absent where neither says. */
  get #installation(): { installation?: string } {
    const planned = this.#plan?.status === 'planned' ? this.#plan.installation : undefined;
    const installation = planned ?? workflowInfo().memo?.[INSTALLATION_MEMO];
    return typeof installation === 'string' ? { installation } : {};
  }

  async run(): Promise<BillingRunResult> {
    for (;;) {
      try {
        return await this.#control.work(() => this.#bill());
      } catch (error) {
        // Neither another try nor the discard must queue behind the siblings of an activity that has failed.
        this.#control.stop();
        if (typeOf(error) === 'ProofError') countProofFailure();
        if (!(await this.#isToBeRetried(error))) return this.#giveUp(error);
        this.#restarts.reset();
      }
    }
  }

  async #bill(): Promise<BillingRunResult> {
    this.#plan ??= await this.#openRun();
    const plan = this.#plan;
    if (plan.status === 'planned' && plan.published !== undefined) {
      this.#progress.planned(plan);
      return this.#result(plan, plan.published);
    }
    // A plan that ended in spite of a cancellation; without work to do nothing else would notice it before publishing.
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    if (plan.status === 'skipped') {
      const { status, activeRunId, message } = plan;
      this.#progress.skipped(message);
      return { status, activeRunId, message };
    }
    this.#progress.planned(plan);
    await this.#map(plan);
    await Promise.all([this.#recount(plan), this.#reduceAll(plan)]);
    return this.#result(plan, await this.#publish(plan));
  }

  async #openRun(): Promise<PlannedRun | SkippedRun> {
    this.#progress.phase('planning');
    await this.#control.gate();
    const { firstExecutionRunId } = workflowInfo();
    const input = { billing: this.#input, firstExecutionRunId, ...this.#installation };
    const summary = 'open the run, seal its end, cut the work; all of a small run';
    const plan = await this.#statistics.count(
      'plan',
      () => planRun.executeWithOptions({ summary }, [input]),
      (planned) => ({ ...planned, ...(isSmall(planned) ? { calls: planned.published.calls } : {}) }),
    );
    if (isSmall(plan)) countPublished(plan.published, plan.terms.currency);
    return plan;
  }

  async #map({ runId, partitions, backups }: PlannedRun): Promise<void> {
    this.#progress.phase('mapping');
    await this.#fanOut(partitions, this.#maps, backups, async ({ first, last }, number, race) => {
      const summary = `calls ${first} to ${last}`;
      const { outcome } = await race(number, (backup) =>
        this.#statistics.count(
          `map ${number}`,
          () =>
            tasks.mapPartition.executeWithOptions({ summary }, [
              { runId, number, ...this.#installation, ...twin(backup) },
            ]),
          (mapped) => ({ ...mapped, calls: mapped.outcome.calls }),
          backup,
        ),
      );
      this.#progress.mapped(outcome.calls);
      return outcome;
    });
  }

  /** Reduces all shards. If segments were lost, map restarts first; shards that are done stay done. */
  async #reduceAll(plan: PlannedRun): Promise<void> {
    for (;;) {
      const loss = await this.#reduce(plan);
      if (loss === undefined) return;
      // Partitions that still have their segments return their stored outcomes at once.
      this.#maps.length = 0;
      this.#progress.restartMap();
      this.#progress.phase('mapping');
      await this.#restarts.next(loss);
      await this.#map(plan);
    }
  }

  /** Reduces the shards that are left; returns what was lost if a reduce found that segments are, after those under way have ended. */
  async #reduce({ runId, shards, backups }: PlannedRun): Promise<string | undefined> {
    let loss: string | undefined;
    this.#progress.phase('reducing');
    const reduce = async ({ first, end }: BucketRange, number: number, race: Race) => {
      const summary = `buckets ${first} to ${end - 1}`;
      const input = { runId, number, ...this.#installation };
      const reduced = await race(number, (backup) =>
        this.#statistics.count(
          `reduce ${number}`,
          () => tasks.reduceShard.executeWithOptions({ summary }, [{ ...input, ...twin(backup) }]),
          (done) => done,
          backup,
        ),
      );
      if ('segmentsLost' in reduced) {
        loss = reduced.segmentsLost;
        return undefined;
      }
      this.#progress.reduced(reduced.outcome);
      return reduced.outcome;
    };
    await this.#fanOut(shards, this.#reduces, backups, reduce, () => loss !== undefined);
    return loss;
  }

  async #recount({ runId, after, to }: PlannedRun): Promise<void> {
    if (to === after) return;
    await this.#fanOut([runId], this.#recounts, false, async () => {
      const { outcome } = await this.#statistics.count(
        'recount',
        () =>
          recount.executeWithOptions({ summary: `calls after ${after} to ${to}` }, [
            { runId, number: 0, ...this.#installation, ...askedDigest(this.#maps) },
          ]),
        (recounted) => recounted,
      );
      return outcome;
    });
  }

  /** From here on the run is published or fails; a cancellation that comes now is too late. */
  async #publish({ runId, terms }: PlannedRun): Promise<PublishedFigures> {
    await this.#control.gate();
    // Nothing was under way that would have noticed.
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    this.#progress.phase('publishing');
    const proof = { maps: this.#maps, reduces: this.#reduces, recount: this.#recounts[0] };
    const published = await CancellationScope.nonCancellable(() =>
      this.#statistics.count(
        'publish',
        () =>
          publishRun.executeWithOptions({ summary: `prove run ${runId} and make it visible` }, [
            { runId, ...this.#installation, ...proof },
          ]),
        (done) => done,
      ),
    );
    countPublished(published.figures, terms.currency);
    return published.figures;
  }

  #fanOut<Item, Result>(
    items: readonly Item[],
    results: Result[],
    backups: boolean,
    run: (item: Item, number: number, race: Race) => Promise<Result | undefined>,
    stopped?: () => boolean,
  ): Promise<Result[]> {
    const { gate } = this.#control;
    const left = items.filter((_, number) => results[number] === undefined).length;
    return withBackups({ tasks: left, backups, gate }, (race) =>
      fanOut(items, { results, inFlightMax: IN_FLIGHT_MAX, gate, ...(stopped && { stopped }) }, (item, number) =>
        run(item, number, race),
      ),
    );
  }

  #result(plan: PlannedRun, published: PublishedFigures): PublishedResult {
    this.#progress.published(published, plan.terms.currency);
    return publishedResult(plan, published, this.#statistics);
  }

  async #isToBeRetried(error: unknown): Promise<boolean> {
    const { holdFailedSeconds = 0 } = this.#input;
    if (holdFailedSeconds === 0 || !mayBeHeld(error)) return false;
    // A cancellation of the workflow ends the wait.
    return this.#control.hold(reasonOf(error), holdFailedSeconds).catch(() => false);
  }

  #giveUp(error: unknown): Promise<BillingRunResult> {
    const plan = this.#plan?.status === 'planned' ? this.#plan : undefined;
    const [control, progress, installation] = [this.#control, this.#progress, this.#installation];
    return giveUp(error, { plan, control, progress, installation, result: (...of) => this.#result(...of) });
  }
}

/** Whether it is published by now, by the activity that has planned it. */
function isSmall(plan: PlannedRun | SkippedRun): plan is PlannedRun & { published: PublishedFigures } {
  return plan.status === 'planned' && plan.small === true;
}
