/** What map packs, reduce unpacks: through one partition, against the oracle. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CallOrderError, PartitionMap, SPILL_CALLS_MAX } from '../../../src/domain/map.js';
import { BUCKETS, CALL_BODY_BYTES_MAX } from '../../../src/domain/segment.js';
import { anyLog, CALLED_AT_MAX, CALLED_AT_MIN, call, HEAVY_MS, heavy, USAGE_MAX, userOf } from './calls.js';
import { decode } from './decoder.js';
import { billNaively, type Call, digestNaively, hashBytes, sumOfUsage } from './oracle.js';
import { billsOf, feed, mapPartition, reduceShard, type StoredSpill, takeSpill, takeSpills } from './pipeline.js';

const ALL = { first: 0, end: BUCKETS };
const NOTHING = new Map();

/** Has room for calls of few buckets at a time. */
const ARENA_BYTES = 4096;

const maps = new Map<number, PartitionMap>();

/** Maps are used again and again, as a worker does. */
function mapOf(callsMax: number): PartitionMap {
  const map = maps.get(callsMax) ?? new PartitionMap(callsMax, callsMax === 1000 ? ARENA_BYTES : undefined);
  maps.set(callsMax, map);
  return map;
}

function mapLog(log: readonly Call[], callsMax = 1000, first = log[0]!.id) {
  return mapPartition(mapOf(callsMax), 0, { first, last: log.at(-1)!.id }, log);
}

function reduceAll(spills: readonly StoredSpill[], callsPerCycle = 5) {
  return reduceShard(spills, ALL, { bytesMax: 2 ** 30, callsPerCycle, carriedIn: NOTHING });
}

function expectRoundTrip(log: readonly Call[], callsMax: number, callsPerCycle: number, first = log[0]!.id): void {
  const mapped = mapLog(log, callsMax, first);
  const reduced = reduceAll(mapped.spills, callsPerCycle);
  const naive = billNaively(log, callsPerCycle);
  expect(billsOf(reduced.cycles, reduced.open)).toEqual(naive);

  const { calls, usage, digest } = mapped.outcome;
  const figures = { calls: String(log.length), usage: String(sumOfUsage(log)), digest: digestNaively(log) };
  expect({ calls, usage, digest }).toEqual(figures);
  expect(reduced.outcome).toMatchObject({
    ...figures,
    users: String(naive.open.length),
    cycles: String(naive.cycles.length),
    billedUsage: String(naive.cycles.reduce((sum, cycle) => sum + cycle.usage, 0n)),
    carriedOutCalls: String(naive.open.reduce((sum, open) => sum + open.calls, 0)),
    carriedOutUsage: String(naive.open.reduce((sum, open) => sum + open.usage, 0n)),
  });
}

describe('through map, segments and reduce', () => {
  test('any calls become the cycles, open cycles, sums and digest of the oracle', { timeout: HEAVY_MS }, () => {
    const anyCalls = anyLog({ callsMax: 120 }).filter((log) => log.length > 0);
    const anySpill = fc.constantFrom(2, 7, 30, 1000);
    fc.assert(
      fc.property(anyCalls, anySpill, fc.constantFrom(1, 2, 5, 1000), (log, callsMax, callsPerCycle) => {
        expectRoundTrip(log, callsMax, callsPerCycle);
      }),
      { ...heavy, numRuns: 60 },
    );
  });

  test('calls at both ends of a partition of 2^52 positions keep their ids', () => {
    for (const first of [1n, 2n ** 32n - 1n, 2n ** 53n + 1n, 2n ** 63n - 2n ** 52n]) {
      const last = first + 2n ** 52n - 1n;
      const log = [call(first, 'alice'), call(first + 2n ** 32n, 'bob'), call(last - 1n, 'alice'), call(last, 'bob')];
      expectRoundTrip(log, 10, 2);
      expectRoundTrip(log.slice(1), 10, 1, first);
    }
  });

  test('calls of the most bytes, one or many a user, fit into the spill', () => {
    const swing = (i: number) => (i % 2 === 0 ? CALLED_AT_MAX : CALLED_AT_MIN);
    const extreme = (i: number, user: string): Call => {
      return { id: 2n ** 52n + BigInt(i), user, usage: USAGE_MAX, calledAt: swing(i) };
    };
    const oneUser = Array.from({ length: 1000 }, (_, i) => extreme(i, 'a'));
    const everyoneOnce = Array.from({ length: 1000 }, (_, i) => extreme(2 * i, `${i}`.padStart(256, 'x')));
    expectRoundTrip(oneUser, 1000, 5, 1n);
    // More than fits into a chunk, several times.
    const hotUser = Array.from({ length: 30_000 }, (_, i) => extreme(i, i % 10 === 0 ? `${i % 7}` : 'hot'));
    expectRoundTrip(hotUser, 30_000, 1000, 1n);
    expectRoundTrip(everyoneOnce, 1000, 1, 1n);
    const widest = mapLog([extreme(0, 'a')], 1, 1n).outcome.segmentBytes;
    expect(widest).toBe(1 + 1 + 1 + 1 + 1 + CALL_BODY_BYTES_MAX);
  });

  test('the billed usage of 999 calls of 10^15 each is exact', () => {
    const log = Array.from({ length: 1001 }, (_, i) => call(i + 1, 'alice', USAGE_MAX));
    expectRoundTrip(log, 300, 999);
    expectRoundTrip(log, 300, 1000);
  });

  test('more users than the tables begin with are all found again', () => {
    const USERS = 20_000;
    const map = new PartitionMap(2 * USERS);
    map.reset(1n);
    for (let i = 0; i < 2 * USERS; i++) feed(map, call(i + 1, `user-${i % USERS}`, i % USERS));
    const buckets = decode(takeSpill(map));
    expect(new Set(buckets.flatMap(({ users }) => users)).size).toBe(USERS);
    expect(buckets.flatMap(({ users }) => users)).toHaveLength(USERS);
    expect(buckets.flatMap(({ calls }) => calls)).toHaveLength(2 * USERS);
  });

  test('calls that fill the memory before they are spilled are packed in between, and none is lost', () => {
    const log = Array.from({ length: 900 }, (_, i) => call(i + 1, `${i % 300}`.padStart(i % 257 || 1, 'x'), i));
    const { spills } = mapLog(log, 1000);
    expect(spills.length).toBeGreaterThan(20);
    expectRoundTrip(log, 1000, 2);
  });

  test('long user ids fill a spill before its calls do, and none is lost', { timeout: HEAVY_MS }, () => {
    const CALLS = 150_000;
    const map = new PartitionMap(CALLS);
    let spilledAt = 0;
    const users: string[] = [];
    const take = () => {
      for (const spill of takeSpills(map)) for (const bucket of decode(spill)) users.push(...bucket.users);
    };
    map.reset(1n);
    for (let i = 0; i < CALLS; i++) {
      if (map.full) {
        spilledAt = map.calls;
        take();
      }
      feed(map, call(i + 1, `${i}`.padStart(256, 'x')));
    }
    take();
    expect(spilledAt).toBeGreaterThan(100_000);
    expect(spilledAt).toBeLessThan(CALLS);
    expect(users).toHaveLength(CALLS);
    expect(new Set(users).size).toBe(CALLS);
  });
});

