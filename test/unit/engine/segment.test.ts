/** What map packs, reduce unpacks: through one partition, against the oracle. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PartitionMap, SPILL_CALLS_MAX } from '../../../src/engine/map.js';
import { BUCKETS } from '../../../src/engine/segment.js';
import { anyLog, CALLED_AT_MAX, CALLED_AT_MIN, call, HEAVY_MS, heavy, USAGE_MAX, userOf } from './calls.js';
import { decode } from './decoder.js';
import { billNaively, type Call, digestNaively, hashBytes, sumOfUsage } from './oracle.js';
import {
  billsOf,
  feed,
  mapPartition,
  messageOf,
  reduceShard,
  type StoredSpill,
  takeSpill,
  takeSpills,
} from './pipeline.js';

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
    // The number of users takes four, each of three numbers of a call eight.
    expect(widest).toBe(4 + 1 + 1 + 1 + 1 + 3 * 8);
  });

  test('the billed usage of 999 calls of 10^15 each is exact', () => {
    const log = Array.from({ length: 1001 }, (_, i) => call(i + 1, 'alice', USAGE_MAX));
    expectRoundTrip(log, 300, 999);
    expectRoundTrip(log, 300, 1000);
  });

  test('sums past 2^63, of what is read, billed and left open, are exact', () => {
    const log = Array.from({ length: 30 * 1500 }, (_, i) => call(i + 1, `user-${i % 30}`, USAGE_MAX));
    const { spills, outcome } = mapLog(log, 50_000);
    expect(outcome.usage).toBe(String(45_000n * USAGE_MAX));
    expect(reduceAll(spills, 1000).outcome).toMatchObject({
      usage: String(45_000n * USAGE_MAX),
      billedUsage: String(30_000n * USAGE_MAX),
      carriedOutCalls: '15000',
      carriedOutUsage: String(15_000n * USAGE_MAX),
    });
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
      spilledAt = map.calls;
      for (const spill of takeSpills(map)) for (const bucket of decode(spill)) users.push(...bucket.users);
    };
    map.reset(1n);
    for (let i = 0; i < CALLS; i++) feed(map, call(i + 1, `${i}`.padStart(256, 'x')), take);
    const lastSpilledAt = spilledAt;
    take();
    expect(lastSpilledAt).toBeGreaterThan(100_000);
    expect(lastSpilledAt).toBeLessThan(CALLS);
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
    { name: 'an id a whole 2^32 before the last one', ids: [2n ** 33n, 2n ** 32n], refused: 2n ** 32n },
  ])('stops at $name', ({ ids, refused }) => {
    const map = new PartitionMap(10);
    map.reset(5n);
    const messages = ids.map((id) => messageOf(call(id, 'alice')));
    const bytes = Buffer.concat(messages);
    const end = bytes.length - messages.at(-1)!.length;
    expect(map.take(bytes, 0, bytes.length)).toBe(end);
    expect([map.stopped, bytes.readBigInt64BE(end + 11), map.calls]).toEqual(['disorder', refused, ids.length - 1]);
  });

  test('passes over calls of other partitions, whatever they are, and takes those between them', () => {
    const map = new PartitionMap(10);
    map.reset(5n, 3n);
    const others = [call(4, 'x'.repeat(300_000)), call(2n ** 62n, ''), call(8, 'bob', -1n), call(1, 'bob')];
    const own = [call(5, 'alice', 2), call(7, 'bob', 40)];
    const log = [others[0]!, own[0]!, others[1]!, others[2]!, own[1]!, others[3]!];
    const bytes = Buffer.concat(log.map(messageOf));
    let end = 0;
    while (end < bytes.length && map.stopped === undefined) end = map.take(bytes, end, bytes.length);
    expect([map.stopped, end, map.calls, map.usage, map.digest]).toEqual([
      undefined,
      bytes.length,
      2,
      42n,
      digestNaively(own),
    ]);
  });

  test.each([
    { what: 'without a user', bad: call(6, '') },
    { what: 'whose user has 257 bytes', bad: call(6, 'x'.repeat(257)) },
    { what: 'whose user has more bytes than are looked at', bad: call(6, 'x'.repeat(300_000)) },
    { what: 'of a usage below 0', bad: call(6, 'bob', -1n) },
    { what: 'of a usage above 10^15', bad: call(6, 'bob', USAGE_MAX + 1n) },
    { what: 'before 1970', bad: { ...call(6, 'bob'), calledAt: -946_684_800_000_001n } },
    { what: 'of 2100', bad: { ...call(6, 'bob'), calledAt: 3_155_760_000_000_000n } },
  ])('stops at a call $what, which can be passed over', ({ bad }) => {
    const map = new PartitionMap(10);
    map.reset(5n);
    const [before, between, after] = [call(5, 'alice', 1), bad, call(7, 'alice', 2)].map(messageOf);
    const bytes = Buffer.concat([before!, between!, after!]);
    const stops: unknown[] = [];
    for (let end = 0; end < bytes.length; ) {
      end = map.take(bytes, end, bytes.length);
      if (map.stopped === undefined) continue;
      stops.push([map.stopped, bytes.readBigInt64BE(end + 11)]);
      map.pass(6n);
      end += between!.length;
    }
    expect(stops).toEqual([['bad call', 6n]]);
    expect([map.calls, map.usage, map.lastPosition]).toEqual([2, 3n, 7n]);
  });

  test('leaves what is not there as a whole, and what is no row', () => {
    const map = new PartitionMap(10);
    map.reset(1n);
    const [first, second] = [call(1, 'alice'), call(2, 'alice')].map(messageOf);
    const bytes = Buffer.concat([first!, second!]);
    for (let end = first!.length; end < bytes.length; end++) {
      map.reset(1n);
      expect([map.take(bytes, 0, end), map.stopped]).toEqual([first!.length, undefined]);
    }
    const trailer = Buffer.from('d\0\0\0\x06\xff\xff', 'latin1');
    const done = Buffer.from('c\0\0\0\x04', 'latin1');
    for (const other of [trailer, done]) {
      map.reset(1n);
      expect(map.take(Buffer.concat([first!, other]), 0, first!.length + other.length)).toBe(first!.length);
      expect([map.stopped, map.calls]).toEqual([undefined, 1]);
    }
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
