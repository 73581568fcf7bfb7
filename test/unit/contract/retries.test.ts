import { describe, expect, test } from 'vitest';
import { activityName, isReported, oneLine } from '../../../src/contract/retries.js';

describe('an activity is called', () => {
  test.each([
    ['planRun', undefined, 'plan'],
    ['mapPartition', 3, 'map 3'],
    ['reduceShard', 0, 'reduce 0'],
    ['recount', 0, 'recount'],
    ['publishRun', undefined, 'publish'],
    ['anotherOne', 2, 'anotherOne 2'],
  ])('%s %s: %s', (type, number, name) => {
    expect(activityName(type, number)).toBe(name);
  });
});

test('of 4,300 attempts, as many as a run of 12 hours makes, 12 are reported, and the first is not', () => {
  const reported = Array.from({ length: 4300 }, (_, index) => index + 1).filter(isReported);
  expect(reported).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]);
});

test('a message is one line of bounded length', () => {
  expect(oneLine(' two\n  lines ')).toBe('two lines');
  expect(oneLine('x'.repeat(400))).toHaveLength(400);
  expect(oneLine('x'.repeat(401))).toBe(`${'x'.repeat(398)} …`);
});
