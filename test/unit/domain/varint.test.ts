import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unzigzag, VarintReader, writeVarint, zigzag } from '../../../src/domain/segment.js';
import { CALLED_AT_MAX, CALLED_AT_MIN } from './calls.js';

const VALUE_MAX = 2 ** 53 - 1;
const powers = [1, 2, 3, 4, 5, 6, 7].map((k) => 2 ** (7 * k));
const boundaries = [
  0,
  1,
  ...powers.flatMap((power) => [power - 1, power, power + 1]),
  2 ** 32 - 1,
  2 ** 32,
  2 ** 52,
  VALUE_MAX,
];

function written(value: number): Buffer {
  const out = Buffer.alloc(16, 0xee);
  return out.subarray(0, writeVarint(out, 0, value));
}

/** LEB128 as a textbook has it. */
function leb128(value: bigint): number[] {
  const rest = value >> 7n;
  return rest === 0n ? [Number(value)] : [Number((value & 127n) | 128n), ...leb128(rest)];
}

test.each(boundaries)('%d is written as LEB128 and read back', (value) => {
  const bytes = written(value);
  expect([...bytes]).toEqual(leb128(BigInt(value)));
  const reader = new VarintReader(bytes);
  expect(reader.next()).toBe(value);
  expect(reader.at).toBe(bytes.length);
});

test('any values in a row are read back, each from where the one before ends', () => {
  const anyValue = fc.oneof(fc.maxSafeNat(), fc.nat(), fc.nat(300), fc.constantFrom(...boundaries));
  fc.assert(
    fc.property(fc.array(anyValue), fc.nat(5), (values, start) => {
      const out = Buffer.alloc(start + values.length * 8);
      const end = values.reduce((at, value) => writeVarint(out, at, value), start);
      const reader = new VarintReader(out);
      reader.at = start;
      expect(values.map(() => reader.next())).toEqual(values);
      expect(reader.at).toBe(end);
    }),
  );
});

test('no value takes more than eight bytes', () => {
  expect(written(VALUE_MAX)).toHaveLength(8);
});

test('zigzag turns small numbers of either sign into small ones', () => {
  expect([0, -1, 1, -2, 2].map(zigzag)).toEqual([0, 1, 2, 3, 4]);
});

test('zigzag keeps any difference of two times that the log may hold, in what a varint can take', () => {
  const widest = Number(CALLED_AT_MAX - CALLED_AT_MIN);
  const anyDifference = fc.oneof(
    fc.integer({ min: -1000, max: 1000 }),
    fc.maxSafeInteger().map((n) => n % (widest + 1)),
    fc.constantFrom(widest, -widest, 2 ** 31, -(2 ** 31), 2 ** 32, -(2 ** 32)),
  );
  fc.assert(
    fc.property(anyDifference, (difference) => {
      // A zero of either sign is the same time.
      const reader = new VarintReader(written(zigzag(difference)));
      expect(unzigzag(reader.nextLow(), reader.high) + 0).toBe(difference + 0);
      expect(zigzag(difference)).toBeGreaterThanOrEqual(0);
      expect(zigzag(difference)).toBeLessThanOrEqual(VALUE_MAX);
      expect(new VarintReader(written(zigzag(difference))).next()).toBe(zigzag(difference) + 0);
    }),
  );
});
