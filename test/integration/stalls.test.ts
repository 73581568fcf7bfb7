/** A run that makes no progress shows why in the Query, `run`, `runs`, `status` and `doctor`. */
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { BillingRunProgress } from '../../src/contract/billing-run.js';
import { eventually } from '../support/eventually.js';
import * as logs from '../support/logs.js';
import { meterfold, startCommand, startWorker } from '../support/processes.js';
import { expectExact, progressOf, published, type RunHandle, reset, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

/** The message of PostgreSQL when it has no free connection, and how a run reports it. */
const SAID = 'sorry, too many clients already';
const MESSAGE = `PostgreSQL: ${SAID} (no connection is left: raise max_connections, or end some)`;

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await startWorker(stack);
  await stack.pool.query(
    `create function public.fail() returns trigger language plpgsql as
       $$ begin raise exception '${SAID}' using errcode = '53300'; end $$`,
  );
});
afterAll(() => stack.close());
beforeEach(async () => {
  await reset(stack);
  await logs.uniform(stack.pool, { calls: 1003 });
});

const failInserts = (table: string) =>
  stack.pool.query(`create trigger fail before insert on ${table} for each row execute function public.fail()`);
const letInsert = (table: string) => stack.pool.query(`drop trigger fail on ${table}`);

const retriedAtLeast = (run: RunHandle, attempts: number): Promise<BillingRunProgress> =>
  eventually(`attempt ${attempts} is reported`, async () => {
    const progress = await progressOf(run);
    return progress.retrying?.some(({ attempt }) => attempt >= attempts) && progress;
  });

describe('a run whose activity keeps failing', { timeout: 120_000 }, () => {
  test('before it is opened: every command shows the activity, the attempt, the reason and the time of the next attempt', async () => {
    await failInserts('meterfold.runs');
    const running = startCommand(stack, ['run', '--workflow-id', 'stalls']);
    await running.noted(`planning; plan is being retried, attempt`);
    const run = stack.temporal.workflow.getHandle('stalls') as RunHandle;
    const { phase, retrying } = await retriedAtLeast(run, 4);
    expect({ phase, retrying }).toEqual({
      phase: 'planning',
      retrying: [
        {
          activity: 'plan',
          attempt: expect.any(Number),
          message: MESSAGE,
          failedAt: expect.any(String),
          nextAttemptAt: expect.any(String),
        },
      ],
    });
    const { failedAt, nextAttemptAt } = retrying![0]!;
    expect(Date.parse(nextAttemptAt)).toBeGreaterThan(Date.parse(failedAt));
    const named = `un of workflow stalls, not opened yet: plan is being retried, attempt`;
    expect(await meterfold(stack, ['runs'])).toMatchObject({
      code: 0,
      stdout: 'No run yet: `meterfold run` starts one.\n',
      stderr: expect.stringMatching(new RegExp(`^R${named} \\d+ failed: .*${SAID}.*\\n$`)),
    });
    const { code, stdout } = await meterfold(stack, ['doctor']);
    expect(code).toBe(1);
    expect(stdout).toContain(`r${named}`);
    expect(stdout).toContain(MESSAGE);

    await letInsert('meterfold.runs');
    expect((await running.result).code).toBe(0);
    await expectExact(stack, published((await run.result()) as never));
    expect((await progressOf(run)).retrying).toBeUndefined();
    expect((await meterfold(stack, ['runs'])).stderr).toBe('');
    expect((await meterfold(stack, ['doctor'])).stdout).toMatch(/✓ runs +none stalls/);
  });

  test('while mapping: `status` and `runs` show why, and count two activities with the same reason as one stall', async () => {
    const run = await startRun(stack, [{ partitions: 2, shards: 1 }]);
    await expectExact(stack, published(await run.result()));
    await logs.uniform(stack.pool, { calls: 1003 });
    await failInserts('meterfold.segments');
    const stalling = await startRun(stack, [{ partitions: 2, shards: 1 }]);
    const { retrying } = await retriedAtLeast(stalling, 2);
    expect(retrying!.map(({ activity, message }) => `${activity}: ${message}`)).toContain(`map 0: ${MESSAGE}`);

    const [active] = await eventually('both have failed', async () => {
      const runs = JSON.parse((await meterfold(stack, ['runs', '--json'])).stdout);
      return runs[0].stalls[0]?.activities === 2 && runs;
    });
    expect(active).toMatchObject({
      run_id: '2',
      state: 'active',
      stalls: [{ activity: 'map', activities: 2, message: MESSAGE, attempt: expect.any(Number) }],
    });
    const line = `map (2 activities) is being retried, attempt`;
    expect((await meterfold(stack, ['runs'])).stdout).toContain(line);
    const status = await meterfold(stack, ['status']);
    expect(status.stdout).toContain(`Stalled:\n  ${line}`);
    expect(status.stdout).toContain(MESSAGE);

    await letInsert('meterfold.segments');
    await expectExact(stack, published(await stalling.result()));
    expect((await meterfold(stack, ['status'])).stdout).not.toContain('Stalled');
  });

  test('for long sends few reports to its workflow', async () => {
    await failInserts('meterfold.runs');
    const run = await startRun(stack);
    const { retrying } = await retriedAtLeast(run, 4);
    await letInsert('meterfold.runs');
    await expectExact(stack, published(await run.result()));
    const { events } = await run.fetchHistory();
    const signals = events!.filter((event) => event.workflowExecutionSignaledEventAttributes);
    expect(retrying![0]!.attempt).toBe(4);
    expect(signals.length).toBeLessThanOrEqual(3);
  });
});

describe('a run that waits for a worker reports it:', () => {
  test.each(['workflow', 'plan'] as const)('its %s', { timeout: 120_000 }, async (waiting) => {
    const own = await freshStack();
    onTestFinished(() => own.close());
    await logs.uniform(own.pool, { calls: 1003 });
    if (waiting === 'plan') await startWorker(own, { role: 'workflow' });
    const running = startCommand(own, ['run', '--workflow-id', 'waits']);
    const kind = waiting === 'plan' ? 'activities' : 'workflows';
    const waits = `${waiting} waits: no worker polls the task queue for ${kind}: start one with \`meterfold worker\``;
    await running.noted(waits);
    expect((await meterfold(own, ['runs'])).stderr).toBe(`Run of workflow waits, not opened yet: ${waits}.\n`);
    expect((await meterfold(own, ['doctor'])).stdout).toContain(`run of workflow waits, not opened yet: ${waits}`);
    await startWorker(own);
    expect((await running.result).code).toBe(0);
  });
});
