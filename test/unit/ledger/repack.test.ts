import { expect, test } from 'vitest';
import { worthRepacking } from '../../../src/ledger/repack-ranges.js';

const range = (rows: number, cycles: number, runs: number) => ({
  userId: 'a',
  firstCycle: '1',
  endCycle: String(cycles),
  rows,
  cycles,
  runs,
});

test.each([
  ['one row', range(1, 1, 1), false],
  ['two cycles in two rows', range(2, 2, 2), true],
  ['eighty cycles in eighty rows', range(80, 80, 80), true],
  ['a row with room, and one more cycle', range(2, 41, 41), false],
  ['a row with room, and three more cycles', range(4, 43, 43), true],
  ['two rows of twenty cycles', range(2, 40, 2), false],
  ['two rows of ten cycles', range(2, 20, 2), true],
  ['two rows whose cycles need two rows', range(2, 100, 2), false],
])('%s: worth repacking if that saves an eighth of what it writes', (_title, given, expected) => {
  expect(worthRepacking(given)).toBe(expected);
});

test('rows of one run that are too large to be considered are never worth merging with each other', () => {
  for (let rows = 2; rows <= 500; rows++) expect(worthRepacking(range(rows, 24 * rows, rows))).toBe(false);
});
