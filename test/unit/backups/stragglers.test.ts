import { expect, test } from 'vitest';
import { lastMax, slowMs } from '../../../src/backups/stragglers.js';

test.each([
  ['no task has reported how long it worked', [], 1000],
  ['tasks are short', [3, 400, 20], 1000],
  ['tasks are long', [4000, 3000, 5000], 8000],
  ['one of them was slow itself', [4000, 90_000, 3000], 8000],
  ['there is an even number of them', [3000, 5000], 10_000],
])('the time after which a task counts as slow, if %s', (_case, workedMs, expected) => {
  expect(slowMs(workedMs)).toBe(expected);
});

test('backups begin when a quarter of the tasks is left, at least one', () => {
  expect([2, 4, 7, 8, 500].map(lastMax)).toEqual([1, 1, 1, 2, 125]);
});
