/**
 * Standard output: tables and facts for people, and one JSON document or CSV for programs.
 *
 * Each write waits until the reader has room, so that an export of millions of rows takes no more memory than a small
 * one. A reader that needs no more (`| head`) closes the pipe: the command then ends quietly, with exit code 0.
 */
import { toDocument } from '../../contract/documents.js';
import { printable } from '../../text.js';
import { CommandError } from './command-error.js';

/** The reader of standard output has closed it. */
export class OutputClosed extends Error {
  override name = 'OutputClosed';
}

// Each write reports its own failure; without a listener, the event would also end the process.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

/** Writes to standard output; resolves when more can be written. Throws OutputClosed, and CommandError. */
export function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error: NodeJS.ErrnoException | null | undefined) => {
      if (!error) resolve();
      else if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') reject(new OutputClosed());
      else reject(new CommandError(`Standard output cannot be written: ${error.message}.`, { cause: error }));
    });
  });
}

export function writeLine(text = ''): Promise<void> {
  return write(`${text}\n`);
}

/** Writes a remark to standard error: it is not part of the result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Writes a value as one JSON document: its fields are in snake_case, and bigints are strings. */
export function writeJson(value: unknown): Promise<void> {
  return writeLine(JSON.stringify(toDocument(value), undefined, 2));
}

/**
 * Writes one JSON document that holds an array too long for memory: the members of `head`, then `name` with the items
 * as they come, then the members that `end` returns after the last item.
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
 * What a spreadsheet would execute as a formula if a cell begins with it: these signs, also in full width, and also
 * after white space and invisible characters, which it may skip; and tab, CR and LF, which may end the cell before.
 * https://owasp.org/www-community/attacks/CSV_Injection
 */
const EXECUTED = /^(?:[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]|[\t\r\n])/u;

/**
 * Text from outside as a cell of CSV. An apostrophe is put before text that a spreadsheet would execute, and before
 * text that begins with an apostrophe. So a cell begins with an apostrophe only if one was added, and the text is the
 * cell without its first apostrophe (docs/csv.md).
 */
export function csvText(text: string): string {
  return text.startsWith("'") || EXECUTED.test(text) ? `'${text}` : text;
}

/**
 * A line of CSV by RFC 4180, except that it ends with LF. Cells are also quoted if they hold a character at which other
 * readers split, or were changed by csvText(). Millions of lines are written, and a library takes five times as long.
 */
export function csvLine(cells: (string | number)[]): string {
  const quoted = cells.map((cell) =>
    typeof cell === 'string' && /[",;\t\r\n]|^'/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell,
  );
  return `${quoted.join(',')}\n`;
}

export interface Column {
  title: string;
  align?: 'left' | 'right';
}

/**
 * A text table with a line of titles. `widths` are those of earlier rows of the same table; by default they fit `rows`.
 */
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

/** Pairs of a name and a value, one on each line, with the values aligned. */
export function facts(pairs: [string, string][]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`).join('\n');
}
