import { describe, expect, test } from 'vitest';
import { counted, duration, grouped, moment, printable, sentence } from '../../src/text.js';

describe('a number for people', () => {
  test.each([
    ['0', '0'],
    ['999', '999'],
    ['1000', '1,000'],
    ['-1234567', '-1,234,567'],
    ['1234.000056789', '1,234.000056789'],
    ['0.0004', '0.0004'],
    ['99999999999999999999999900000000', '99,999,999,999,999,999,999,999,900,000,000'],
  ])('%s is shown as %s', (number, shown) => {
    expect(grouped(number)).toBe(shown);
  });

  test('counts one, none and many', () => {
    expect([0, 1, 1200].map((number) => counted(number, 'call'))).toEqual(['0 calls', '1 call', '1,200 calls']);
    expect(counted(2n, 'activity', 'activities')).toBe('2 activities');
  });
});

describe('a time for people', () => {
  test.each([
    [0, '0 ms'],
    [340.4, '340 ms'],
    [1300, '1.3 s'],
    [59_960, '1 min'],
    [250_000, '4 min 10 s'],
    [12_000_000, '3 h 20 min'],
    [187_200_000, '2 d 4 h'],
    [86_401_000, '1 d 1 s'],
  ])('of %d ms is %s', (ms, shown) => {
    expect(duration(ms)).toBe(shown);
  });

  test('of a moment says its zone', () => {
    expect(moment(new Date('2026-10-01T12:00:00.999Z'))).toBe('2026-10-01 12:00:00 UTC');
  });
});

describe('text from the database', () => {
  test('cannot move the cursor, turn the writing or break the line', () => {
    expect(printable('\u001b[31mred\n\u202ebidi\u0000\u2028')).toBe('\\u{1b}[31mred\\u{a}\\u{202e}bidi\\u{0}\\u{2028}');
  });

  test('stays as it is otherwise', () => {
    expect(printable('Zoë 漢字 👩‍👩‍👧‍👦 O\'Brien "x"')).toBe('Zoë 漢字 👩‍👩‍👧‍👦 O\'Brien "x"');
  });
});

describe('a sentence', () => {
  test.each([
    ['run 7 is already paused', 'Run 7 is already paused.'],
    ['Did you mean sslmode?', 'Did you mean sslmode?'],
    ['create database x;', 'Create database x;'],
    ['the settings:\n  one\n  two', 'the settings:\n  one\n  two'],
  ])('%j becomes %j', (message, text) => {
    expect(sentence(message)).toBe(text);
  });
});
