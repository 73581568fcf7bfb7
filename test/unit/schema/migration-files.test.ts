import { describe, expect, test } from 'vitest';
import { declarationOf, readMigrations } from '../../../src/schema/migration-files.js';

test('each migration has a number of its own, and each from 0007 on declares the oldest build that works with it', async () => {
  const migrations = await readMigrations();
  expect(new Set(migrations.map(({ number }) => number)).size).toBe(migrations.length);
  for (const { number, worksWith } of migrations) {
    if (number < 7) expect(worksWith).toBeUndefined();
    else expect(worksWith).toBeLessThanOrEqual(number);
  }
});

describe('a declaration', () => {
  test('is the first line of the file', () => {
    expect(declarationOf('0009-x', '-- works with: 0007\nselect 1;\n')).toBe(7);
    expect(declarationOf('0009-x', '-- works with: 0009\nselect 1;\n')).toBe(9);
  });

  test('is not asked of the migrations that were there before it', () => {
    expect(declarationOf('0006-replica', 'select 1;\n')).toBeUndefined();
  });

  test.each([
    ['that is missing', 'select 1;\n'],
    ['on a later line', '-- a comment\n-- works with: 0007\n'],
    ['of a build that is newer than the migration', '-- works with: 0010\n'],
    ['of no build', '-- works with: 0000\n'],
    ['in other words', '-- works with: meterfold 0.1\n'],
  ])('%s is refused, and the message says what to write', (_what, sql) => {
    expect(() => declarationOf('0009-x', sql)).toThrow(
      'Migration 0009-x does not declare the oldest build that works with it: begin the file with "-- works with: NNNN", ' +
        'where NNNN is the newest migration which that build knows, from 0001 to 0009.',
    );
  });
});
