/**
 * Warnings about times at which a schedule starts no run, or one run too many: days that a month does not have, and
 * wall times that a change of the clocks skips or repeats.
 *
 * The server parses the expression to a calendar, which is compared here with the clock changes of the time zone. How
 * the server treats a repeated time differs between zones, so it is asked when it starts runs.
 */
import type { Client, ScheduleDescription } from '@temporalio/client';
import {
  type Calendar,
  type ClockChange,
  calendarOf,
  clockChanges,
  monthsWithoutDay,
  wallTimesIn,
} from './calendar.js';

const SECOND_MS = 1000;
/** Long enough for both clock changes of a year. */
const AHEAD_MS = 400 * 86_400_000;
const HOURS = 24;
const TIMES_SHOWN = 3;

/** Sentences without a full stop; none if runs start at every time that the expression names. */
export async function scheduleWarnings(client: Client, schedule: ScheduleDescription): Promise<string[]> {
  const { spec, info } = schedule;
  const calendars = (spec.calendars ?? []).map(calendarOf);
  if ((spec.intervals ?? []).length > 0 || calendars.length === 0) return [];
  const zone = spec.timezone || 'UTC';
  const months = calendars.length === 1 ? monthsWithoutDay(calendars[0]!) : [];
  if (months.length === calendars[0]!.month.size || info.nextActionTimes.length === 0) {
    return ['no time matches the expression: this schedule never starts a run'];
  }
  const warnings: string[] = [];
  if (months.length > 0) warnings.push(`no run starts in ${listed(months)}, which have no such day`);
  if (calendars.some(isDayAndWeekday)) {
    warnings.push(
      'runs start only on days that match both the day of the month and the weekday: Temporal, unlike cron, requires both',
    );
  }
  const asked = { client, scheduleId: schedule.scheduleId };
  for (const change of changesOf(zone)) {
    for (const calendar of calendars) {
      const warning =
        change.wallAfterMs > change.wallBeforeMs
          ? skipped(calendar, zone, change)
          : await repeated(calendar, zone, change, asked);
      if (warning !== undefined) warnings.push(warning);
    }
  }
  return warnings;
}

function isDayAndWeekday({ dayOfMonth, dayOfWeek }: Calendar): boolean {
  return dayOfMonth.size < 31 && dayOfWeek.size < 7;
}

/** None for a time zone that the server knows and Node does not. */
function changesOf(zone: string): ClockChange[] {
  const nowMs = Math.floor(Date.now() / SECOND_MS) * SECOND_MS;
  try {
    return clockChanges(zone, nowMs, nowMs + AHEAD_MS);
  } catch (error) {
    if (error instanceof RangeError) return [];
    throw error;
  }
}

/** No warning if runs start in every hour: the skipped hour does not exist for anybody. */
function skipped(calendar: Calendar, zone: string, { wallBeforeMs, wallAfterMs }: ClockChange): string | undefined {
  const times = wallTimesIn(calendar, wallBeforeMs, wallAfterMs);
  if (times.length === 0 || calendar.hour.size === HOURS) return undefined;
  const clocks = `where clocks go from ${wallText(wallBeforeMs)} to ${wallText(wallAfterMs)}`;
  return `${timesText(times)} on ${dayText(times[0]!)} ${times.length === 1 ? 'does' : 'do'} not exist in ${zone}, ${clocks}: no run starts then, and the next run bills the calls`;
}

async function repeated(
  calendar: Calendar,
  zone: string,
  { atMs, wallBeforeMs, wallAfterMs }: ClockChange,
  asked: { client: Client; scheduleId: string },
): Promise<string | undefined> {
  const times = wallTimesIn(calendar, wallAfterMs, wallBeforeMs);
  if (times.length === 0) return undefined;
  const lengthMs = wallBeforeMs - wallAfterMs;
  const starts = await matchingTimes(asked.client, asked.scheduleId, atMs - lengthMs, atMs + lengthMs);
  if (calendar.hour.size === HOURS && starts.length === 2 * times.length) return undefined;
  const clocks = `where clocks go from ${wallText(wallBeforeMs)} back to ${wallText(wallAfterMs)}`;
  const at =
    starts.length === 0
      ? 'no run then'
      : `${starts.length === 1 ? 'a run' : `${starts.length} runs`} then, at ${timesText(starts)} UTC`;
  return `${timesText(times)} on ${dayText(times[0]!)} ${times.length === 1 ? 'comes' : 'come'} twice in ${zone}, ${clocks}: Temporal starts ${at}`;
}

/** The times at which the server starts runs, in [fromMs, toMs); both are whole seconds. */
export async function matchingTimes(
  client: Client,
  scheduleId: string,
  fromMs: number,
  toMs: number,
): Promise<number[]> {
  const timestamp = (ms: number) => ({ seconds: (ms / SECOND_MS) as never, nanos: 0 });
  const { startTime } = await client.workflowService.listScheduleMatchingTimes({
    namespace: client.options.namespace,
    scheduleId,
    // The server excludes the first instant.
    startTime: timestamp(fromMs - SECOND_MS),
    endTime: timestamp(toMs - SECOND_MS),
  });
  return (startTime ?? []).map(({ seconds }) => Number(seconds) * SECOND_MS);
}

/** "02:30", "02:00, 02:20 and 02:40", "02:00 to 02:55 (12 times)". */
function timesText(times: readonly number[]): string {
  if (times.length <= TIMES_SHOWN) return listed(times.map(wallText));
  return `${wallText(times[0]!)} to ${wallText(times.at(-1)!)} (${times.length} times)`;
}

function wallText(ms: number): string {
  return new Date(ms).toISOString().slice(11, ms % 60_000 === 0 ? 16 : 19);
}

function dayText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function listed(items: readonly string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}
