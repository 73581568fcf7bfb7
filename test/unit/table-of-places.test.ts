/** ARCHITECTURE.md says of each place what shows that it is safe: the tests that it names are there. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');

const rows = read('ARCHITECTURE.md')
  .split('### The table of places')[1]!
  .split('\n## ')[0]!
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| place ') && !line.startsWith('| --- '))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '').trim()));

/** A file of test/integration, and words of a test's title. */
interface Named {
  file: string;
  words: string;
}

function namedIn(cell: string): Named[] {
  return [...cell.matchAll(/`([a-z-]+)` “([^”]+)”/g)].map(([, file, words]) => ({ file: file!, words: words! }));
}

describe('each place in the table of ARCHITECTURE.md', () => {
  test('has four cells, and is followed by nothing that names no test', () => {
    expect(rows.length).toBeGreaterThan(40);
    for (const cells of rows) {
      expect(cells).toHaveLength(4);
      const names = namedIn(cells[3]!).map(({ file, words }) => `\`${file}\` “${words}”`);
      expect(names.join('; ')).toBe(cells[3]);
    }
  });

  test.each(rows.map((cells) => [cells.slice(0, 2).join(': '), cells[3]!]))('%s', (_place, cell) => {
    for (const { file, words } of namedIn(cell)) {
      expect({ words, isIn: read(`test/integration/${file}.test.ts`).includes(words) && file }).toEqual({
        words,
        isIn: file,
      });
    }
  });
});
