import { describe, expect, test } from 'vitest';
import { stalledRunText, stallText } from '../../../src/operations/stall-text.js';
import { retriesOf } from '../../../src/temporal/stalls.js';

type Pending = Parameters<typeof retriesOf>[0][number];

const SCHEDULED = 1;
const STARTED = 2;
const NEXT = '2026-10-01T12:00:08.000Z';
const NOW = Date.parse('2026-10-01T12:00:00Z');

const at = (iso: string) => ({ seconds: Date.parse(iso) / 1000, nanos: 0 }) as unknown as Pending['scheduledTime'];
const failed = (type: string, attempt: number, message: string, more: object = {}): Pending =>
  ({
    activityType: { name: type },
    attempt,
    state: SCHEDULED,
    lastFailure: { message },
    nextAttemptScheduleTime: at(NEXT),
    ...more,
  }) as Pending;

describe('activities that are being retried', () => {
  test('with the same message are one stall, which shows the one with the most attempts', () => {
    const pending = [failed('mapPartition', 3, 'no'), failed('mapPartition', 5, 'no'), failed('mapPartition', 2, 'no')];
    expect(retriesOf(pending)).toEqual([
      { activity: 'map', activities: 3, attempt: 4, message: 'no', nextAttemptAt: NEXT },
    ]);
  });

  test('with different messages are different stalls', () => {
    const pending = [failed('mapPartition', 3, 'no'), failed('mapPartition', 3, 'never'), failed('recount', 3, 'no')];
    expect(retriesOf(pending).map(({ activity, message }) => `${activity}: ${message}`)).toEqual([
      'map: no',
      'map: never',
      'recount: no',
    ]);
  });

  test('are shown without a next attempt while one is running', () => {
    expect(retriesOf([failed('planRun', 2, 'no', { state: STARTED })])).toMatchObject([{ nextAttemptAt: null }]);
  });

  test('after a heartbeat timeout say so in a sentence', () => {
    const lastFailure = { message: 'activity Heartbeat timeout', timeoutFailureInfo: { timeoutType: 4 } };
    expect(retriesOf([failed('planRun', 2, '', { lastFailure })])[0]!.message).toMatch(/^its worker stopped answering/);
  });

  test('do not include a first attempt', () => {
    expect(retriesOf([failed('planRun', 1, '', { lastFailure: null })])).toEqual([]);
  });
});

describe('a stall reads', () => {
  const stall = { activity: 'plan', activities: 1, attempt: 4, message: 'no', nextAttemptAt: NEXT };
  test.each([
    [stall, 'plan is being retried, attempt 4 failed: no (the next starts in 8.0 s)'],
    [
      { ...stall, activity: 'map', activities: 2, nextAttemptAt: null },
      'map (2 activities) is being retried, attempt 4 failed: no (attempt 5 is running)',
    ],
    [{ ...stall, attempt: null }, 'plan waits: no'],
  ])('%o', (one, text) => {
    expect(stallText(one, NOW)).toBe(text);
  });

  test('with the run, or with its workflow while it has no number', () => {
    const stalls = [{ ...stall, attempt: null }];
    expect(stalledRunText({ workflowId: 'nightly', runId: '7', stalls })).toBe('run 7: plan waits: no');
    expect(stalledRunText({ workflowId: 'nightly', runId: null, stalls })).toBe(
      'run of workflow nightly, not opened yet: plan waits: no',
    );
  });
});
