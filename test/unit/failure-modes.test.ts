/** docs/failure-modes.md names a test for each failure point; each of them exists. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { repositoryDir } from '../support/repository.js';

const read = (path: string) => readFileSync(join(repositoryDir, path), 'utf8');

const rows = read('docs/failure-modes.md')
  .split('\n## Failure points\n')[1]!
  .split('\n## ')[0]!
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| failure point |') && !line.startsWith('| --- '))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '').trim()));

/** A file in test/integration, without its ending, and words of a test's title. */
interface NamedTest {
  file: string;
  words: string;
}

function testsNamedIn(cell: string): NamedTest[] {
  return [...cell.matchAll(/`([a-z-]+)` “([^”]+)”/g)].map(([, file, words]) => ({ file: file!, words: words! }));
}

describe('the table of failure points', () => {
  test('has four cells in each row, and the last one contains only names of tests', () => {
    expect(rows.length).toBeGreaterThan(40);
    for (const cells of rows) {
      expect(cells).toHaveLength(4);
      const names = testsNamedIn(cells[3]!).map(({ file, words }) => `\`${file}\` “${words}”`);
      expect(names.join('; ')).toBe(cells[3]);
    }
  });

  test.each(rows.map((cells) => [cells.slice(0, 2).join(': '), cells[3]!]))('%s', (_failurePoint, cell) => {
    for (const { file, words } of testsNamedIn(cell)) {
      expect({ words, isIn: read(`test/integration/${file}.test.ts`).includes(words) && file }).toEqual({
        words,
        isIn: file,
      });
    }
  });
});
