/** The passes in which a reduce task folds its shard, for generated sizes of buckets. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutPasses, type Pass } from '../../../src/engine/cuts.js';
import { INDEX_ENTRY_BYTES } from '../../../src/engine/layout.js';
import { SpillIndex } from '../../../src/engine/segment.js';

const FIRST = 100;

/** Indexes of spills for the buckets from 100 on. `sizes` has the bytes of each bucket of each spill. */
function spillsOf(sizes: readonly (readonly number[])[]): SpillIndex[] {
  return sizes.map((own, number) => {
    const entries = Buffer.alloc((own.length + 1) * INDEX_ENTRY_BYTES);
    let start = 1000 * number;
    for (const [bucket, bytes] of [...own, 0].entries()) {
      entries.writeUInt32BE(start, bucket * INDEX_ENTRY_BYTES);
      start += bytes;
    }
    return new SpillIndex(number, 0, 1n, FIRST, entries);
  });
}

function cut(sizes: readonly (readonly number[])[], bytesMax: number) {
  const end = FIRST + (sizes[0]?.length ?? 1);
  return cutPasses(spillsOf(sizes), { first: FIRST, end }, bytesMax);
}

function bytesOf({ spills, buckets }: Pass): number {
  return spills.reduce((sum, spill) => sum + spill.bytes(buckets.first, buckets.end), 0);
}

const BYTES_MAX = 100;
const anySize = fc.oneof(fc.constant(0), fc.nat(20), fc.nat(250));
const anySizes = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 6 }))
  .chain(([buckets, spills]) => {
    const spill = fc.array(anySize, { minLength: buckets, maxLength: buckets });
    return fc.array(spill, { minLength: spills, maxLength: spills });
  });

test('every bucket of every spill with bytes is in exactly one pass', () => {
  fc.assert(
    fc.property(anySizes, (sizes) => {
      const times = sizes.map((own) => own.map(() => 0));
      for (const { spills, buckets } of cut(sizes, BYTES_MAX)) {
        for (const { partition } of spills) {
          for (let bucket = buckets.first; bucket < buckets.end; bucket++) times[partition]![bucket - FIRST]!++;
        }
      }
      for (const [spill, own] of sizes.entries()) {
        for (const [bucket, bytes] of own.entries()) if (bytes > 0) expect(times[spill]![bucket]).toBe(1);
      }
      expect(times.flat().every((number) => number <= 1)).toBe(true);
    }),
  );
});

test('passes are in the order of the buckets, and spills of a pass in the order of the log', () => {
  fc.assert(
    fc.property(anySizes, (sizes) => {
      const passes = cut(sizes, BYTES_MAX);
      for (const [i, { buckets, spills }] of passes.entries()) {
        const numbers = spills.map(({ partition }) => partition);
        expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
        const before = passes[i - 1];
        if (before === undefined) continue;
        if (before.lastOfBuckets) expect(buckets.first).toBeGreaterThanOrEqual(before.buckets.end);
        else {
          expect(buckets).toEqual(before.buckets);
          expect(numbers[0]!).toBeGreaterThan(before.spills.at(-1)!.partition);
        }
      }
      expect(passes.every(({ lastOfBuckets }, i) => lastOfBuckets || i < passes.length - 1)).toBe(true);
    }),
  );
});

test('a pass has at most the allowed bytes, or is one bucket of one spill', () => {
  fc.assert(
    fc.property(anySizes, (sizes) => {
      for (const pass of cut(sizes, BYTES_MAX)) {
        const least = pass.spills.length === 1 && pass.buckets.end - pass.buckets.first === 1;
        if (!least) expect(bytesOf(pass)).toBeLessThanOrEqual(BYTES_MAX);
      }
    }),
  );
});

test('every pass, and every spill of a pass, has bytes', () => {
  fc.assert(
    fc.property(anySizes, (sizes) => {
      for (const { spills, buckets } of cut(sizes, BYTES_MAX)) {
        expect(spills.length).toBeGreaterThan(0);
        for (const spill of spills) expect(spill.bytes(buckets.first, buckets.end)).toBeGreaterThan(0);
      }
    }),
  );
});

test('only a bucket that is too large for one pass is divided by spill', () => {
  fc.assert(
    fc.property(anySizes, (sizes) => {
      for (const pass of cut(sizes, BYTES_MAX)) {
        if (pass.lastOfBuckets) continue;
        const bucket = pass.buckets.first - FIRST;
        expect(pass.buckets.end - pass.buckets.first).toBe(1);
        expect(sizes.reduce((sum, own) => sum + own[bucket]!, 0)).toBeGreaterThan(BYTES_MAX);
      }
    }),
  );
});

const examples: {
  name: string;
  sizes: number[][];
  passes: [buckets: [number, number], spills: number[], last: boolean][];
}[] = [
  { name: 'all buckets fit', sizes: [[10, 10, 10]], passes: [[[100, 103], [0], true]] },
  {
    name: 'all buckets just fit',
    sizes: [
      [50, 25],
      [15, 10],
    ],
    passes: [[[100, 102], [0, 1], true]],
  },
  {
    name: 'all buckets exceed a pass by one byte',
    sizes: [
      [50, 25],
      [15, 11],
    ],
    passes: [
      [[100, 101], [0, 1], true],
      [[101, 102], [0, 1], true],
    ],
  },
  {
    name: 'one bucket is too large',
    sizes: [
      [10, 60, 10],
      [0, 60, 0],
      [0, 30, 10],
    ],
    passes: [
      [[100, 101], [0], true],
      [[101, 102], [0], false],
      [[101, 102], [1, 2], true],
      [[102, 103], [0, 2], true],
    ],
  },
  {
    name: 'one bucket of one spill is too large',
    sizes: [[500], [500]],
    passes: [
      [[100, 101], [0], false],
      [[100, 101], [1], true],
    ],
  },
  {
    name: 'no bucket has bytes',
    sizes: [
      [0, 0],
      [0, 0],
    ],
    passes: [],
  },
  { name: 'there are no spills', sizes: [], passes: [] },
];

test.each(examples)('if $name, the passes are as listed', ({ sizes, passes }) => {
  const seen = cut(sizes, BYTES_MAX).map(({ buckets, spills, lastOfBuckets }) => {
    return [[buckets.first, buckets.end], spills.map(({ partition }) => partition), lastOfBuckets];
  });
  expect(seen).toEqual(passes);
});
