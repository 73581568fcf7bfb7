import { describe, expect, test } from 'vitest';
import { PartitionMap } from '../../../src/domain/map.js';
import { PORTION_CALLS_MAX } from '../../../src/domain/portion.js';
import { BucketFold, type OpenCycle, RECORD_CYCLES_MAX } from '../../../src/domain/reduce.js';
import { BUCKETS, BucketSlice, type Segment } from '../../../src/domain/segment.js';
import { packSpill } from '../../../src/domain/spill.js';
import { openMapKernel } from '../../../src/kernel/map.js';
import { call, USAGE_MAX } from './calls.js';
import { billNaively, type Call, type Cycle, digestNaively, hashBytes } from './oracle.js';
import { append, billsOf, cyclesOf, halves, mapPartition, nameOf, sliceOf, whole } from './pipeline.js';

const ALL = { first: 0, end: BUCKETS };

/** A segment of these calls, all in one. */
function segment(calls: readonly Call[], first = calls[0]!.id): Segment {
  const map = new PartitionMap(calls.length, 2 ** 26);
  const { spills } = mapPartition(map, 0, { first, last: calls.at(-1)!.id }, calls);
  return sliceOf(spills[0]!, ALL).open(ALL.first, ALL.end, spills[0]!.data);
}

const bucketOf = (user: string) => Number(BigInt.asUintN(64, hashBytes(Buffer.from(user, 'latin1'))) >> 52n);

function carried(open: {
  nextCycle: number;
  calls: number;
  usage: bigint;
  firstId: bigint;
  firstCalledAt: number;
}): OpenCycle {
  const [usageHi, usageLo] = halves(open.usage);
  const [firstCallIdHi, firstCallIdLo] = halves(open.firstId);
  const { nextCycle, calls, firstCalledAt } = open;
  return { nextCycle, calls, usageHi, usageLo, firstCallIdHi, firstCallIdLo, firstCalledAt };
}

/** Folds what the segments have of a user's bucket. */
function foldBucket(segments: readonly Segment[], user: string, callsPerCycle: number, carriedIn: OpenCycle[] = []) {
  const cycles: Cycle[] = [];
  const batches: number[] = [];
  const fold = new BucketFold(callsPerCycle, (users, own, batch) => {
    batches.push(batch.cycles);
    cycles.push(...cyclesOf(users, own, batch));
  });
  const left = carriedIn.values();
  fold.begin(segments, bucketOf(user), { next: () => left.next().value });
  while (fold.foldNext());
  const names = Array.from({ length: fold.users.count }, (_, own) => nameOf(fold.users, own));
  const open = new Map(names.map((name, own) => [name, fold.leftOpen(own)]));
  return { fold, cycles, batches, names, open };
}

/** Folds the calls of one user. */
function foldUser(calls: readonly Call[], callsPerCycle: number, carriedIn?: OpenCycle) {
  const { user } = calls[0]!;
  const folded = foldBucket([segment(calls)], user, callsPerCycle, carriedIn && [carriedIn]);
  return { ...folded, open: folded.open.get(user)! };
}

const carriedIn = carried({ nextCycle: 7, calls: 3, usage: 100n, firstId: 2n ** 61n + 9n, firstCalledAt: -5 });

