/**
 * Failure points of a run: its worker is killed there, or freezes there and wakes up later, or dies between its commit
 * and its answer. killed-workers.test.ts and frozen-workers.test.ts have those of map and reduce.
 */
import { describe, expect, type TestContext, test } from 'vitest';
import { billedContents } from '../support/contents.js';
import { eventually } from '../support/eventually.js';
import { holdCommit, type LateCommit } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { type HeldRun, startHeld } from '../support/phases.js';
import { startWorker, type WorkerProcess } from '../support/processes.js';
import { bill, expectExact, published, type RunHandle, rowsOfRun, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const TIMEOUT_MS = 180_000;

/** Each test has its own stack, so that they wait for the heartbeat timeout at the same time. */
async function stackWithCalls({ onTestFinished }: TestContext): Promise<Stack> {
  const stack = await freshStack();
  onTestFinished(() => stack.close());
  await logs.skewed(stack.pool, { calls: 1003 });
  return stack;
}

const failurePoints = ['sealing', 'planning', 'recounting', 'publishing', 'discarding'] as const;

type FailurePoint = (typeof failurePoints)[number];

async function startAt(stack: Stack, point: FailurePoint): Promise<HeldRun> {
  if (point !== 'discarding') return startHeld(stack, point);
  const { run, held } = await startHeld(stack, 'mapping');
  await run.cancel();
  await held.waiting({ query: 'delete from' });
  return { run, held };
}

/** The run ends as it would have ended without the fault, and every call is billed exactly once. */
async function expectEnds(stack: Stack, run: RunHandle, point: FailurePoint): Promise<void> {
  if (point !== 'discarding') {
    await expectExact(stack, published(await run.result()));
    expect(await runRows(stack)).toMatchObject([{ runId: '1', state: 'published' }]);
    return;
  }
  await expect(run.result()).rejects.toThrow('Workflow execution cancelled');
  expect(await runRows(stack)).toMatchObject([{ runId: '1', state: 'discarded', reason: 'cancelled' }]);
  expect(await rowsOfRun(stack, '1')).toEqual({});
  await expectExact(stack, await bill(stack));
}

describe.concurrent.each(failurePoints)('a worker that is %s', { timeout: TIMEOUT_MS }, (point) => {
  test('is killed: another worker completes the step, once', async (context) => {
    const stack = await stackWithCalls(context);
    const first = await startWorker(stack);
    const { run, held } = await startAt(stack, point);
    first.kill('SIGKILL');
    await first.ended;
    await held.release();
    await startWorker(stack);
    await expectEnds(stack, run, point);
  });

  test('is frozen: another worker completes the step, and nothing changes when the first wakes up', async (context) => {
    const stack = await stackWithCalls(context);
    const first = await startWorker(stack);
    const { run, held } = await startAt(stack, point);
    first.kill('SIGSTOP');
    await held.release();
    await startWorker(stack);
    await expectEnds(stack, run, point);

    const before = await billedContents(stack);
    first.kill('SIGCONT');
    expect(await first.stop()).toEqual({ code: 0, signal: null });
    expect(await billedContents(stack)).toEqual(before);
    await logs.skewed(stack.pool, { calls: 502, seed: 2 });
    await expectExact(stack, await bill(stack));
  });
});

interface Commit extends LateCommit {
  /** The activity that commits. */
  activity: string;
  what: string;
  /** The kind of the task, if the activity works on one. */
  kind?: string;
  cancelled?: true;
}

const outcomeOf = (activity: string, kind: string): Commit => ({
  activity,
  kind,
  what: 'has stored its outcome',
  on: 'update on meterfold.tasks',
  when: `new.kind = '${kind}' and new.outcome is not null`,
});

const stateIs = (state: string) => ({
  on: 'update on meterfold.runs',
  when: `old.state = 'active' and new.state = '${state}'`,
});

const commits: Commit[] = [
  { activity: 'planRun', what: 'has opened the run', on: 'insert on meterfold.runs', when: 'true' },
  {
    activity: 'planRun',
    what: 'has committed a position of the sequence',
    on: 'update on meterfold.runs',
    when: 'old.seal_position is null and new.seal_position is not null',
  },
  {
    activity: 'planRun',
    what: 'has stored the plan',
    on: 'update on meterfold.runs',
    when: 'old.sealed_end is null and new.sealed_end is not null',
  },
  outcomeOf('mapPartition', 'map'),
  outcomeOf('reduceShard', 'reduce'),
  outcomeOf('recount', 'recount'),
  { activity: 'publishRun', what: 'has published the run', ...stateIs('published') },
  { activity: 'discardRun', what: 'has discarded the run', ...stateIs('discarded'), cancelled: true },
];

/** The last attempt of the first activity of this type. */
async function triesOf(run: RunHandle, activity: string): Promise<number> {
  const { events } = await run.fetchHistory();
  const scheduled = (events ?? []).find(
    (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === activity,
  );
  const started = (events ?? []).find((event) =>
    event.activityTaskStartedEventAttributes?.scheduledEventId?.equals(scheduled!.eventId!),
  );
  return started?.activityTaskStartedEventAttributes?.attempt ?? 0;
}

describe.concurrent.each(commits)('$activity $what', { timeout: TIMEOUT_MS }, (commit) => {
  const { activity, cancelled, kind } = commit;

  test('and its worker is killed before it can answer: the retry finds what was committed', async (context) => {
    const stack = await stackWithCalls(context);
    const first = await startWorker(stack);
    const { run, late } = await startUntilCommit(stack);
    // The process is stopped until the commit is complete. If it ended first, its server process could notice and roll back.
    first.kill('SIGSTOP');
    await late.finish();
    first.kill('SIGKILL');
    await first.ended;
    await late.over();
    const second = await startWorker(stack);
    if (cancelled === true) {
      await expect(run.result()).rejects.toThrow('Workflow execution cancelled');
      expect(await runRows(stack)).toMatchObject([{ runId: '1', state: 'discarded', reason: 'cancelled' }]);
      await expectExact(stack, await bill(stack));
    } else {
      await expectExact(stack, published(await run.result()));
      expect(await runRows(stack)).toMatchObject([{ runId: '1', state: 'published' }]);
    }
    expect(await triesOf(run, activity)).toBeGreaterThanOrEqual(2);
    if (kind !== undefined) await expectDoneBy(stack, first, second);
  });

  async function startUntilCommit(
    stack: Stack,
  ): Promise<{ run: RunHandle; late: Awaited<ReturnType<typeof holdCommit>> }> {
    if (cancelled !== true) {
      const late = await holdCommit(stack, commit);
      const run = await startRun(stack, [{ partitions: 1, shards: 1 }]);
      await late.waiting();
      return { run, late };
    }
    const { run, held } = await startHeld(stack, 'mapping');
    const late = await holdCommit(stack, commit);
    await run.cancel();
    await held.waiting({ query: 'delete from' });
    await held.release();
    await late.waiting();
    return { run, late };
  }

  /** The first worker's outcome is kept; the task was not done again. */
  async function expectDoneBy(stack: Stack, first: WorkerProcess, second: WorkerProcess): Promise<void> {
    const { rows } = await stack.pool.query('select worker, attempt from meterfold.tasks where kind = $1', [kind]);
    expect(rows).toEqual([{ worker: first.name, attempt: 1 }]);
    expect(second.name).not.toBe(first.name);
  }
});

test('if a connection that already serves another activity is ended, that activity is retried, and every call is billed once', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const stack = await stackWithCalls(context);
  await startWorker(stack, { env: { WORKER_SLOTS: '2' } });
  const { run, held } = await startHeld(stack, 'mapping', () => startRun(stack, [{ partitions: 2, shards: 1 }]));
  const waiting = await eventually('both attempts wait', async () => {
    const sessions = await held.waiting();
    return sessions.length === 2 && sessions;
  });
  // As if an attempt had committed, and another activity had received its connection, just before its successor read the table.
  await stack.pool.query(
    `insert into meterfold.attempts (run_id, activity_id, task_kind, task_number, backend_pid, backend_start)
     select 1, attempt.activity_id, attempt.task_kind, attempt.task_number, own.pid, own.backend_start
       from meterfold.attempts attempt, pg_stat_activity own
      where attempt.backend_pid = $1 and own.pid = $2`,
    [waiting[0]!.pid, waiting[1]!.pid],
  );
  await stack.pool.query('select pg_terminate_backend($1)', [waiting[0]!.pid]);
  await eventually('the other connection is ended too', async () => {
    const pids = (await held.waiting()).map(({ pid }) => pid);
    return pids.length === 2 && waiting.every(({ pid }) => !pids.includes(pid));
  });
  await held.release();
  const result = published(await run.result());
  await expectExact(stack, result);
  expect(result.activities.retried).toBe(2);
});
