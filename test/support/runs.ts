/** Starts and checks billing runs. */
import { randomUUID } from 'node:crypto';
import {
  WorkflowFailedError,
  type WorkflowHandleWithFirstExecutionRunId,
  type WorkflowOptions,
} from '@temporalio/client';
import { ActivityFailure, type ApplicationFailure } from '@temporalio/common';
import { expect } from 'vitest';
import { TASK_QUEUE } from '../../src/config.js';
import {
  type BillingRunInput,
  type BillingRunProgress,
  type BillingRunResult,
  type BillingRunWorkflow,
  type PublishedResult,
  WORKFLOW_TYPE,
} from '../../src/contract/billing-run.js';
import { RUN_TABLES } from '../../src/schema/tables.js';
import { eventually } from './eventually.js';
import { releaseHolds } from './holds.js';
import { type Billed, billable, billingDifferences, digestOf, noDifferences } from './oracle.js';
import type { Stack } from './stack.js';

export type RunHandle = WorkflowHandleWithFirstExecutionRunId<BillingRunWorkflow>;

/** Input with which a small run also has one activity per task, as a large run has. */
export const fannedOut: BillingRunInput = { partitions: 1, shards: 1 };

/**
 * Starts a run with Temporal's client as any program would: by the name of the type, with JSON. `args` may be invalid
 * on purpose.
 */
export function startRun(
  stack: Stack,
  args: unknown[] = [{}],
  workflowId = `run-${randomUUID()}`,
  options: Pick<WorkflowOptions, 'workflowExecutionTimeout'> = {},
): Promise<RunHandle> {
  return stack.temporal.workflow.start(WORKFLOW_TYPE, {
    ...options,
    taskQueue: TASK_QUEUE,
    workflowId,
    args,
  }) as Promise<RunHandle>;
}

/** The progress of a run, by its query. */
export const progressOf = (run: RunHandle): Promise<BillingRunProgress> => run.query('progress');

/** Waits until a run is in a phase, and returns its progress. */
export const inPhase = (run: RunHandle, phase: BillingRunProgress['phase']): Promise<BillingRunProgress> =>
  eventually(`the run is ${phase}`, async () => {
    const progress = await progressOf(run);
    return progress.phase === phase && progress;
  });

/** Runs billing. Fails unless the run is published. */
export async function bill(stack: Stack, input: BillingRunInput = {}): Promise<PublishedResult> {
  return published(await (await startRun(stack, [input])).result());
}

export function published(result: BillingRunResult): PublishedResult {
  if (result.status !== 'published') throw new Error(`the run is not published: ${result.message}`);
  return result;
}

/**
 * Expects that all bills equal those of the oracle, and that the figures of the result equal those of the log and the
 * views.
 */
export async function expectExact(
  stack: Stack,
  result: PublishedResult,
  terms: Omit<Billed, 'upTo'> = {},
): Promise<void> {
  const { range, runId } = result;
  expect(await billingDifferences(stack.pool, { upTo: range.to, ...terms })).toEqual(noDifferences);
  expect(result.digest).toBe(await digestOf(stack.pool, range));
  const { rows } = await stack.pool.query(
    `select (select count(*) from ${billable} where id > $1 and id <= $2) as calls,
            (select coalesce(sum(usage), 0) from ${billable} where id > $1 and id <= $2) as usage,
            (select count(distinct user_id) from ${billable} where id > $1 and id <= $2) as users,
            (select count(*) from public.billing_records where run_id = $3) as cycles,
            (select coalesce(sum(usage), 0) from public.billing_records where run_id = $3) as "billedUsage",
            (select trim_scale(coalesce(sum(amount), 0))::text from public.billing_records where run_id = $3) as amount,
            (select json_build_object('calls', coalesce(sum(calls), 0)::text, 'usage', coalesce(sum(usage), 0)::text)
               from public.open_cycles) as "carriedOut",
            (select json_build_object('calls', count(*)::text, 'usage', coalesce(sum(usage), 0)::text)
               from public.quarantined_calls where run_id = $3) as quarantined`,
    [range.after, range.to, runId],
  );
  expect(result).toMatchObject(rows[0]);
}

/** How many rows of a run each table has; tables without any are omitted. */
export async function rowsOfRun(stack: Stack, runId: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { name } of RUN_TABLES) {
    const { rows } = await stack.pool.query<{ count: string }>(
      `select count(*) from meterfold.${name} where run_id = $1`,
      [runId],
    );
    if (rows[0]!.count !== '0') counts[name] = Number(rows[0]!.count);
  }
  return counts;
}

