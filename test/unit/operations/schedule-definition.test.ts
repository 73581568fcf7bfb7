import { describe, expect, test } from 'vitest';
import { scheduleDefinition } from '../../../src/operations/schedule/definition.js';

describe('the schedule', () => {
  test('starts billing runs with the settings of the workers, on their task queue', () => {
    const { action } = scheduleDefinition({ everyMs: 300_000 });
    expect(action).toMatchObject({
      workflowType: 'billingRun',
      taskQueue: 'billing',
      workflowId: 'meterfold-billing-scheduled',
      args: [{}],
      workflowExecutionTimeout: 6 * 3_600_000,
      staticSummary: 'Scheduled billing run (every 5m)',
    });
  });

  test('skips a start while another run is in progress, and continues after a failure', () => {
    const { policies } = scheduleDefinition({ everyMs: 300_000 });
    expect(policies).toMatchObject({ overlap: 'SKIP', pauseOnFailure: false });
  });

  test.each([
    ['an interval', 300_000, 300_000],
    ['at least a minute', 1_000, 60_000],
    ['a day', 86_400_000, 86_400_000],
  ])('catches up on starts missed within %s', (_name, every, catchupWindow) => {
    expect(scheduleDefinition({ everyMs: every }).policies?.catchupWindow).toBe(catchupWindow);
  });

  test('by cron keeps its time zone, and repeats the expression in its comment, so that it can be shown', () => {
    const { spec, policies } = scheduleDefinition({ cron: '0 3 * * *', timezone: 'Europe/Berlin' });
    expect(spec).toEqual({ cronExpressions: ['0 3 * * * # 0 3 * * *'], timezone: 'Europe/Berlin' });
    expect(policies?.catchupWindow).toBe(600_000);
  });

  test('by cron keeps a comment of the expression', () => {
    const { spec } = scheduleDefinition({ cron: '0 3 * * * # at night' });
    expect(spec).toEqual({ cronExpressions: ['0 3 * * *  # 0 3 * * * # at night'] });
  });
});