describe('what a user carries in', () => {
  test('is the beginning of its next cycle', () => {
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

  test('stays open, with its first call, while it is not enough for a cycle', () => {
    const { cycles, open } = foldUser([call(2n ** 62n, 'alice', 11)], 5, carriedIn);
    expect(cycles).toEqual([]);
    expect(open).toEqual(carried({ nextCycle: 7, calls: 4, usage: 111n, firstId: 2n ** 61n + 9n, firstCalledAt: -5 }));
  });

  test('counts in the usage billed, and not in the usage read', () => {
    const { fold } = foldUser([call(1, 'alice', 11), call(2, 'alice', 22), call(3, 'alice', 44)], 5, carriedIn);
    expect([fold.calls, fold.usage.toBigInt()]).toEqual([3, 77n]);
    expect([fold.cyclesClosed, fold.billedUsage.toBigInt()]).toEqual([1, 133n]);
  });

  test('is exact at 999 calls of 10^15 each, in and out', () => {
    const usage = 998n * USAGE_MAX;
    const almost = carried({ nextCycle: 2 ** 40, calls: 998, usage, firstId: 1n, firstCalledAt: 0 });
    const once = foldUser([call(5000, 'alice', USAGE_MAX)], 1000, almost);
    expect(whole(once.open.usageHi, once.open.usageLo)).toBe(999n * USAGE_MAX);
    expect(once.open.calls).toBe(999);

    const { cycles, fold, open } = foldUser([call(5001, 'alice', USAGE_MAX), call(5002, 'alice', 1)], 1000, once.open);
    expect(cycles.map(({ number, usage: billed }) => [number, billed])).toEqual([[2 ** 40, 1000n * USAGE_MAX]]);
    expect(fold.billedUsage.toBigInt()).toBe(1000n * USAGE_MAX);
    expect([open.nextCycle, open.calls, whole(open.usageHi, open.usageLo)]).toEqual([2 ** 40 + 1, 1, 1n]);
  });

  test.each([5, 6])('of %d calls, where five close a cycle, is refused', (calls) => {
    expect(() => foldUser([call(1, 'alice')], 5, { ...carriedIn, calls })).toThrow(
      'an open cycle has fewer calls than a closed one',
    );
  });

  test('of no calls leaves only the number of the next cycle', () => {
    const nothing = carried({ nextCycle: 4, calls: 0, usage: 0n, firstId: 0n, firstCalledAt: 0 });
    const { cycles } = foldUser([call(9, 'alice', 1)], 1, nothing);
    expect(cycles.map(({ number, firstId }) => [number, firstId])).toEqual([[4, 9n]]);
  });
});

describe('cycles of one user', () => {
  test('come in batches of what one billing record packs, and the rest', () => {
    const calls = Array.from({ length: 2 * RECORD_CYCLES_MAX + 3 }, (_, i) => call(i + 1, 'alice', i));
    const { batches, cycles, open } = foldUser(calls, 1);
    expect(batches).toEqual([RECORD_CYCLES_MAX, RECORD_CYCLES_MAX, 3]);
    expect(cycles.map(({ number }) => number)).toEqual(calls.map((_, i) => i + 1));
    expect(open.nextCycle).toBe(calls.length + 1);
  });

  test('are numbered on from portion to portion', () => {
    const calls = Array.from({ length: PORTION_CALLS_MAX + 7 }, (_, i) => call(i + 1, 'alice', i % 10));
    const { cycles, batches, open } = foldUser(calls, 5);
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
    expect(batches.reduce((sum, own) => sum + own, 0)).toBe(fives.length);
    expect([open.nextCycle, open.calls]).toEqual([fives.length + 1, calls.length % 5]);
  });
});

describe('users of one bucket', () => {
  // All in bucket 2.
  const [anna, bert, carl] = ['user-05177003', 'user-08535982', 'user-09057084'] as const;

  test('are told apart, each beginning with cycle 1', () => {
    const log = [1, 2, 3, 4, 5, 6, 7].map((id) => call(id, [anna, bert, carl][id % 3]!, 10 ** id));
    const { cycles, open } = foldBucket([segment(log)], anna, 2);
    expect(billsOf(cycles, open)).toEqual(billNaively(log, 2));
  });

  test('are known again in each segment, whatever their numbers there', () => {
    const log = [bert, anna, anna, bert, carl, bert, anna, carl, bert].map((user, i) => call(i + 1, user, 10 ** i));
    const segments = [0, 2, 4, 6, 8].map((from) => segment(log.slice(from, from + 2)));
    const { cycles, open, names, fold } = foldBucket(segments, anna, 2);
    expect(names).toEqual([bert, anna, carl]);
    expect(billsOf(cycles, open)).toEqual(billNaively(log, 2));
    expect(fold.digest.toString()).toBe(digestNaively(log));
  });

  test('carry in what is theirs, asked for in the order in which they come', () => {
    const log = [bert, anna, bert].map((user, i) => call(i + 1, user, 1));
    const from = (nextCycle: number) => carried({ nextCycle, calls: 1, usage: 0n, firstId: 0n, firstCalledAt: 0 });
    const { cycles } = foldBucket([segment(log.slice(0, 1)), segment(log.slice(1))], anna, 2, [from(10), from(20)]);
    expect(cycles.map(({ user, number }) => [user, number])).toEqual([
      [bert, 10],
      [anna, 20],
    ]);
  });

  test('of hundreds of segments get every call of theirs', () => {
    const log = Array.from({ length: 900 }, (_, i) => call(i + 1, [anna, bert, carl, 'dora'][(i * i) % 4]!, i));
    const segments = Array.from({ length: 300 }, (_, i) => segment(log.slice(3 * i, 3 * i + 3)));
    const { cycles, open } = foldBucket(segments, anna, 5);
    const own = log.filter(({ user }) => user !== 'dora');
    expect(billsOf(cycles, open)).toEqual(billNaively(own, 5));
  });

  test('are none where there are no segments, or none has the bucket', () => {
    expect(foldBucket([], anna, 5).names).toEqual([]);
    expect(foldBucket([segment([call(1, 'dora')])], anna, 5).names).toEqual([]);
  });

  test('may be thousands', () => {
    const log = Array.from({ length: 9000 }, (_, i) => call(i + 1, `${(i * 7919) % 3000}`, i));
    const kernel = openMapKernel();
    kernel.open(2 ** 22, 2 ** 22);
    for (const own of log) append(kernel, bucketOf(anna), Number(own.user), own);
    const { data, bucketIndex } = packSpill(kernel, 0n, kernel.packed.value);
    const slice = new BucketSlice(0, 0, 0n, 0, bucketIndex);
    const { cycles, open } = foldBucket([slice.open(0, BUCKETS, data)], anna, 2);
    expect(billsOf(cycles, open)).toEqual(billNaively(log, 2));
  });
});
