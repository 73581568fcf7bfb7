/**
 * The wall times of a schedule's calendar, which the server has parsed from a cron expression, and the clock changes of
 * a time zone.
 *
 * A wall time is stored as the instant at which UTC shows it: 02:30 on 2027-03-28 is Date.UTC(2027, 2, 28, 2, 30) in
 * every zone.
 */
import type { CalendarSpecDescription } from '@temporalio/client';

const MONTHS = 'JANUARY FEBRUARY MARCH APRIL MAY JUNE JULY AUGUST SEPTEMBER OCTOBER NOVEMBER DECEMBER'.split(' ');
const WEEKDAYS = 'SUNDAY MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY'.split(' ');
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const SECOND_MS = 1000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

type Ranges = readonly { start: number | string; end: number | string; step: number }[];

/** The values that match, by field. Months and weekdays count from 0. An empty set of years matches every year. */
export interface Calendar {
  second: ReadonlySet<number>;
  minute: ReadonlySet<number>;
  hour: ReadonlySet<number>;
  dayOfMonth: ReadonlySet<number>;
  month: ReadonlySet<number>;
  year: ReadonlySet<number>;
  dayOfWeek: ReadonlySet<number>;
}

export function calendarOf(described: CalendarSpecDescription): Calendar {
  return {
    second: valuesOf(described.second),
    minute: valuesOf(described.minute),
    hour: valuesOf(described.hour),
    dayOfMonth: valuesOf(described.dayOfMonth),
    month: valuesOf(described.month, MONTHS),
    year: valuesOf(described.year),
    dayOfWeek: valuesOf(described.dayOfWeek, WEEKDAYS),
  };
}

function valuesOf(ranges: Ranges, names: readonly string[] = []): Set<number> {
  const number = (value: number | string) => (typeof value === 'number' ? value : names.indexOf(value));
  const values = new Set<number>();
  for (const { start, end, step } of ranges) {
    for (let value = number(start); value <= number(end); value += Math.max(1, step)) values.add(value);
  }
  return values;
}

/** The calendar's wall times in [fromMs, toMs). */
export function wallTimesIn(calendar: Calendar, fromMs: number, toMs: number): number[] {
  const times: number[] = [];
  for (let minuteMs = Math.floor(fromMs / MINUTE_MS) * MINUTE_MS; minuteMs < toMs; minuteMs += MINUTE_MS) {
    const wall = new Date(minuteMs);
    if (!calendar.hour.has(wall.getUTCHours()) || !calendar.minute.has(wall.getUTCMinutes())) continue;
    if (!isDayOf(calendar, wall)) continue;
    times.push(...[...calendar.second].sort((a, b) => a - b).map((second) => minuteMs + second * SECOND_MS));
  }
  return times.filter((ms) => ms >= fromMs && ms < toMs);
}

function isDayOf({ dayOfMonth, month, year, dayOfWeek }: Calendar, wall: Date): boolean {
  return (
    dayOfMonth.has(wall.getUTCDate()) &&
    month.has(wall.getUTCMonth()) &&
    dayOfWeek.has(wall.getUTCDay()) &&
    (year.size === 0 || year.has(wall.getUTCFullYear()))
  );
}

/** The names of the calendar's months that have none of its days; February counts as having 29. */
export function monthsWithoutDay({ dayOfMonth, month }: Calendar): string[] {
  const firstDay = Math.min(...dayOfMonth);
  return [...month]
    .sort((a, b) => a - b)
    .filter((number) => DAYS[number]! < firstDay)
    .map((number) => `${MONTHS[number]!.charAt(0)}${MONTHS[number]!.slice(1).toLowerCase()}`);
}

/** The clocks change from one wall time to another. Forward: the times between do not exist. Back: they occur twice. */
export interface ClockChange {
  atMs: number;
  wallBeforeMs: number;
  wallAfterMs: number;
}

/** The clock changes of a zone in [fromMs, toMs). Throws RangeError for a zone that Node does not know. */
export function clockChanges(zone: string, fromMs: number, toMs: number): ClockChange[] {
  const wallOf = wallClock(zone);
  const offsetOf = (ms: number) => wallOf(ms) - ms;
  const changes: ClockChange[] = [];
  for (let day = fromMs; day < toMs; day += DAY_MS) {
    const [before, after] = [offsetOf(day), offsetOf(day + DAY_MS)];
    if (before === after) continue;
    let [low, high] = [day, day + DAY_MS];
    while (high - low > SECOND_MS) {
      const middle = Math.floor((low + high) / 2 / SECOND_MS) * SECOND_MS;
      if (offsetOf(middle) === before) low = middle;
      else high = middle;
    }
    changes.push({ atMs: high, wallBeforeMs: high + before, wallAfterMs: high + after });
  }
  return changes;
}

/** Returns the wall time of a zone at an instant of whole seconds. */
function wallClock(zone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone: zone, hourCycle: 'h23', calendar: 'gregory', numberingSystem: 'latn' },
    ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
  });
  return (ms) => {
    const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
    return Date.UTC(parts.year!, parts.month! - 1, parts.day!, parts.hour!, parts.minute!, parts.second!);
  };
}