export interface RunRow {
  runId: string;
  state: 'active' | 'published' | 'discarded' | 'reverted';
  sealedEnd: string | null;
  workflowId: string;
  reason: string | null;
}

/** All runs, oldest first. */
export async function runRows(stack: Stack): Promise<RunRow[]> {
  const { rows } = await stack.pool.query<RunRow>(
    `select run_id as "runId", state, sealed_end as "sealedEnd", workflow_id as "workflowId", coalesce(discard_reason, revert_reason) as reason
       from meterfold.runs order by run_id`,
  );
  return rows;
}

/** Empties the log and deletes all runs. Workers continue. */
export async function reset(stack: Stack): Promise<void> {
  await releaseHolds(stack);
  await empty(stack, `schemaname = 'meterfold' or (schemaname, tablename) = ('public', 'api_logs')`);
}

/** Deletes all runs. The log remains, to be billed from its first call. */
export const forgetRuns = (stack: Stack): Promise<void> => empty(stack, `schemaname = 'meterfold'`);

/** Empties tables except those of migrations, always in the same order because several tests may do so concurrently. */
async function empty(stack: Stack, which: string): Promise<void> {
  const { rows } = await stack.pool.query<{ tables: string }>(
    `select string_agg(format('%I.%I', schemaname, tablename), ', ' order by schemaname, tablename) as tables
       from pg_tables where (${which}) and tablename not in ('migrations', 'installation')`,
  );
  await stack.pool.query(`truncate ${rows[0]!.tables} restart identity`);
  // The row that the migration inserts.
  await stack.pool.query(
    `insert into meterfold.chain_head (number, hash, newest_run_id) values (0, decode(repeat('00', 32), 'hex'), 0)
     on conflict do nothing`,
  );
}

/**
 * Resets a workflow as Temporal's UI does: to a workflow task of its first execution, by index from 0, or from the
 * last, -1. Returns the new execution.
 */
export async function resetWorkflow(stack: Stack, run: RunHandle, task = 0): Promise<RunHandle> {
  const first = stack.temporal.workflow.getHandle(run.workflowId, run.firstExecutionRunId);
  const { events } = await first.fetchHistory();
  const completed = (events ?? []).filter((event) => event.workflowTaskCompletedEventAttributes);
  await stack.temporal.workflowService.resetWorkflowExecution({
    namespace: stack.namespace,
    workflowExecution: { workflowId: run.workflowId, runId: run.firstExecutionRunId },
    reason: 'test',
    workflowTaskFinishEventId: completed.at(task)!.eventId!,
    requestId: randomUUID(),
  });
  return {
    ...stack.temporal.workflow.getHandle(run.workflowId),
    firstExecutionRunId: run.firstExecutionRunId,
  } as RunHandle;
}

/** The status of each run in Temporal, such as COMPLETED. */
export function statusesOf(runs: readonly RunHandle[]): Promise<string[]> {
  return Promise.all(runs.map(async (run) => (await run.describe()).status.name));
}

/** The number of activities of each type that the workflow has scheduled. */
export async function activitiesOf(run: RunHandle): Promise<Record<string, number>> {
  const { events } = await run.fetchHistory();
  const counts: Record<string, number> = {};
  for (const { activityTaskScheduledEventAttributes: scheduled } of events ?? []) {
    const type = scheduled?.activityType?.name;
    if (type) counts[type] = (counts[type] ?? 0) + 1;
  }
  return counts;
}

/** Results of the activities of a type, in the order in which they completed. */
export async function resultsOf(run: RunHandle, type: string): Promise<unknown[]> {
  const { events } = await run.fetchHistory();
  const scheduled = new Set<string>();
  const results: unknown[] = [];
  for (const event of events ?? []) {
    if (event.activityTaskScheduledEventAttributes?.activityType?.name === type) scheduled.add(String(event.eventId));
    const completed = event.activityTaskCompletedEventAttributes;
    if (!scheduled.has(String(completed?.scheduledEventId))) continue;
    results.push(JSON.parse(Buffer.from(completed!.result!.payloads![0]!.data!).toString()));
  }
  return results;
}

/** The innermost failure of a workflow. Throws if the workflow did not fail. */
export async function failureOf(run: RunHandle): Promise<ApplicationFailure> {
  const failed = await run.result().then(
    (result) => {
      throw new Error(`the workflow did not fail: ${JSON.stringify(result)}`);
    },
    (error: WorkflowFailedError) => error,
  );
  if (!(failed instanceof WorkflowFailedError)) throw failed;
  const { cause } = failed;
  return (cause instanceof ActivityFailure ? cause.cause : cause) as ApplicationFailure;
}
