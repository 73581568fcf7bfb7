import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { holdMap } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { reset } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await startWorker(stack);
});
afterAll(() => stack.close());
afterEach(async () => {
  await meterfold(stack, ['schedule', 'remove']);
  await reset(stack);
});

/** Runs `meterfold schedule …`, and expects success. */
async function schedule(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await meterfold(stack, ['schedule', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

interface Shown {
  starts: string;
  paused: boolean;
  note: string | null;
  next_times: string[];
  started: number;
  runs: { workflow_id: string; outcome: string }[];
}

const show = async (): Promise<Shown> => JSON.parse(await schedule('show', '--json'));
const describeSchedule = () => stack.temporal.schedule.getHandle('meterfold-billing').describe();

describe('a schedule', () => {
  test('bills repeatedly, under workflow ids with the time', async () => {
    await logs.uniform(stack.pool, { calls: 100 });
    await schedule('set', '--every', '1s');
    const { runs } = await eventually('two runs are published', async () => {
      const shown = await show();
      return shown.runs.filter(({ outcome }) => outcome.includes('published')).length >= 2 && shown;
    });
    expect(runs.at(-1)!.outcome).toMatch(/^run 1 published: 100 calls, [\d.]+ USD$/);
    for (const run of runs) expect(run.workflow_id).toMatch(/^meterfold-billing-scheduled-\d{4}-\d\d-\d\dT/);
  });

  test('has the policies of docs/decisions/0002-schedule.md at the server', async () => {
    await schedule('set', '--every', '1h', '--timeout', '2d');
    const { policies, action } = await describeSchedule();
    expect(policies).toEqual({ overlap: 'SKIP', catchupWindow: 3_600_000, pauseOnFailure: false });
    expect(action).toMatchObject({
      workflowType: 'billingRun',
      taskQueue: 'billing',
      args: [{}],
      workflowExecutionTimeout: 172_800_000,
    });
  });

  test('that is set again changes, and stays paused', async () => {
    await schedule('set', '--every', '1h');
    await schedule('pause', '--note', 'database upgrade');
    expect(await schedule('set', '--cron', '0 3 * * 1-5', '--timezone', 'Europe/Berlin')).toContain('Changed schedule');
    expect(await show()).toMatchObject({
      starts: 'by cron 0 3 * * 1-5 (Europe/Berlin)',
      paused: true,
      note: 'database upgrade',
      next_times: [],
    });
    await schedule('resume');
    const { paused, next_times } = await show();
    expect(paused).toBe(false);
    expect(next_times).toHaveLength(3);
  });

  test('that is triggered starts a run at once, even while paused; while a run is in progress, it starts none and reports it', async () => {
    await logs.uniform(stack.pool, { calls: 100 });
    await schedule('set', '--every', '1d');
    await schedule('pause');
    const map = await holdMap(stack);
    expect(await schedule('trigger')).toMatch(/^Started workflow meterfold-billing-scheduled-/);
    await map.waiting();
    expect(await schedule('trigger')).toMatch(/^Nothing started: a run of this schedule is in progress/);
    expect((await show()).runs).toMatchObject([{ outcome: 'running' }]);
    await map.release();
    await eventually('it is published', async () => (await show()).runs[0]!.outcome.includes('published: 100 calls'));
  });

  test('that is removed no longer exists: each command then fails with the fix', async () => {
    await schedule('set', '--every', '1h');
    await schedule('remove');
    for (const command of ['show', 'pause', 'resume', 'trigger', 'remove']) {
      const { code, stdout, stderr } = await meterfold(stack, ['schedule', command]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(
        /^meterfold: Temporal at .* has no meterfold schedule .*`meterfold schedule set --every 5m`\.\n$/,
      );
    }
  });
});

describe('an invalid schedule is refused as wrong use:', () => {
  test.each([
    [[], /give --every 5m, or --cron/],
    [['--every', '5'], /like 30s, 5m, 1h or 1d/],
    [['--every', '0s'], /from 1s to/],
    [['--every', '5m', '--cron', '* * * * *'], /cannot be used with/],
    [['--every', '5m', '--timezone', 'UTC'], /cannot be used with/],
    [['--cron', '61 * * * *'], /does not accept this schedule: Minute is not in range/],
    [['--cron', 'often'], /does not accept this schedule/],
    [['--cron', '0 3 * * *', '--timezone', 'Mars/Base'], /unknown time zone Mars\/Base/],
  ])('%j', async (args, complaint) => {
    const { code, stdout, stderr } = await meterfold(stack, ['schedule', 'set', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(complaint);
    await expect(describeSchedule()).rejects.toThrow();
  });
});
