import { InvalidArgumentError } from 'commander';
import { describe, expect, test } from 'vitest';
import { durationMs, runIdArgument, userIdArgument, wholeNumber } from '../../../src/cli/arguments.js';
import { optionDuration } from '../../../src/text.js';

describe('a whole number', () => {
  const read = wholeNumber(1, 10_000_000);

  test.each([
    ['1', 1],
    ['10000000', 10_000_000],
    ['10_000_000', 10_000_000],
    ['10,000,000', 10_000_000],
    ['007', 7],
  ])('%j is %i', (text, number) => {
    expect(read(text)).toBe(number);
  });

  test.each(['', '0', '10000001', '-1', '1.5', '1e3', '0x10', 'one', '1 000', '1_0', '99999999999999999999'])(
    '%j is refused',
    (text) => {
      expect(() => read(text)).toThrow(InvalidArgumentError);
    },
  );
});

describe('a duration', () => {
  const read = durationMs(1000, 366 * 86_400_000);

  test.each([
    ['1s', 1000],
    ['90s', 90_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
  ])('%s is %i ms, and is printed the same', (text, ms) => {
    expect(read(text)).toBe(ms);
    expect(optionDuration(ms)).toBe(text);
  });

  test('is printed in the largest unit', () => {
    expect(optionDuration(read('60s'))).toBe('1m');
    expect(optionDuration(read('48h'))).toBe('2d');
  });

  test.each(['', '5', 'm', '5 m', '0s', '-5m', '1.5h', '5M', '5min', '1w', '367d', '1h30m', 'fünf'])(
    '%j is refused',
    (text) => {
      expect(() => read(text)).toThrow(InvalidArgumentError);
    },
  );
});

describe('a run', () => {
  test.each(['1', '42', '9223372036854775807'])('is %s', (text) => {
    expect(runIdArgument(text)).toBe(text);
  });

  test.each(['', '0', '01', '-1', '1.0', 'last', '9223372036854775808', "1' or 1=1"])('is not %j', (text) => {
    expect(() => runIdArgument(text)).toThrow(InvalidArgumentError);
  });
});

describe('a user', () => {
  test.each(['a', ' ', "O'Brien", '漢字', 'x'.repeat(256), '😀'.repeat(64)])('is %j', (text) => {
    expect(userIdArgument(text)).toBe(text);
  });

  test.each(['', 'x'.repeat(257), '漢'.repeat(86), 'a\0b'])('is not %j', (text) => {
    expect(() => userIdArgument(text)).toThrow(InvalidArgumentError);
  });
});
