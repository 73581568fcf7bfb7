/**
 * Parsers of arguments and options. They throw InvalidArgumentError: commander then names the option, and exits with 2.
 */
import { InvalidArgumentError } from 'commander';
import type { ChainHead } from '../audit/chain.js';
import { optionDuration, UNIT_MS } from '../text.js';

const largestBigint = 2n ** 63n - 1n;

/** A parser of whole numbers; it accepts "1_000_000" and "1,000,000" too. */
export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const digits = text.replace(/(?<=\d)[_,](?=\d{3})/g, '');
    const number = /^\d{1,16}$/.test(digits) ? Number(digits) : Number.NaN;
    if (!(number >= low && number <= high)) {
      throw new InvalidArgumentError(`It must be a whole number from ${low} to ${high}.`);
    }
    return number;
  };
}

/** The number of a run, from 1. */
export function runIdArgument(text: string): string {
  if (!/^[1-9]\d{0,18}$/.test(text) || BigInt(text) > largestBigint) {
    throw new InvalidArgumentError('It must be the number of a run, as `meterfold runs` shows it.');
  }
  return text;
}

/** A head of the chain of ended runs, as `meterfold verify` prints it. */
export function headArgument(text: string): ChainHead {
  const [, number, hash] = /^(0|[1-9]\d{0,18}):([0-9a-f]{64})$/.exec(text.trim()) ?? [];
  if (number === undefined || hash === undefined || BigInt(number) > largestBigint) {
    throw new InvalidArgumentError(
      'It must be a head as `meterfold verify` prints it: a number, a colon, 64 hex digits.',
    );
  }
  return { number, hash };
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)$/;

/** A log position, or a time in ISO 8601 with its offset from UTC. */
export function untilArgument(text: string): { position: string } | { time: string } {
  const digits = text.replace(/(?<=\d)[_,](?=\d{3})/g, '');
  if (/^\d{1,19}$/.test(digits) && BigInt(digits) <= largestBigint) return { position: String(BigInt(digits)) };
  if (TIME.test(text) && !Number.isNaN(Date.parse(text))) return { time: text };
  throw new InvalidArgumentError('It must be a log position, or a time with its offset, like 2026-10-01T00:00:00Z.');
}

/** A user id: any text of 1 to 256 bytes without NUL. */
export function userIdArgument(text: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes < 1 || bytes > 256 || text.includes('\0'))
    throw new InvalidArgumentError('It must be a user id: a text of 1 to 256 bytes.');
  return text;
}

/** A parser of durations such as 30s, 5m, 1h and 1d, into milliseconds. */
export function durationMs(lowMs: number, highMs: number): (text: string) => number {
  return (text) => {
    const match = /^(\d{1,6})([smhd])$/.exec(text.trim());
    const ms = match === null ? Number.NaN : Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
    if (!(ms >= lowMs && ms <= highMs)) {
      throw new InvalidArgumentError(
        `It must be a number with s, m, h or d, like 30s, 5m, 1h or 1d; from ${optionDuration(lowMs)} to ${optionDuration(highMs)}.`,
      );
    }
    return ms;
  };
}

/** The fields of a cron expression, without its comment and its time zone. */
export function cronFields(cron: string): string[] {
  const fields = cron.split('#')[0]!.trim().split(/\s+/);
  return /^(CRON_)?TZ=/.test(fields[0]!) ? fields.slice(1) : fields;
}

/**
 * A cron expression, which the server parses. Six fields are refused, because Temporal reads the sixth as the year, and
 * other programs read the first as the seconds: "0 0 3 * * *" would start runs on the third of each month, not at three
 * each day.
 */
export function cronArgument(text: string): string {
  if (cronFields(text).length === 6) {
    throw new InvalidArgumentError(
      'It has six fields, of which Temporal reads the last as the year, and other programs the first as the seconds: give ' +
        'five (minute hour day month weekday), or seven (second minute hour day month weekday year).',
    );
  }
  return text;
}
