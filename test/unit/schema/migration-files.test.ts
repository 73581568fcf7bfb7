import { describe, expect, test } from 'vitest';
import { BASELINE_END, declarationOf, readMigrations } from '../../../src/schema/migration-files.js';

test('each migration has a number of its own, without gaps, and each after the baseline declares the oldest build that works with it', async () => {
  const migrations = await readMigrations();
  expect(migrations.map(({ number }) => number)).toEqual(migrations.map((_, index) => index + 1));
  for (const { number, worksWith } of migrations) {
    if (number <= BASELINE_END) expect(worksWith).toBeUndefined();
    else expect(worksWith).toBeLessThanOrEqual(number);
  }
});

test('the files of the baseline are as they were released: to change the schema, add a new migration instead', async () => {
  const migrations = await readMigrations();
  const checksums = migrations.slice(0, BASELINE_END).map(({ name, checksum }) => `${name} ${checksum}`);
  expect(checksums).toEqual([
    '0001-log 1c31df1604fccb02be01e6be207674623ccb068f0a6eb8dd3d14435d1833a8d0',
    '0002-runs 09c678ee3e53eda77c5e7045c63d505d576d5b4ab3bbae00e93bce7fe5cb1d84',
    '0003-records bd74aeb22cd277ece2354d28f47a7b8aff5c42bda3ae52bcd39610b848623252',
    '0004-chain faf45569107f92471de380b2121b929710e33dbae83cd4bf12df22203488ee6b',
    '0005-log-guard 29703fde9a1900c32f74e2f806095444f13caa8f108e5146ca6f19cf322830fd',
  ]);
});

describe('a declaration', () => {
  test('is the first line of the file', () => {
    expect(declarationOf('0009-x', '-- works with: 0007\nselect 1;\n')).toBe(7);
    expect(declarationOf('0009-x', '-- works with: 0009\nselect 1;\n')).toBe(9);
  });

  test('is not required of the baseline', () => {
    expect(declarationOf('0005-log-guard', 'select 1;\n')).toBeUndefined();
  });

  test.each([
    ['that is missing', 'select 1;\n'],
    ['on a later line', '-- a comment\n-- works with: 0007\n'],
    ['of a build that is newer than the migration', '-- works with: 0010\n'],
    ['of a build that ends within the baseline', '-- works with: 0004\n'],
    ['in other words', '-- works with: meterfold 0.1\n'],
  ])('%s is refused, and the message says what to write', (_case, sql) => {
    expect(() => declarationOf('0009-x', sql)).toThrow(
      'Migration 0009-x does not declare the oldest build that works with it: begin the file with "-- works with: NNNN", ' +
        'where NNNN is the newest migration that this build knows, from 0005 to 0009.',
    );
  });
});