describe('a segment', () => {
  const log = Array.from({ length: 3000 }, (_, i) => call(i + 1, `user-${(i * 7919) % 1000}`, i));
  const buckets = decode(mapLog(log, 3000).spills[0]!);

  test('has each call once, in the bucket of its user, in the order of the log', () => {
    for (const { bucket, calls } of buckets) {
      const own = log.filter(({ user }) => Number(BigInt.asUintN(64, hashBytes(Buffer.from(user))) >> 52n) === bucket);
      expect(calls).toEqual(own);
    }
    expect(buckets.reduce((sum, { calls }) => sum + calls.length, 0)).toBe(log.length);
  });

  test('has each user of a bucket once, in the order in which they come', () => {
    for (const { users, calls } of buckets) expect(users).toEqual([...new Set(calls.map(({ user }) => user))]);
  });
});

describe('map', () => {
  test.each([
    { name: 'the same id twice', ids: [5n, 6n, 6n], refused: 6n },
    { name: 'an id before the last one', ids: [5n, 9n, 8n], refused: 8n },
    { name: 'an id before the partition', ids: [4n], refused: 4n },
    { name: 'an id a whole 2^32 before the last one', ids: [2n ** 33n, 2n ** 32n], refused: 2n ** 32n },
  ])('refuses $name, and names it', ({ ids, refused }) => {
    const map = new PartitionMap(10);
    map.reset(5n);
    const take = () => {
      for (const id of ids) feed(map, call(id, 'alice'));
    };
    expect(take).toThrow(new CallOrderError(`call ${refused} came after one with a larger id`));
  });

  test('begins anew after a reset, whatever an attempt before has left in it', () => {
    const map = new PartitionMap(10);
    map.reset(100n);
    for (let id = 100; id < 107; id++) feed(map, call(id, `left over ${id}`, 9));
    const log = [call(1, 'alice', 3), call(2, 'bob', 4)];
    const { spills, outcome } = mapPartition(map, 0, { first: 1n, last: 2n }, log);
    expect(outcome).toMatchObject({ calls: '2', usage: '7', digest: digestNaively(log), spills: 1 });
    expect(reduceAll(spills).open.size).toBe(2);
  });

  test('is full after as many calls as a spill holds, and knows the last one', () => {
    const map = new PartitionMap(2);
    map.reset(2n ** 60n);
    feed(map, call(2n ** 60n, 'alice'));
    expect(map.full).toBe(false);
    feed(map, call(2n ** 60n + 2n ** 40n, 'alice'));
    expect(map.full).toBe(true);
    expect(map.lastPosition).toBe(2n ** 60n + 2n ** 40n);
    takeSpill(map);
    expect(map.full).toBe(false);
  });

  test.each([0, -1, SPILL_CALLS_MAX + 1])('refuses to hold %d calls', (callsMax) => {
    expect(() => new PartitionMap(callsMax)).toThrow('a spill holds 1 to 2000000 calls');
  });

  test('takes the byte order mark for a part of the user, as PostgreSQL does', () => {
    const log = [call(1, 'alice'), call(2, '\ufeffalice')];
    expect([...reduceAll(mapLog(log, 10).spills).open.keys()].sort()).toEqual(['alice', userOf('\ufeffalice')].sort());
  });
});
