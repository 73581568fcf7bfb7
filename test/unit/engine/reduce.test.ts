import { describe, expect, test } from 'vitest';
import { newKernel } from '../../../src/engine/kernel.js';
import { BUCKETS, RECORD_CYCLES_MAX } from '../../../src/engine/layout.js';
import { PartitionMap } from '../../../src/engine/map.js';
import { BucketFold, type OpenCycle } from '../../../src/engine/reduce.js';
import { type Segment, SpillIndex } from '../../../src/engine/segment.js';
import { packSpill } from '../../../src/engine/spill.js';
import { call, USAGE_MAX } from './calls.js';
import { billNaively, type Call, type Cycle, digestNaively, hashBytes } from './oracle.js';
import {
  append,
  billsOf,
  cyclesOf,
  foldKernel,
  indexOf,
  mapPartition,
  nameOf,
  openOf,
  openSegment,
} from './pipeline.js';

const ALL = { first: 0, end: BUCKETS };
const BATCH_CALLS_MAX = foldKernel.BATCH_CALLS_MAX.value;

const map = new PartitionMap(2 * BATCH_CALLS_MAX, 2 ** 26);

/** One segment with these calls. */
function segment(calls: readonly Call[], first = calls[0]!.id): Segment {
  const { spills } = mapPartition(map, 0, { first, last: calls.at(-1)!.id }, calls);
  return openSegment(indexOf(spills[0]!, ALL), ALL, spills[0]!.data);
}

const bucketOf = (user: string) => Number(BigInt.asUintN(64, hashBytes(Buffer.from(user, 'latin1'))) >> 52n);

/** Folds the segments of a user's bucket. */
function foldBucket(segments: readonly Segment[], user: string, callsPerCycle: number, carriedIn: OpenCycle[] = []) {
  const cycles: Cycle[] = [];
  const packed: number[] = [];
  const fold = new BucketFold(foldKernel, callsPerCycle, (own, closed) => {
    packed.push(closed.cycles);
    cycles.push(...cyclesOf(own, closed));
  });
  const left = carriedIn.values();
  fold.begin(segments, bucketOf(user), { next: () => left.next().value });
  while (fold.foldNext());
  const open = new Map<string, OpenCycle>();
  fold.close((own) => void open.set(nameOf(own), openOf(own)));
  const { calls, usage, digest, cyclesClosed, billedUsage, openCalls, openUsage } = fold;
  const sums = { calls, usage, digest, cyclesClosed, billedUsage, openCalls, openUsage };
  return { sums, cycles, packed, names: [...open.keys()], open };
}

/** Folds the calls of one user. */
function foldUser(calls: readonly Call[], callsPerCycle: number, carriedIn?: OpenCycle) {
  const { user } = calls[0]!;
  const folded = foldBucket([segment(calls)], user, callsPerCycle, carriedIn && [carriedIn]);
  return { ...folded, open: folded.open.get(user)! };
}

const carriedIn = { cycle: 7n, calls: 3, usage: 100n, firstCallId: 2n ** 61n + 9n, firstCalledAt: -5n };

describe('the open cycle that a user carries in', () => {
  test('is the beginning of the next cycle', () => {
    const { cycles } = foldUser([call(2n ** 62n, 'alice', 11), call(2n ** 62n + 1n, 'alice', 22)], 5, carriedIn);
    expect(cycles).toEqual([
      {
        user: 'alice',
        number: 7,
        usage: 133n,
        firstId: 2n ** 61n + 9n,
        lastId: 2n ** 62n + 1n,
        firstCalledAt: -5n,
        lastCalledAt: call(2n ** 62n + 1n, 'alice').calledAt,
      },
    ]);
  });

  test('stays open and keeps its first call while the cycle is incomplete', () => {
    const { cycles, open } = foldUser([call(2n ** 62n, 'alice', 11)], 5, carriedIn);
    expect(cycles).toEqual([]);
    expect(open).toEqual({ cycle: 7n, calls: 4, usage: 111n, firstCallId: 2n ** 61n + 9n, firstCalledAt: -5n });
  });

  test('counts in the billed usage, and not in the usage read', () => {
    const { sums } = foldUser([call(1, 'alice', 11), call(2, 'alice', 22), call(3, 'alice', 44)], 5, carriedIn);
    expect(sums).toMatchObject({ calls: 3, usage: 77n, cyclesClosed: 1n, billedUsage: 133n });
    expect(sums).toMatchObject({ openCalls: 1n, openUsage: 44n });
  });

  test('is exact with 999 calls of 10^15 each', () => {
    const usage = 998n * USAGE_MAX;
    const almost = { cycle: 2n ** 40n, calls: 998, usage, firstCallId: 1n, firstCalledAt: 0n };
    const once = foldUser([call(5000, 'alice', USAGE_MAX)], 1000, almost);
    expect(once.open.usage).toBe(999n * USAGE_MAX);
    expect(once.open.calls).toBe(999);

    const { cycles, sums, open } = foldUser([call(5001, 'alice', USAGE_MAX), call(5002, 'alice', 1)], 1000, once.open);
    expect(cycles.map(({ number, usage: billed }) => [number, billed])).toEqual([[2 ** 40, 1000n * USAGE_MAX]]);
    expect(sums.billedUsage).toBe(1000n * USAGE_MAX);
    expect([open.cycle, open.calls, open.usage]).toEqual([2n ** 40n + 1n, 1, 1n]);
  });

  test.each([5, 6])('is refused with %d calls if five close a cycle', (calls) => {
    expect(() => foldUser([call(1, 'alice')], 5, { ...carriedIn, calls })).toThrow(
      'an open cycle has fewer calls than a closed one',
    );
  });

  test('without calls only sets the number of the next cycle', () => {
    const nothing = { cycle: 4n, calls: 0, usage: 0n, firstCallId: 0n, firstCalledAt: 0n };
    const { cycles } = foldUser([call(9, 'alice', 1)], 1, nothing);
    expect(cycles.map(({ number, firstId }) => [number, firstId])).toEqual([[4, 9n]]);
  });
});

