/**
 * Plan: opens the run, seals its end, and cuts it into tasks.
 *
 * A workflow that already has a run continues it (after a retry or a reset), or returns its figures if it is published.
 * If another workflow's run is active, the owner's state decides: if Temporal says that the owner is running, this
 * start is skipped; if the owner has closed, its run is discarded. If Temporal does not know the owner or cannot be
 * asked, the lease decides.
 */
import { ApplicationFailure, Context } from '@temporalio/activity';
import { type BillingTerms, termsIn } from '../billing/terms.js';
import { termsSchema } from '../config.js';
import type { PlanInput, PlannedRun, SkippedRun } from '../contract/activities.js';
import type { BillingRunInput } from '../contract/billing-run.js';
import { NEWEST_MS } from '../contract/timeouts.js';
import { cutPartitions, cutShards, mapsFor, reducesFor } from '../engine/cuts.js';
import { surveyRange } from '../log/survey.js';
import { AlreadyPublishedError, discardRun } from '../runs/discard.js';
import type { Ender } from '../runs/ending.js';
import { type NewRun, openRun } from '../runs/open.js';
import { readPublished } from '../runs/published.js';
import { type Owner, type Run, RunGoneError, readActiveRun, readRun, readRunOf, renewLease } from '../runs/run.js';
import { sealRun } from '../runs/seal.js';
import { type Plan, readPlan, storePlan } from '../runs/tasks.js';
import { countSlots } from '../runs/worker-processes.js';
import { askOwner } from '../temporal/owner.js';
import { withHeartbeat } from './heartbeat.js';
import { checkInstallation } from './installation.js';
import { type ActivityDependencies, doneBy } from './task.js';

/**
 * The time, in ms of this machine's clock, until which the current attempt is certainly the newest one of its activity
 * (contract/timeouts.ts).
 */
export function newestUntil(): number {
  return Math.min(Date.now(), Context.current().info.currentAttemptScheduledTimestampMs) + NEWEST_MS;
}

