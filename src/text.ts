/** Numbers, times and names as people read them: in what commands print, and in the messages of errors. */

/**
 * A message as a sentence: "Run 7 is already paused." A message of several lines is a list or a log, and stays
 * unchanged.
 */
export function sentence(message: string): string {
  if (message.includes('\n')) return message;
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.?!;:]$/.test(message) ? '' : '.'}`;
}

/**
 * Escapes control characters, which could move the cursor of a terminal, as \u{1b}: text from the database may contain
 * them.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/** Groups the digits before the decimal point: "1,234,567.89". */
export function grouped(number: string | bigint | number): string {
  const [whole = '', ...decimals] = String(number).split('.');
  return [whole.replace(/\B(?=(\d{3})+$)/g, ','), ...decimals].join('.');
}

/** "1 call", "1,200 calls". */
export function counted(number: string | bigint | number, one: string, many = `${one}s`): string {
  return `${grouped(number)} ${String(number) === '1' ? one : many}`;
}

/** "340 ms", "1.3 s", "4 min 10 s", "3 h 20 min", "2 d 4 h". */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ];
  let rest = Math.round(seconds);
  const shown: string[] = [];
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) shown.push(`${count} ${unit}`);
  }
  return shown.slice(0, 2).join(' ');
}

/** "2026-10-01 12:00:00 UTC". */
export function moment(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** The units of a duration as options take it: 30s, 5m, 1h, 1d. */
export const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A duration as an option takes it, in the largest unit that divides it: 90000 is "90s", 3600000 is "1h". */
export function optionDuration(ms: number): string {
  for (const [unit, size] of Object.entries(UNIT_MS).reverse()) {
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms / 1000}s`;
}
