import { expect, test } from 'vitest';
import { lastMax, patienceMs } from '../../../src/backups/stragglers.js';

test.each([
  ['nobody has told how long it worked', [], 1000],
  ['tasks are short', [3, 400, 20], 1000],
  ['tasks are long', [4000, 3000, 5000], 8000],
  ['one of them straggled itself', [4000, 90_000, 3000], 8000],
  ['there is an even number of them', [3000, 5000], 10_000],
])('the patience when %s', (_case, workedMs, expected) => {
  expect(patienceMs(workedMs)).toBe(expected);
});

test('a quarter of the tasks may be begun twice, and always one', () => {
  expect([2, 4, 7, 8, 500].map(lastMax)).toEqual([1, 1, 1, 2, 125]);
});
