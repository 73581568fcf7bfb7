/** What map packs, reduce unpacks: through one partition, against the oracle. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CallOrderError, PartitionMap, SPILL_CALLS_MAX } from '../../../src/domain/map.js';
import { BUCKETS, BucketSlice, CALL_BYTES_MAX, SegmentCursor, SegmentError } from '../../../src/domain/segment.js';
import { anyLog, CALLED_AT_MAX, CALLED_AT_MIN, call, HEAVY_MS, heavy, USAGE_MAX, userOf } from './calls.js';
import { billNaively, type Call, digestNaively, hashBytes, sumOfUsage } from './oracle.js';
import { billsOf, feed, mapPartition, nameOf, reduceShard, type StoredSpill, takeSpill } from './pipeline.js';

const ALL = { first: 0, end: BUCKETS };
const NOTHING = new Map();

const maps = new Map<number, PartitionMap>();

/** Maps are used again and again, as a worker does. */
function mapOf(callsMax: number): PartitionMap {
  const map = maps.get(callsMax) ?? new PartitionMap(callsMax);
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
    expect(widest).toBe(1 + 1 + 1 + 1 + CALL_BYTES_MAX);
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
    const { basePosition, data, bucketIndex } = takeSpill(map);
    const cursor = new BucketSlice(0, 0, basePosition, 0, bucketIndex).open(0, BUCKETS, data);
    const seen = new Map<string, number>();
    for (; !cursor.done; cursor.nextUser()) seen.set(nameOf(cursor), cursor.calls);
    expect(seen.size).toBe(USERS);
    expect([...seen.values()].every((calls) => calls === 2)).toBe(true);
  });

  test('long user ids fill a spill before its calls do, and none is lost', () => {
    const CALLS = 70_000;
    const map = new PartitionMap(CALLS);
    let spilledAt = 0;
    let users = 0;
    const spill = () => {
      const { basePosition, data, bucketIndex } = takeSpill(map);
      const cursor = new BucketSlice(0, 0, basePosition, 0, bucketIndex).open(0, BUCKETS, data);
      for (; !cursor.done; cursor.nextUser()) users++;
    };
    map.reset(1n);
    for (let i = 0; i < CALLS; i++) {
      if (map.full) {
        spilledAt = map.calls;
        spill();
      }
      feed(map, call(i + 1, `${i}`.padStart(256, 'x')));
    }
    spill();
    expect(spilledAt).toBeGreaterThan(50_000);
    expect(spilledAt).toBeLessThan(CALLS);
    expect(users).toBe(CALLS);
  });
});

describe('a segment', () => {
  test('holds users in the order of the high half of the hash, then of their bytes, each once', () => {
    const log = Array.from({ length: 3000 }, (_, i) => call(i + 1, `user-${(i * 7919) % 1000}`));
    const spill = mapLog(log, 3000).spills[0]!;
    const cursor = new SegmentCursor(spill.data, spill.basePosition);
    const hashes: bigint[] = [];
    for (; !cursor.done; cursor.nextUser())
      hashes.push(BigInt.asUintN(64, hashBytes(Buffer.from(nameOf(cursor), 'latin1'))) >> 32n);
    expect(hashes).toHaveLength(1000);
    expect(hashes).toEqual(hashes.toSorted((one, other) => (one < other ? -1 : 1)));
  });

  test('has each user in the bucket of its hash', () => {
    const log = Array.from({ length: 500 }, (_, i) => call(i + 1, `user-${i}`));
    const { data, bucketIndex, basePosition } = mapLog(log, 500).spills[0]!;
    const slice = new BucketSlice(0, 0, basePosition, 0, bucketIndex);
    for (const { user } of log) {
      const bucket = Number(BigInt.asUintN(64, hashBytes(Buffer.from(user, 'latin1'))) >> 52n);
      const cursor = slice.open(bucket, bucket + 1, data.subarray(slice.start(bucket), slice.start(bucket + 1)));
      const names: string[] = [];
      for (; !cursor.done; cursor.nextUser()) names.push(nameOf(cursor));
      expect(names).toContain(user);
    }
  });

  test('lets a reader skip the calls of a user', () => {
    const log = [1, 2, 3, 4, 5, 6].map((id) => call(id, `user-${id % 3}`));
    const cursor = new SegmentCursor(mapLog(log, 10).spills[0]!.data, 1n);
    cursor.reader.next();
    cursor.nextUser();
    expect(cursor.calls).toBe(2);
    cursor.nextUser();
    expect(cursor.calls).toBe(2);
    cursor.nextUser();
    expect(cursor.done).toBe(true);
  });

  test('of any other bytes is read to its end or refused, and never beyond', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200, size: 'max' }), (bytes) => {
        try {
          const cursor = new SegmentCursor(bytes, 1n);
          for (; !cursor.done; cursor.nextUser()) expect(cursor.bodyEnd).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(SegmentError);
        }
      }),
      { numRuns: 1000 },
    );
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
