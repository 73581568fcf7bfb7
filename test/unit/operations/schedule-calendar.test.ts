import { describe, expect, test } from 'vitest';
import { cronArgument, cronFields } from '../../../src/cli/arguments.js';
import { calendarOf, clockChanges, monthsWithoutDay, wallTimesIn } from '../../../src/operations/schedule/calendar.js';

const range = <Value>(start: Value, end = start, step = 1) => [{ start, end, step }];
const described = {
  second: range(0),
  minute: range(0, 59, 20),
  hour: range(2),
  dayOfMonth: range(1, 31),
  month: range<'JANUARY' | 'DECEMBER'>('JANUARY', 'DECEMBER'),
  year: [],
  dayOfWeek: range<'SUNDAY' | 'SATURDAY'>('SUNDAY', 'SATURDAY'),
};

describe('the wall times of a calendar', () => {
  const from = Date.UTC(2027, 2, 28, 2);
  const texts = (times: number[]) => times.map((ms) => new Date(ms).toISOString().slice(11, 19));

  test('match all of its fields', () => {
    expect(texts(wallTimesIn(calendarOf(described), from, from + 3_600_000))).toEqual([
      '02:00:00',
      '02:20:00',
      '02:40:00',
    ]);
    expect(texts(wallTimesIn(calendarOf({ ...described, second: range(15, 45, 30) }), from, from + 1_200_000))).toEqual(
      ['02:00:15', '02:00:45'],
    );
  });

  test.each([
    ['another hour', { hour: range(3) }],
    ['another day', { dayOfMonth: range(27) }],
    ['another month', { month: range('APRIL' as const) }],
    ['another weekday', { dayOfWeek: range('MONDAY' as const) }],
    ['another year', { year: range(2028) }],
  ])('are none on %s', (_name, field) => {
    expect(wallTimesIn(calendarOf({ ...described, ...field }), from, from + 3_600_000)).toEqual([]);
  });
});

describe('the months that have none of the days', () => {
  test.each([
    [range(31), ['February', 'April', 'June', 'September', 'November']],
    [range(30), ['February']],
    [range(29), []],
    [range(28, 31), []],
  ])('of %j', (dayOfMonth, months) => {
    expect(monthsWithoutDay(calendarOf({ ...described, dayOfMonth }))).toEqual(months);
  });
});

describe('the clocks of a zone', () => {
  const changes = (zone: string) =>
    clockChanges(zone, Date.UTC(2027, 0, 1), Date.UTC(2028, 0, 1)).map(({ atMs, wallBeforeMs, wallAfterMs }) =>
      [atMs, wallBeforeMs, wallAfterMs].map((ms) => new Date(ms).toISOString().slice(0, 16)),
    );

  // By zdump.
  test.each([
    ['UTC', []],
    ['Asia/Tokyo', []],
    [
      'Europe/Berlin',
      [
        ['2027-03-28T01:00', '2027-03-28T02:00', '2027-03-28T03:00'],
        ['2027-10-31T01:00', '2027-10-31T03:00', '2027-10-31T02:00'],
      ],
    ],
    [
      'America/New_York',
      [
        ['2027-03-14T07:00', '2027-03-14T02:00', '2027-03-14T03:00'],
        ['2027-11-07T06:00', '2027-11-07T02:00', '2027-11-07T01:00'],
      ],
    ],
    [
      'Australia/Lord_Howe',
      [
        ['2027-04-03T15:00', '2027-04-04T02:00', '2027-04-04T01:30'],
        ['2027-10-02T15:30', '2027-10-03T02:00', '2027-10-03T02:30'],
      ],
    ],
  ])('of %s change as the time zone database says', (zone, expected) => {
    expect(changes(zone)).toEqual(expected);
  });
});

describe('a cron expression', () => {
  test.each([
    ['0 3 * * *', 5],
    ['30 0 3 * * * *', 7],
    ['  0 3 * * *  # at night, as ever', 5],
    ['CRON_TZ=Europe/Berlin 0 3 * * *', 5],
    ['TZ=Europe/Berlin 0 3 * * *', 5],
    ['@daily', 1],
  ])('%j has %i fields, and the server parses it', (text, fields) => {
    expect(cronFields(text)).toHaveLength(fields);
    expect(cronArgument(text)).toBe(text);
  });

  test.each(['0 0 3 * * *', 'CRON_TZ=UTC 0 0 3 * * *', '0 3 * * * 2027 # once'])(
    '%j has six, and is refused',
    (text) => {
      expect(() => cronArgument(text)).toThrow(/six fields, of which Temporal reads the last as the year/);
    },
  );
});
