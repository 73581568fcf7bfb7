import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cutPartitions,
  cutShards,
  cutSubranges,
  mapsFor,
  type PositionRange,
  reducesFor,
  SHARDS_MAX,
  totalWidth,
  width,
} from '../../../src/engine/cuts.js';
import { BUCKETS, SPAN_MAX } from '../../../src/engine/layout.js';

describe('the number of map and reduce tasks', () => {
  test.each([
    [0, 2, 1, 1],
    [1, 2, 1, 1],
    [250_000, 2, 1, 1],
    [250_000, 100, 1, 1],
    [250_001, 2, 2, 1],
    [250_001, 100, 6, 5],
    [399_999, 8, 8, 7],
    [399_999, 100, 8, 7],
    [1_000_000, 2, 2, 1],
    [1_000_000, 8, 8, 7],
    [2_500_000, 2, 2, 1],
    [5_000_000, 2, 2, 3],
    // Not three: one of the two slots would be idle during the last task.
    [5_000_001, 2, 4, 4],
    [10_000_000, 1, 4, 6],
    [10_000_000, 2, 4, 6],
    [10_000_000, 3, 6, 6],
    [10_000_000, 40, 40, 39],
    [100_000_000, 2, 40, 60],
    [500_000_000, 64, 256, 447],
    [2_000_000_000, 64, 500, 500],
    [10_000_000_000, 2, 500, 500],
  ])('for %d calls and %d slots is %d and %d', (calls, slots, maps, reduces) => {
    expect(mapsFor(calls, slots)).toBe(maps);
    expect(reducesFor(calls, slots)).toBe(reduces);
  });

  test('never falls as calls grow, and gives each slot the same number of maps once there are more maps than slots', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), fc.nat(10_000_000), fc.integer({ min: 1, max: 100 }), (calls, more, slots) => {
        const maps = mapsFor(calls, slots);
        expect(mapsFor(calls + more, slots)).toBeGreaterThanOrEqual(maps);
        expect(reducesFor(calls + more, slots)).toBeGreaterThanOrEqual(reducesFor(calls, slots));
        if (maps > slots && maps < 500) expect(maps % slots).toBe(0);
      }),
    );
  });
});

const firstIds = fc.constantFrom(1n, 2n ** 32n - 3n, 2n ** 53n + 1n, 2n ** 62n);
const narrow = fc.bigInt({ min: 1n, max: 1000n });
const anyWidth = fc.oneof(
  narrow,
  fc.bigInt({ min: 1n, max: 2n ** 40n }),
  fc.constantFrom(SPAN_MAX - 1n, SPAN_MAX, 3n * SPAN_MAX),
);
const anyGap = fc.oneof(fc.constant(0n), narrow, fc.constantFrom(SPAN_MAX, 2n ** 56n));

function rangesOf(widths: fc.Arbitrary<bigint>, gaps: fc.Arbitrary<bigint>): fc.Arbitrary<PositionRange[]> {
  const pieces = fc.array(fc.tuple(gaps, widths), { minLength: 1, maxLength: 12 });
  return fc.tuple(firstIds, pieces).map(([firstId, widthsAndGaps]) => {
    let next = firstId;
    return widthsAndGaps.map(([gap, own]) => {
      const range = { first: next + gap, last: next + gap + own - 1n };
      next = range.last + 1n;
      return range;
    });
  });
}

const anyOccupied = rangesOf(anyWidth, anyGap);
const anyCount = fc.integer({ min: 1, max: 40 });

/** The number of occupied positions in a partition. */
function filled(partition: PositionRange, occupied: readonly PositionRange[]): bigint {
  return occupied.reduce((sum, range) => {
    const first = range.first > partition.first ? range.first : partition.first;
    const last = range.last < partition.last ? range.last : partition.last;
    return last < first ? sum : sum + (last - first + 1n);
  }, 0n);
}