export function createPlan(dependencies: ActivityDependencies) {
  const { pool, settings, temporal, log } = dependencies;

  async function planRun(input: PlanInput): Promise<PlannedRun | SkippedRun> {
    checkInstallation(dependencies.installation, input.installation);
    const terms = checkedTerms({ ...dependencies.terms, ...termsIn(input.billing) });
    const owner: Owner = {
      temporalAddress: temporal.address,
      temporalNamespace: temporal.namespace,
      workflowId: Context.current().info.workflowExecution?.workflowId ?? '',
      firstExecutionRunId: input.firstExecutionRunId,
    };
    const badCalls = input.billing.badCalls ?? settings.badCalls;
    const checkOwner = makeOwnerCheck(owner);
    return withHeartbeat({ log }, async () => {
      const run = await openOrTakeOver({ owner, executionRunId: executionRunId(), terms, badCalls }, checkOwner);
      if ('status' in run) return run;
      const plan = await (run.sealedEnd === undefined ? sealAndCut(run, input.billing) : readPlan(pool, run.runId));
      return describePlan(run, plan, input.billing.backups ?? settings.backups);
    });
  }

  /**
   * The run that this workflow already has; undefined if it may open one. After a reset, another execution may open a
   * run although an earlier one was discarded or reverted.
   */
  async function readOwn(owner: Owner): Promise<Run | undefined> {
    const own = await readRunOf(pool, owner);
    if (own === undefined) return undefined;
    if (own.state === 'active' || own.state === 'published') return readRun(pool, own.runId);
    if (own.executionRunId !== executionRunId()) return undefined;
    throw new RunGoneError(`run ${own.runId} of this workflow was ${own.state}: ${own.reason}`);
  }

  /**
   * Returns a check that the workflow still waits for this plan. An attempt that was frozen may wake up when its
   * workflow has ended, and must not open a run that has no owner.
   */
  function makeOwnerCheck(owner: Owner): () => Promise<void> {
    const { cancellationSignal } = Context.current();
    const newest = newestUntil();
    return async () => {
      cancellationSignal.throwIfAborted();
      if (Date.now() < newest || (await askOwner(Context.current().client, owner, temporal)) !== 'closed') return;
      throw new RunGoneError(`workflow ${owner.workflowId} has ended: it no longer waits for this plan`);
    };
  }

  async function openOrTakeOver(newRun: NewRun, checkOwner: () => Promise<void>): Promise<Run | SkippedRun> {
    const { owner } = newRun;
    for (;;) {
      const own = await readOwn(owner);
      if (own !== undefined) return own;
      const opened = await openRun(pool, newRun, checkOwner);
      if (opened !== undefined) return opened;
      const active = await readActiveRun(pool);
      // The active run has just ended, or another attempt of this plan has opened it.
      if (active === undefined || isSame(active.owner, owner)) continue;
      const answer = await askOwner(Context.current().client, active.owner, temporal);
      const leaseIsOld = active.leaseAgeMs > settings.leaseMs;
      if (answer === 'running' || (answer === 'unknown' && !leaseIsOld)) {
        return {
          status: 'skipped',
          ...doneBy(),
          activeRunId: String(active.runId),
          message: `skipped: run ${active.runId} in progress`,
        };
      }
      const reason =
        answer === 'closed'
          ? `its workflow ${active.owner.workflowId} has ended without publishing it`
          : `Temporal does not know its workflow ${active.owner.workflowId}, and its lease is ${Math.round(active.leaseAgeMs / 1000)} s old`;
      log.warn({ run: String(active.runId), reason }, 'taking over from an abandoned run');
      await discardRun(pool, active.runId, `taken over by ${owner.workflowId}: ${reason}`, takeOverEnder()).catch(
        (error: Error) => {
          // It was published after it was read as active.
          if (!(error instanceof AlreadyPublishedError)) throw error;
        },
      );
    }
  }

  async function sealAndCut(run: Run, billing: BillingRunInput): Promise<Plan> {
    const { cancellationSignal } = Context.current();
    const seal = await sealRun(pool, run.runId, {
      watermark: run.watermark,
      waitMs: settings.sealWaitMs,
      onWait: async () => {
        cancellationSignal.throwIfAborted();
        await renewLease(pool, run.runId);
      },
    });
    const range = { first: run.watermark + 1n, last: seal.sealedEnd };
    const { occupied, calls } = await surveyRange(pool, range);
    const slots = await countSlots(pool, settings.slots);
    const partitions =
      occupied.length === 0 ? [] : cutPartitions(occupied, billing.partitions ?? mapsFor(calls, slots));
    const shards = occupied.length === 0 ? [] : cutShards(billing.shards ?? reducesFor(calls, slots));
    return storePlan(pool, run, seal, partitions, shards, dependencies.logReplica !== undefined);
  }

  async function describePlan(run: Run, plan: Plan, backups: boolean): Promise<PlannedRun> {
    const expected = plan.partitions.reduce((sum, { first, last }) => sum + Number(last - first + 1n), 0);
    return {
      status: 'planned',
      ...doneBy(),
      installation: dependencies.installation,
      runId: String(run.runId),
      after: String(run.watermark),
      to: String(plan.sealedEnd),
      terms: run.terms,
      partitions: plan.partitions.map(({ first, last }) => ({ first: String(first), last: String(last) })),
      shards: plan.shards.map(({ first, end }) => ({ first, end })),
      callsExpected: expected,
      blockedBy: plan.blockedBy,
      backups,
      ...(run.state === 'published' ? { published: await readPublished(pool, run.runId) } : {}),
    };
  }

  return { planRun };
}

function executionRunId(): string {
  return Context.current().info.workflowExecution?.runId ?? '';
}

/**
 * The ender of another workflow's run. Activity ids are unique within a workflow only, so the name includes the
 * execution.
 */
function takeOverEnder(): Ender {
  const { info, cancellationSignal } = Context.current();
  return { activityId: `${executionRunId()}/${info.activityId}`, signal: cancellationSignal };
}

function isSame(a: Owner, b: Owner): boolean {
  return (
    a.workflowId === b.workflowId &&
    a.firstExecutionRunId === b.firstExecutionRunId &&
    a.temporalNamespace === b.temporalNamespace
  );
}

function checkedTerms(terms: BillingTerms): BillingTerms {
  const parsed = termsSchema.safeParse(terms);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ');
  throw ApplicationFailure.nonRetryable(`wrong input: ${faults}`, 'BadInput');
}
