import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { repositoryDir } from '../support/repository.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'meterfold-words-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function check(text: string): { status: number | null; lines: string[] } {
  const file = join(folder, 'planted.ts');
  writeFileSync(file, text);
  const script = join(repositoryDir, 'scripts', 'check-words.js');
  const { status, stdout } = spawnSync(process.execPath, [script, file], { encoding: 'utf8' });
  return { status, lines: stdout.trimEnd().replaceAll(`${file}:`, '').split('\n') };
}

test('a banned word is reported with its line and a replacement, and the check fails', () => {
  expect(check('const calls = 1;\n// The partition is mapped anew.\n')).toEqual({
    status: 1,
    lines: ['2: "anew": write "again", or "restarts"', '1 files checked, 1 banned words'],
  });
});

test.each([
  ['in an identifier', 'const openTail = 1;', 'tail'],
  ['in a column', 'select aside_calls from runs', 'aside'],
  ['in capitals', '// Whoever reads it', 'whoever'],
  ['a phrase', '// The worker is told that the run has ended.', 'is told'],
  ['at the start of a docstring', '/** Of a reduce, the users. */', 'of'],
])('a banned word is found %s', (_, text, word) => {
  const { status, lines } = check(text);
  expect(status).toBe(1);
  expect(lines[0]).toContain(`"${word}"`);
});

test.each([
  ['Array.prototype.slice', 'const first = calls.slice(0, 1);'],
  [
    'longer words',
    "name.replace('a', 'b'); // amended, replaced, a placeholder, leaves, a handle, tailored, outstretched",
  ],
  [
    'fixed expressions',
    '// It is patched in place, with two decimal places, and takes place once. A row is inserted by hand.',
  ],
  ['a later sentence of a comment', '// The worker ends.\n// Of its two connections one is closed.'],
])('a permitted use is not reported: %s', (_, text) => {
  expect(check(text)).toEqual({ status: 0, lines: ['1 files checked, 0 banned words'] });
});
