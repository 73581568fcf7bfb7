/**
 * Standard output: for people (tables, grouped digits), and for programs (one JSON document, CSV).
 *
 * Every write waits until the reader has room, so that an export of millions of rows takes no more memory than a
 * small one. A reader that has seen enough (`| head`) closes the pipe: that ends the command quietly, and well.
 */
import { toDocument } from '../../contract/documents.js';
import { printable } from '../../text.js';
import { CommandError } from './command-error.js';

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

/** Writes a value as one JSON document: its fields are in snake_case, and bigints are strings. */
export function writeJson(value: unknown): Promise<void> {
  return writeLine(JSON.stringify(toDocument(value), undefined, 2));
}

/**
 * Writes one JSON document that holds an array too long for memory: the members of `head`, then `name` with the items as they come, then
 * the members that `end` returns after the last item.
 */
export async function writeJsonStream(
  head: Record<string, unknown>,
  name: string,
  items: AsyncIterable<unknown[]>,
  end: () => Record<string, unknown> = () => ({}),
): Promise<void> {
  await write('{\n');
  for (const member of members(head)) await write(`  ${member},\n`);
  await write(`  ${JSON.stringify(name)}: [`);
  let separator = '\n    ';
  for await (const batch of items) {
    if (batch.length === 0) continue;
    await write(
      separator +
        toDocument(batch)
          .map((item) => JSON.stringify(item))
          .join(',\n    '),
    );
    separator = ',\n    ';
  }
  await write(separator === '\n    ' ? ']' : '\n  ]');
  for (const member of members(end())) await write(`,\n  ${member}`);
  await write('\n}\n');
}

function members(values: Record<string, unknown>): string[] {
  return Object.entries(toDocument(values)).map(
    ([field, value]) => `${JSON.stringify(field)}: ${JSON.stringify(value, undefined, 2).replaceAll('\n', '\n  ')}`,
  );
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
