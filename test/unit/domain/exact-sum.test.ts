import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CARRY, ExactSum } from '../../../src/domain/exact-sum.js';

function sumOf(values: readonly number[]): bigint {
  const sum = new ExactSum();
  for (const value of values) sum.add(value);
  return sum.toBigInt();
}

test('a sum past 2^53 is exact, where a double is not', () => {
  const values = [CARRY - 1, CARRY - 1, 1, 1, 1];
  expect(sumOf(values)).toBe(2n * 2n ** 52n + 1n);
  expect(BigInt(values.reduce((sum, value) => sum + value, 0))).not.toBe(sumOf(values));
});

test('a sum past 2^63 is exact', () => {
  expect(sumOf(new Array(20_000).fill(10 ** 15))).toBe(20_000n * 10n ** 15n);
});

test.each([
  { name: 'just below a carry', values: [CARRY - 1], sum: 2n ** 52n - 1n },
  { name: 'just a carry', values: [CARRY - 1, 1], sum: 2n ** 52n },
  { name: 'nothing', values: [], sum: 0n },
])('a sum of $name is exact', ({ values, sum }) => {
  expect(sumOf(values)).toBe(sum);
});

test('any sum of numbers below 2^52 is exact', () => {
  const anyValue = fc.oneof(
    fc.maxSafeNat().map((n) => n % CARRY),
    fc.constantFrom(0, 1, CARRY - 1, 10 ** 15),
  );
  fc.assert(
    fc.property(fc.array(anyValue, { size: 'large' }), (values) => {
      expect(sumOf(values)).toBe(values.reduce((sum, value) => sum + BigInt(value), 0n));
    }),
  );
});

test('a carry adds 2^52, and a reset forgets all', () => {
  const sum = new ExactSum();
  sum.add(5);
  sum.carry();
  expect(sum.toBigInt()).toBe(2n ** 52n + 5n);
  sum.add(CARRY - 1);
  sum.reset();
  expect(sum.toBigInt()).toBe(0n);
});
