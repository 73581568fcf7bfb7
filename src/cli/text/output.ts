/**
 * Standard output: for people (tables, grouped digits), and for programs (one JSON document, CSV).
 *
 * Every write waits until the reader has room, so that an export of millions of rows takes no more memory than a
 * small one. A reader that has seen enough (`| head`) closes the pipe: that ends the command quietly, and well.
 */
import { CommandError } from './problems.js';

/** Whoever read standard output has closed it; nobody is left to write for. */
export class OutputClosed extends Error {
  override name = 'OutputClosed';
}

// Each write reports its own failure; without a listener it would also end the process.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

/** Writes to standard output, and resolves when more may be written. Throws OutputClosed. */
export function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error: NodeJS.ErrnoException | null | undefined) => {
      if (!error) resolve();
      else if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') reject(new OutputClosed());
      else reject(new CommandError(`Standard output can't be written: ${error.message}`, { cause: error }));
    });
  });
}

export function writeLine(text = ''): Promise<void> {
  return write(`${text}\n`);
}

/** A remark to the person at the terminal; never part of the result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A value as one JSON document. bigints become strings, as they do everywhere in meterfold's JSON. */
export function writeJson(value: unknown): Promise<void> {
  return writeLine(jsonText(value, 2));
}

/**
 * One JSON document with an array that is too long for memory:
 * `head`'s members, then `name` with the items as they come, then the members of what `tail` returns after the last.
 */
export async function writeJsonStream(
  head: Record<string, unknown>,
  name: string,
  items: AsyncIterable<unknown[]>,
  tail: () => Record<string, unknown> = () => ({}),
): Promise<void> {
  await write('{\n');
  for (const [key, value] of Object.entries(head)) await write(`  ${member(key, value)},\n`);
  await write(`  ${JSON.stringify(name)}: [`);
  let separator = '\n    ';
  for await (const batch of items) {
    if (batch.length === 0) continue;
    await write(separator + batch.map((item) => JSON.stringify(item)).join(',\n    '));
    separator = ',\n    ';
  }
  await write(separator === '\n    ' ? ']' : '\n  ]');
  for (const [key, value] of Object.entries(tail())) await write(`,\n  ${member(key, value)}`);
  await write('\n}\n');
}

function member(key: string, value: unknown): string {
  return `${JSON.stringify(key)}: ${jsonText(value, 2).replaceAll('\n', '\n  ')}`;
}

function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? String(item) : item), indent);
}

/**
 * What a spreadsheet takes for a formula where a cell begins with it, also in full width, or after white space and invisible characters,
 * which it may skip; and tab, CR and LF, which may end the cell before. https://owasp.org/www-community/attacks/CSV_Injection
 */
const EXECUTED = /^(?:[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]|[\t\r\n])/u;

/**
 * Text from outside, as a cell of CSV: an apostrophe goes before what a spreadsheet would execute, and before an apostrophe. So a cell
 * begins with an apostrophe just if one was added, and without its first apostrophe it is the text as it was (docs/csv.md).
 */
export function csvText(text: string): string {
  return text.startsWith("'") || EXECUTED.test(text) ? `'${text}` : text;
}

/**
 * A line of CSV (RFC 4180, but ended as Unix ends lines). Also quoted is what other readers split cells by, and what csvText has
 * changed. Millions of lines are written: a library costs five times as much.
 */
export function csvLine(cells: (string | number)[]): string {
  return `${cells.map((cell) => (typeof cell === 'string' && /[",;\t\r\n]|^'/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\n`;
}

export interface Column {
  title: string;
  align?: 'left' | 'right';
}

/** A text table with a line of titles. The widths fit the rows given, or `widths` of an earlier part of the same table. */
export function table(columns: Column[], rows: string[][], widths = columnWidths(columns, rows)): string {
  return [columns.map((column) => column.title), ...rows].map((cells) => tableLine(columns, cells, widths)).join('\n');
}

export function columnWidths(columns: Column[], rows: string[][]): number[] {
  return columns.map((column, index) =>
    Math.max(column.title.length, ...rows.map((row) => printable(row[index] ?? '').length)),
  );
}

export function tableLine(columns: Column[], cells: string[], widths: number[]): string {
  const padded = columns.map((column, index) => {
    const text = printable(cells[index] ?? '');
    return column.align === 'right' ? text.padStart(widths[index]!) : text.padEnd(widths[index]!);
  });
  return padded.join('  ').trimEnd();
}

/** Pairs as lines, the values below each other. */
export function facts(pairs: [string, string][]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`).join('\n');
}

/** Text from the database may hold anything, also what moves a terminal's cursor: control characters show as \u{1b}. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/** A message as a sentence of its own: "Run 7 is paused already." */
export function sentence(message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
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
  const parts: string[] = [];
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(' ');
}

/** "2026-10-01 12:00:00 UTC". */
export function moment(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
