/**
 * The billing run: plan → map → reduce beside recount → publish. A small run is done entirely by the activity that
 * plans it.
 *
 * Only positions, counts and digests pass through Temporal. If anything fails or is cancelled before the run is
 * published, the run is discarded, at once or after it was held for an operator. A workflow that is terminated or lost
 * discards nothing; the next run's plan does.
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
import { withBackups } from '../backups/stragglers.js';
import {
  askedDigest,
  type MapOutcome,
  type PublishedFigures,
  type RecountOutcome,
  type ReduceOutcome,
} from '../billing/proof.js';
import type { DoneBy, Overtaken, PlannedRun, SkippedRun, TaskInput } from '../contract/activities.js';
import {
  type BillingRunInput,
  type BillingRunResult,
  type PublishedResult,
  progressQuery,
  retrySignal,
} from '../contract/billing-run.js';
import { INSTALLATION_MEMO } from '../contract/installation.js';
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

/** Activities in flight at a time. Temporal allows 2,000 pending activities per workflow. */
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

/** The tasks of one phase. */
interface Tasks<Item, Result, Outcome> {
  kind: 'map' | 'reduce';
  items: readonly Item[];
  /** Outcomes by the item's number. An item that has one is not run again. */
  outcomes: Outcome[];
  activity: (item: Item, input: TaskInput) => Promise<Result>;
  /** Stores progress and returns the outcome; undefined if the task must be run again. */
  take: (result: Result) => Outcome | undefined;
  callsIn?: (result: Result) => string;
  stopped?: () => boolean;
}

class BillingRun {
  readonly #input: BillingRunInput;
  readonly #progress: Progress;
  readonly #control: Control;
  readonly #statistics: RunStatistics;
  readonly #restarts = new MapRestarts();
  // What is completed so far. It is not done again after a retry by an operator.
  #plan: PlannedRun | SkippedRun | undefined;
  readonly #maps: MapOutcome[] = [];
  readonly #reduces: ReduceOutcome[] = [];
  #recounted: RecountOutcome | undefined;

  constructor(input: BillingRunInput, progress: Progress, control: Control) {
    this.#input = input;
    this.#progress = progress;
    this.#statistics = new RunStatistics(progress);
    this.#control = control;
  }