describe('cycles of one user', () => {
  test('come in groups of as many as a row of records holds', () => {
    const calls = Array.from({ length: 2 * RECORD_CYCLES_MAX + 3 }, (_, i) => call(i + 1, 'alice', i));
    const { packed, cycles, open } = foldUser(calls, 1);
    expect(packed).toEqual([RECORD_CYCLES_MAX, RECORD_CYCLES_MAX, 3]);
    expect(cycles.map(({ number }) => number)).toEqual(calls.map((_, i) => i + 1));
    expect(open.cycle).toBe(BigInt(calls.length + 1));
  });

  test('continue their numbers from batch to batch', () => {
    const calls = Array.from({ length: BATCH_CALLS_MAX + 7 }, (_, i) => call(i + 1, 'alice', i % 10));
    const { cycles, packed, open } = foldUser(calls, 5);
    const fives = calls.flatMap((_, i) => (i % 5 === 4 ? [calls.slice(i - 4, i + 1)] : []));
    expect(cycles).toEqual(
      fives.map((own, i) => ({
        user: 'alice',
        number: i + 1,
        usage: own.reduce((sum, { usage }) => sum + usage, 0n),
        firstId: own[0]!.id,
        lastId: own[4]!.id,
        firstCalledAt: own[0]!.calledAt,
        lastCalledAt: own[4]!.calledAt,
      })),
    );
    expect(packed.reduce((sum, own) => sum + own, 0)).toBe(fives.length);
    expect([open.cycle, open.calls]).toEqual([BigInt(fives.length + 1), calls.length % 5]);
  });
});

test('a fold drops the state of an earlier fold that failed', () => {
  const left = Array.from({ length: 10 }, (_, i) => call(i + 1, 'alice', 1));
  const invalid = { ...carriedIn, calls: 5 };
  expect(() => foldUser(left, 5, invalid)).toThrow('an open cycle has fewer calls than a closed one');
  const { cycles, open, sums } = foldBucket([segment([call(11, 'alice', 7)])], 'alice', 5);
  expect([cycles, [...open.values()], sums.calls]).toEqual([
    [],
    [expect.objectContaining({ cycle: 1n, calls: 1, usage: 7n, firstCallId: 11n })],
    1,
  ]);
});

describe('users of one bucket', () => {
  // All are in bucket 2.
  const [anna, bert, carl] = ['user-05177003', 'user-08535982', 'user-09057084'] as const;

  test('are distinguished, and each starts with cycle 1', () => {
    const log = [1, 2, 3, 4, 5, 6, 7].map((id) => call(id, [anna, bert, carl][id % 3]!, 10 ** id));
    const { cycles, open } = foldBucket([segment(log)], anna, 2);
    expect(billsOf(cycles, open)).toEqual(billNaively(log, 2));
  });

  test('are recognised in each segment, whatever their numbers there', () => {
    const log = [bert, anna, anna, bert, carl, bert, anna, carl, bert].map((user, i) => call(i + 1, user, 10 ** i));
    const segments = [0, 2, 4, 6, 8].map((from) => segment(log.slice(from, from + 2)));
    const { cycles, open, names, sums } = foldBucket(segments, anna, 2);
    expect(names).toEqual([bert, anna, carl]);
    expect(billsOf(cycles, open)).toEqual(billNaively(log, 2));
    expect(sums.digest).toBe(digestNaively(log));
  });

  test('carry in their own open cycles, requested in the order of their first calls', () => {
    const log = [bert, anna, bert].map((user, i) => call(i + 1, user, 1));
    const from = (cycle: bigint) => ({ cycle, calls: 1, usage: 0n, firstCallId: 0n, firstCalledAt: 0n });
    const { cycles } = foldBucket([segment(log.slice(0, 1)), segment(log.slice(1))], anna, 2, [from(10n), from(20n)]);
    expect(cycles.map(({ user, number }) => [user, number])).toEqual([
      [bert, 10],
      [anna, 20],
    ]);
  });

  test('in hundreds of segments get all their calls', () => {
    const log = Array.from({ length: 900 }, (_, i) => call(i + 1, [anna, bert, carl, 'dora'][(i * i) % 4]!, i));
    const segments = Array.from({ length: 300 }, (_, i) => segment(log.slice(3 * i, 3 * i + 3)));
    const { cycles, open } = foldBucket(segments, anna, 5);
    const own = log.filter(({ user }) => user !== 'dora');
    expect(billsOf(cycles, open)).toEqual(billNaively(own, 5));
  });

  test('are none without segments, or if no segment has the bucket', () => {
    expect(foldBucket([], anna, 5).names).toEqual([]);
    expect(foldBucket([segment([call(1, 'dora')])], anna, 5).names).toEqual([]);
  });

  test('can be thousands', () => {
    const log = Array.from({ length: 9000 }, (_, i) => call(i + 1, `${(i * 7919) % 3000}`, i));
    const kernel = newKernel();
    kernel.open(2 ** 22, 2 ** 22);
    for (const own of log) append(kernel, bucketOf(anna), Number(own.user), own);
    const { data, bucketIndex } = packSpill(kernel, 0n, kernel.packed.value);
    const index = new SpillIndex(0, 0, 0n, 0, bucketIndex);
    const { cycles, open } = foldBucket([openSegment(index, ALL, data)], anna, 2);
    expect(billsOf(cycles, open)).toEqual(billNaively(log, 2));
  });
});
