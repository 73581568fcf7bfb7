/** The table of failures and the error classes of src agree. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { FAILURE_NAMES, failureNamed } from '../../../src/contract/failures.js';

const SRC = fileURLToPath(new URL('../../../src/', import.meta.url));

const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.startsWith('engine/wasm'))
  .map((name) => readFileSync(path.join(SRC, name), 'utf8'));

/** Classes that extend Error itself: a subclass of one of them has its name, and so its row. */
const classes = sources.flatMap((text) => [...text.matchAll(/class (\w+) extends Error\b/g)].map(([, name]) => name!));
/** Types that the workflow and activities give to failures without a class: the last argument, or the field `type`. */
const types = sources
  .flatMap((text) => [...text.matchAll(/ApplicationFailure\.\w+\([\s\S]*?\);/g)].map(([call]) => call))
  .flatMap((call) => [...call.matchAll(/(?:type: |,\s+)'([A-Z]\w+)'/g)].map(([, name]) => name!));

describe('the table of failures', () => {
  test('has a row for every error class and every type of failure', () => {
    expect(classes.length).toBeGreaterThan(30);
    expect(types).toEqual(expect.arrayContaining(['BadInput', 'WorkerShutdown', 'MapRestartsExceeded']));
    for (const name of [...classes, ...types])
      expect({ name, row: failureNamed(name)?.name }).toEqual({ name, row: name });
  });

  test('has no row without a class or a type', () => {
    const thrown = new Set([...classes, ...types]);
    const own = FAILURE_NAMES.filter((name) => !name.startsWith('PostgreSQL '));
    expect(own.filter((name) => !thrown.has(name))).toEqual([]);
  });

  test.each([
    ['PostgreSQL 42P01', 'PostgreSQL 42'],
    ['PostgreSQL 3F000', 'PostgreSQL 3F000'],
    ['PostgreSQL 23505', 'PostgreSQL 23'],
  ])('has a row for %s: that of %s', (name, row) => {
    expect(failureNamed(name)?.name).toBe(row);
  });

  test.each(['PostgreSQL 40001', 'PostgreSQL 420', 'RangeError', 'toString', ''])('has none for %j', (name) => {
    expect(failureNamed(name)).toBeUndefined();
  });
});
