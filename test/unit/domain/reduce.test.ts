import { describe, expect, test } from 'vitest';
import { PartitionMap } from '../../../src/domain/map.js';
import { CycleFold, type OpenCycle, RECORD_CYCLES_MAX, SegmentMerge } from '../../../src/domain/reduce.js';
import { SegmentCursor } from '../../../src/domain/segment.js';
import { call, USAGE_MAX } from './calls.js';
import type { Call, Cycle } from './oracle.js';
import { cyclesOf, halves, mapPartition, nameOf, whole } from './pipeline.js';

/** A segment of these calls, all in one. */
function segment(calls: readonly Call[], first = calls[0]!.id): SegmentCursor {
  const { data } = mapPartition(new PartitionMap(calls.length), 0, { first, last: calls.at(-1)!.id }, calls).spills[0]!;
  return new SegmentCursor(data, first);
}

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

/** Folds the calls of one user. */
function foldUser(calls: readonly Call[], callsPerCycle: number, carriedIn?: OpenCycle) {
  const cycles: Cycle[] = [];
  const batches: number[] = [];
  const fold = new CycleFold(callsPerCycle, (user, batch) => {
    batches.push(batch.cycles);
    cycles.push(...cyclesOf(user, batch));
  });
  const cursor = segment(calls);
  fold.beginUser(cursor, carriedIn);
  fold.take(cursor);
  const open = { ...fold.endUser() };
  return { fold, cycles, batches, open };
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
    const fold = new CycleFold(5, () => {});
    const cursor = segment([call(1, 'alice')]);
    expect(() => fold.beginUser(cursor, { ...carriedIn, calls })).toThrow(
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

  test('end with the user: the next one begins at cycle 1 with nothing open', () => {
    const cursor = segment([1, 2, 3, 4, 5, 6].map((id) => call(id, id % 2 === 0 ? 'alice' : 'bob', 10)));
    const cycles: Cycle[] = [];
    const fold = new CycleFold(2, (user, batch) => cycles.push(...cyclesOf(user, batch)));
    const open: [string, number, number][] = [];
    for (; !cursor.done; cursor.nextUser()) {
      fold.beginUser(cursor);
      fold.take(cursor);
      const left = fold.endUser();
      open.push([nameOf(cursor), left.nextCycle, left.calls]);
    }
    expect(cycles.map(({ user, number }) => [user, number]).sort()).toEqual([
      ['alice', 1],
      ['bob', 1],
    ]);
    expect(open.sort()).toEqual([
      ['alice', 2, 1],
      ['bob', 2, 1],
    ]);
  });
});

describe('the merge', () => {
  test('yields each user once, with its segments in the order in which they were given', () => {
    const users = ['alice', 'bob', 'carol', 'dave', 'erin'];
    // Segment n lacks the n-th user.
    const cursors = users.map((absent, number) => {
      const others = users.filter((user) => user !== absent);
      return segment(
        others.map((user, i) => call(100 * number + i, user)),
        BigInt(100 * number),
      );
    });
    const merge = new SegmentMerge(cursors);
    const seen: [string, number[]][] = [];
    for (let at = merge.nextUser(); at.length > 0; at = merge.nextUser()) {
      expect(new Set(at.map(nameOf)).size).toBe(1);
      seen.push([nameOf(at[0]!), at.map((cursor) => cursors.indexOf(cursor))]);
    }
    expect(seen.map(([user]) => user).sort()).toEqual(users);
    for (const [user, numbers] of seen) {
      expect(numbers).toEqual([0, 1, 2, 3, 4].filter((number) => users[number] !== user));
    }
  });

  test('of hundreds of segments gives every call to its user', () => {
    const log = Array.from({ length: 900 }, (_, i) => call(i + 1, `user-${(i * i) % 37}`));
    const cursors = Array.from({ length: 300 }, (_, i) => segment(log.slice(3 * i, 3 * i + 3)));
    const merge = new SegmentMerge(cursors);
    const calls = new Map<string, number>();
    for (let at = merge.nextUser(); at.length > 0; at = merge.nextUser()) {
      const user = nameOf(at[0]!);
      expect(calls.has(user)).toBe(false);
      calls.set(
        user,
        at.reduce((sum, cursor) => sum + cursor.calls, 0),
      );
      const places = at.map((cursor) => cursors.indexOf(cursor));
      expect(places).toEqual(places.toSorted((one, other) => one - other));
    }
    const expected = new Map<string, number>();
    for (const { user } of log) expected.set(user, (expected.get(user) ?? 0) + 1);
    expect(calls).toEqual(expected);
  });

  test('of no segments, or of empty ones, has no user', () => {
    expect(new SegmentMerge([]).nextUser()).toEqual([]);
    expect(new SegmentMerge([new SegmentCursor(new Uint8Array(0), 1n)]).nextUser()).toEqual([]);
  });
});