describe('partitions', () => {
  test('ascend, do not overlap, and contain every occupied position', () => {
    fc.assert(
      fc.property(anyOccupied, anyCount, (occupied, count) => {
        const partitions = cutPartitions(occupied, count);
        for (const [i, { first, last }] of partitions.entries()) {
          expect(first <= last).toBe(true);
          if (i > 0) expect(first > partitions[i - 1]!.last).toBe(true);
        }
        const held = partitions.reduce((sum, partition) => sum + filled(partition, occupied), 0n);
        expect(held).toBe(totalWidth(occupied));
      }),
    );
  });

  test('begin and end at an occupied position, so that none reads a gap at its edge', () => {
    fc.assert(
      fc.property(anyOccupied, anyCount, (occupied, count) => {
        const inside = (position: bigint) => occupied.some(({ first, last }) => first <= position && position <= last);
        for (const { first, last } of cutPartitions(occupied, count))
          expect([inside(first), inside(last)]).toEqual([true, true]);
      }),
    );
  });

  test('span no more than 2^52 positions', () => {
    fc.assert(
      fc.property(anyOccupied, anyCount, (occupied, count) => {
        for (const partition of cutPartitions(occupied, count)) expect(width(partition) <= SPAN_MAX).toBe(true);
      }),
    );
  });

  test('are as many as requested, and of equal size except for the last, whatever the gaps', () => {
    fc.assert(
      fc.property(rangesOf(narrow, narrow), anyCount, (occupied, count) => {
        const sizes = cutPartitions(occupied, count).map((partition) => filled(partition, occupied));
        const total = totalWidth(occupied);
        const each = (total + BigInt(count) - 1n) / BigInt(count);
        expect(BigInt(sizes.length)).toBe((total + each - 1n) / each);
        expect(sizes.slice(0, -1).every((size) => size === each)).toBe(true);
        expect(sizes.at(-1)! <= each).toBe(true);
      }),
    );
  });

  test.each([
    { name: 'one position', occupied: [[7, 7]], count: 5, cut: [[7, 7]] },
    {
      name: 'ten positions in three',
      occupied: [[1, 10]],
      count: 3,
      cut: [
        [1, 4],
        [5, 8],
        [9, 10],
      ],
    },
    {
      name: 'a gap within a partition',
      occupied: [
        [1, 3],
        [1001, 1005],
      ],
      count: 2,
      cut: [
        [1, 1001],
        [1002, 1005],
      ],
    },
    {
      name: 'a gap at a cut',
      occupied: [
        [1, 4],
        [1001, 1004],
      ],
      count: 2,
      cut: [
        [1, 4],
        [1001, 1004],
      ],
    },
    { name: 'no occupied range', occupied: [], count: 3, cut: [] },
  ])('of $name are $cut', ({ occupied, count, cut }) => {
    const positions = (pairs: number[][]) =>
      pairs.map(([first, last]) => ({ first: BigInt(first!), last: BigInt(last!) }));
    expect(cutPartitions(positions(occupied), count)).toEqual(positions(cut));
  });

  test('cannot be zero', () => {
    expect(() => cutPartitions([], 0)).toThrow('at least one partition');
  });
});

describe('shards', () => {
  test('are as many as requested, cover all buckets, and differ by at most one bucket', () => {
    for (const count of [1, 2, 3, 7, 8, 20, 499, SHARDS_MAX, 4095, BUCKETS]) {
      const shards = cutShards(count);
      expect(shards).toHaveLength(count);
      expect(shards[0]!.first).toBe(0);
      expect(shards.at(-1)!.end).toBe(BUCKETS);
      expect(shards.slice(1).every(({ first }, i) => first === shards[i]!.end)).toBe(true);
      const sizes = shards.map(({ first, end }) => end - first);
      expect(Math.min(...sizes)).toBe(Math.floor(BUCKETS / count));
      expect(Math.max(...sizes)).toBe(Math.ceil(BUCKETS / count));
    }
  });

  test.each([0, BUCKETS + 1])('cannot be %d', (count) => {
    expect(() => cutShards(count)).toThrow('1 to 4096 shards');
  });
});

describe('subranges of a partition', () => {
  test.each([
    [1, 100n, [[1n, 100n]]],
    [
      1,
      101n,
      [
        [1n, 51n],
        [52n, 101n],
      ],
    ],
    [
      501,
      800n,
      [
        [501n, 600n],
        [601n, 700n],
        [701n, 800n],
      ],
    ],
    [1, 6400n, Array.from({ length: 64 }, (_, i) => [BigInt(100 * i + 1), BigInt(100 * i + 100)])],
  ])('from %i to %i have at most 100 positions', (first, last, subranges) => {
    expect(cutSubranges({ first: BigInt(first), last }, 100)).toEqual(
      subranges.map(([first, last]) => ({ first, last })),
    );
  });

  test('are one if there would be more than 64', () => {
    const partition = { first: 1n, last: 6401n };
    expect(cutSubranges(partition, 100)).toEqual([partition]);
    expect(cutSubranges({ first: -(2n ** 51n), last: 2n ** 51n }, 1)).toHaveLength(1);
  });
});
