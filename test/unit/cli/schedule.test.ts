import { describe, expect, test } from 'vitest';
import { scheduleOptions, scheduleTimeoutMs } from '../../../src/cli/commands/schedule.js';

const timeout = scheduleTimeoutMs;

describe('the schedule', () => {
  test('starts billing runs with the settings of the workers, on their task queue', async () => {
    const { action } = await scheduleOptions({ every: 300_000, timeout });
    expect(action).toMatchObject({
      workflowType: 'billingRun',
      taskQueue: 'billing',
      workflowId: 'meterfold-billing-scheduled',
      args: [{}],
      workflowExecutionTimeout: 6 * 3_600_000,
      staticSummary: 'Scheduled billing run (every 5m)',
    });
  });

  test('leaves a start out beside a running one, and goes on after a failure', async () => {
    const { policies } = await scheduleOptions({ every: 300_000, timeout });
    expect(policies).toMatchObject({ overlap: 'SKIP', pauseOnFailure: false });
  });

  test.each([
    ['an interval', 300_000, 300_000],
    ['a minute at least', 1_000, 60_000],
    ['a day', 86_400_000, 86_400_000],
  ])('makes up for starts missed within %s', async (_name, every, catchupWindow) => {
    expect((await scheduleOptions({ every, timeout })).policies?.catchupWindow).toBe(catchupWindow);
  });

  test('by cron keeps the expression in its comment, from which it is shown, and its time zone', async () => {
    const { spec, policies } = await scheduleOptions({ cron: '0 3 * * *', timezone: 'Europe/Berlin', timeout });
    expect(spec).toEqual({ cronExpressions: ['0 3 * * * # 0 3 * * *'], timezone: 'Europe/Berlin' });
    expect(policies?.catchupWindow).toBe(600_000);
  });

  test('by cron with a comment of its own keeps that too', async () => {
    const { spec } = await scheduleOptions({ cron: '0 3 * * * # at night', timeout });
    expect(spec).toEqual({ cronExpressions: ['0 3 * * *  # 0 3 * * * # at night'] });
  });
});
