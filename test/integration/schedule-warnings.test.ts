/** The warnings of `schedule set` and `schedule show`, compared with the times at which Temporal starts runs. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { matchingTimes } from '../../src/operations/schedule/warnings.js';
import { meterfold } from '../support/processes.js';
import { freshStack, type Stack } from '../support/stack.js';

// Each test case starts a process of its own.
vi.setConfig({ testTimeout: 180_000 });

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

let stack: Stack;
beforeAll(async () => {
  stack = await freshStack();
});
afterAll(() => stack.close());
afterEach(async () => void (await meterfold(stack, ['schedule', 'remove'])));

/** Sets a schedule, checks that `show` prints the same warnings, and returns them. */
async function set(cron: string, ...more: string[]): Promise<string[]> {
  const { code, stderr } = await meterfold(stack, ['schedule', 'set', '--cron', cron, ...more]);
  expect(code).toBe(0);
  const { warnings } = JSON.parse((await meterfold(stack, ['schedule', 'show', '--json'])).stdout);
  const said = stderr.split('\n').filter((line) => line.startsWith('Warning: '));
  expect(said).toEqual(warnings.map((warning: string) => `Warning: ${warning}.`));
  return warnings;
}

const starts = (fromMs: number, toMs: number) => matchingTimes(stack.temporal, 'meterfold-billing', fromMs, toMs);
const nowMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
const minutesOf400Days = () => Array.from({ length: 400 * 1440 }, (_, minute) => nowMs + minute * MINUTE_MS);

/** What the clocks of a zone show, "2027-03-28 02:30". */
function localClock(zone: string): (ms: number) => string {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' });
  return (ms) => format.format(ms);
}

describe.each([
  ['Europe/Berlin', '30 2 * * *', '02:30'],
  ['America/New_York', '30 2 * * *', '02:30'],
  ['America/Santiago', '30 0 * * *', '00:30'],
  ['Australia/Sydney', '59 2 * * *', '02:59'],
])('in %s, %j', (zone, cron, time) => {
  test('is warned of exactly on the day that Temporal skips', async () => {
    const warnings = await set(cron, '--timezone', zone);
    const clock = localClock(zone);
    const startDays = new Set((await starts(nowMs, nowMs + 400 * DAY_MS)).map((ms) => clock(ms).slice(0, 10)));
    const hours = Array.from({ length: 398 * 24 }, (_, hour) => clock(nowMs + hour * 60 * MINUTE_MS).slice(0, 10));
    // The first day may be over already.
    const days = [...new Set(hours)].slice(1);
    const left = days.filter((day) => !startDays.has(day));
    expect(left).toHaveLength(1);
    expect(warnings.filter((warning) => warning.includes('not exist'))).toEqual([
      expect.stringMatching(
        `^${time} on ${left[0]} does not exist in ${zone}, where clocks go from \\d\\d:\\d\\d to \\d\\d:\\d\\d: no run starts then`,
      ),
    ]);
  });
});

test.each([
  ['Europe/Berlin', '30 2 * * *', '02:30', 1],
  ['America/New_York', '30 1 * * *', '01:30', 2],
])(
  'a time that comes twice in %s is warned of with the starts that Temporal makes of it',
  async (zone, cron, time, runs) => {
    const warnings = await set(cron, '--timezone', zone);
    const clock = localClock(zone);
    const atTime = minutesOf400Days().filter((ms) => clock(ms).endsWith(` ${time}`));
    const twice = atTime.filter(
      (ms, index) => clock(ms) === clock(atTime[index + 1] ?? 0) || clock(ms) === clock(atTime[index - 1] ?? 0),
    );
    expect(twice).toHaveLength(2);
    const started = (await starts(twice[0]! - DAY_MS / 4, twice[1]! + DAY_MS / 4)).map((ms) =>
      new Date(ms).toISOString().slice(11, 16),
    );
    expect(started).toHaveLength(runs);
    expect(warnings.filter((warning) => warning.includes('twice'))).toEqual([
      expect.stringMatching(
        `^${time} on ${clock(twice[0]!).slice(0, 10)} comes twice in ${zone}, where clocks go from .* back to .*: Temporal starts .* then, at ${started.join(' and ')} UTC$`,
      ),
    ]);
  },
);

test('a schedule that starts at every named time has no warning', async () => {
  expect(await set('30 2 * * *')).toEqual([]);
  expect(await set('0 12 * * 1-5', '--timezone', 'Europe/Berlin')).toEqual([]);
  expect(await set('*/5 * * * *', '--timezone', 'America/New_York')).toEqual([]);
  expect(await set('@every 5m')).toEqual([]);
});

test('a schedule that never starts a run is warned of, even while it is paused', async () => {
  const never = ['no time matches the expression: this schedule never starts a run'];
  expect(await set('0 0 31 2 *')).toEqual(never);
  expect(await starts(nowMs, nowMs + 3000 * DAY_MS)).toEqual([]);
  expect(await set('0 0 30 2 *', '--timezone', 'Europe/Berlin')).toEqual(never);
  expect(await set('0 0 0 1 1 * 2020')).toEqual(never);
  await meterfold(stack, ['schedule', 'pause']);
  expect(await set('0 0 31 4,6,9,11 *')).toEqual(never);
  expect(await set('0 0 1 * *')).toEqual([]);
});

test('days that a month does not have are warned of, with the names of the months', async () => {
  expect(await set('0 0 31 * *')).toEqual([
    'no run starts in February, April, June, September and November, which have no such day',
  ]);
  expect(await set('0 0 29 2 *')).toEqual([]);
});

test('a day of the month together with a weekday is warned of, because both must match', async () => {
  expect(await set('0 0 13 * 5')).toEqual([
    'runs start only on days that match both the day of the month and the weekday: Temporal, unlike cron, requires both',
  ]);
  const days = (await starts(nowMs, nowMs + 2000 * DAY_MS)).map((ms) => new Date(ms));
  expect(days.length).toBeGreaterThan(2);
  for (const day of days) expect([day.getUTCDate(), day.getUTCDay()]).toEqual([13, 5]);
});

test('six fields are refused, and seven are explained', async () => {
  const six = await meterfold(stack, ['schedule', 'set', '--cron', '0 0 3 * * *']);
  expect(six).toMatchObject({ code: 2, stdout: '' });
  expect(six.stderr).toMatch(
    /six fields, of which Temporal reads the last as the year, and other programs the first as the seconds: give five/,
  );
  const seven = await meterfold(stack, ['schedule', 'set', '--cron', '30 15 3 * * * *']);
  expect(seven).toMatchObject({
    code: 0,
    stderr: 'Seven fields are read as second, minute, hour, day of the month, month, weekday and year.\n',
  });
  expect(new Date((await starts(nowMs, nowMs + DAY_MS))[0]!).toISOString()).toMatch(/T03:15:30\.000Z$/);
});

test('the next times shown are those at which Temporal starts runs', async () => {
  await set('*/20 2-4 * * *', '--timezone', 'Europe/Berlin');
  const { next_times: nextTimes } = JSON.parse((await meterfold(stack, ['schedule', 'show', '--json'])).stdout);
  const expected = (await starts(Math.floor(Date.now() / 1000) * 1000, nowMs + 3 * DAY_MS)).slice(0, 3);
  expect(nextTimes).toEqual(expected.map((ms) => new Date(ms).toISOString()));
});