  /** Bills until the run is published, skipped or discarded. After a failure an operator may retry the run. */
  async run(): Promise<BillingRunResult> {
    for (;;) {
      try {
        return await this.#control.work(() => this.#bill());
      } catch (error) {
        // Cancels the other activities of the phase: a retry and the discard must not queue behind them.
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
    // The plan may have completed although the workflow was cancelled. A run without tasks would notice that only here.
    this.#throwIfCancelled();
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
      { name: 'plan', callsIn: (plan) => (isSmall(plan) ? plan.published.calls : '0') },
      () => planRun.executeWithOptions({ summary }, [input]),
    );
    if (isSmall(plan)) countPublished(plan.published, plan.terms.currency);
    return plan;
  }

  async #map(plan: PlannedRun): Promise<void> {
    this.#progress.phase('mapping');
    await this.#runTasks(plan, {
      kind: 'map',
      items: plan.partitions,
      outcomes: this.#maps,
      activity: ({ first, last }, input) =>
        tasks.mapPartition.executeWithOptions({ summary: `calls ${first} to ${last}` }, [input]),
      callsIn: ({ outcome }) => outcome.calls,
      take: ({ outcome }) => {
        this.#progress.mapped(outcome.calls);
        return outcome;
      },
    });
  }

  /** Reduces all shards. If segments were lost, map restarts first; shards that are reduced stay so. */
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

  /**
   * Reduces the shards that have no outcome yet. If a reduce finds that segments were lost, no further one is begun,
   * and the loss is returned when those in flight have ended.
   */
  async #reduce(plan: PlannedRun): Promise<string | undefined> {
    let loss: string | undefined;
    this.#progress.phase('reducing');
    await this.#runTasks(plan, {
      kind: 'reduce',
      items: plan.shards,
      outcomes: this.#reduces,
      activity: ({ first, end }, input) =>
        tasks.reduceShard.executeWithOptions({ summary: `buckets ${first} to ${end - 1}` }, [input]),
      take: (reduced) => {
        if ('segmentsLost' in reduced) {
          loss = reduced.segmentsLost;
          return undefined;
        }
        this.#progress.reduced(reduced.outcome);
        return reduced.outcome;
      },
      stopped: () => loss !== undefined,
    });
    return loss;
  }

  async #recount({ runId, after, to }: PlannedRun): Promise<void> {
    if (to === after || this.#recounted !== undefined) return;
    const gate = this.#control.gate();
    // Without a pause it is begun before reduce, with no turn of the event loop in between.
    if (gate !== undefined) await gate;
    const input = { runId, number: 0, ...this.#installation, ...askedDigest(this.#maps) };
    const { outcome } = await this.#statistics.count({ name: 'recount' }, () =>
      recount.executeWithOptions({ summary: `calls after ${after} to ${to}` }, [input]),
    );
    this.#recounted = outcome;
  }

  /** Publishes the run. Once the activity is scheduled, a cancellation is too late: the run is published or fails. */
  async #publish({ runId, terms }: PlannedRun): Promise<PublishedFigures> {
    await this.#control.gate();
    // During a pause no activity is in flight that would notice a cancellation.
    this.#throwIfCancelled();
    this.#progress.phase('publishing');
    const proof = { maps: this.#maps, reduces: this.#reduces, recount: this.#recounted };
    const { figures } = await CancellationScope.nonCancellable(() =>
      this.#statistics.count({ name: 'publish' }, () =>
        publishRun.executeWithOptions({ summary: `prove run ${runId} and make it visible` }, [
          { runId, ...this.#installation, ...proof },
        ]),
      ),
    );
    countPublished(figures, terms.currency);
    return figures;
  }

  /** Runs the tasks of a phase that have no outcome yet, and stores their outcomes. */
  async #runTasks<Item, Result extends DoneBy & { ms?: number; overtaken?: Overtaken[] }, Outcome>(
    { runId, backups }: PlannedRun,
    { kind, items, outcomes, activity, take, callsIn, stopped }: Tasks<Item, Result, Outcome>,
  ): Promise<void> {
    const { gate } = this.#control;
    const left = items.filter((_, number) => outcomes[number] === undefined).length;
    await withBackups({ tasks: left, backups, gate }, (runTask) =>
      fanOut(items, { results: outcomes, inFlightMax: IN_FLIGHT_MAX, gate, stopped }, async (item, number) => {
        const result = await runTask(number, (backup) =>
          this.#statistics.count({ name: `${kind} ${number}`, backup, callsIn }, () =>
            activity(item, { runId, number, ...this.#installation, ...(backup ? { backup } : {}) }),
          ),
        );
        return take(result);
      }),
    );
  }

  /**
   * The installation whose database the run bills, for activities to check: from the plan, before that from the memo.
   * Empty if neither has it, because a person started the run by hand.
   */
  get #installation(): { installation?: string } {
    const planned = this.#plan?.status === 'planned' ? this.#plan.installation : undefined;
    const installation = planned ?? workflowInfo().memo?.[INSTALLATION_MEMO];
    return typeof installation === 'string' ? { installation } : {};
  }

  #result(plan: PlannedRun, published: PublishedFigures): PublishedResult {
    this.#progress.published(published, plan.terms.currency);
    return publishedResult(plan, published, this.#statistics);
  }

  #throwIfCancelled(): void {
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
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

/** True if plan has already published the run, because it was small. */
function isSmall(plan: PlannedRun | SkippedRun): plan is PlannedRun & { published: PublishedFigures } {
  return plan.status === 'planned' && plan.small === true;
}
