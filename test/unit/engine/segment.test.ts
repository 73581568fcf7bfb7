/** Calls of one partition through map, segments and reduce, compared with the oracle. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BUCKETS } from '../../../src/engine/layout.js';
import { PartitionMap } from '../../../src/engine/map.js';
import { anyLog, CALLED_AT_MAX, CALLED_AT_MIN, call, HEAVY_MS, heavy, USAGE_MAX } from './calls.js';
import { decode } from './decoder.js';
import { billNaively, type Call, digestNaively, hashBytes, sumOfUsage } from './oracle.js';
import { billsOf, feed, mapPartition, reduceShard, type StoredSpill, takeSpill, takeSpills } from './pipeline.js';

const ALL = { first: 0, end: BUCKETS };
const NOTHING = new Map();

/** An arena for calls of few buckets at a time. */
const ARENA_BYTES = 4096;

const maps = new Map<number, PartitionMap>();

/** Maps are reused, as in a worker. */
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

  test('calls with the most bytes, one or many a user, fit into a spill', () => {
    const swing = (i: number) => (i % 2 === 0 ? CALLED_AT_MAX : CALLED_AT_MIN);
    const extreme = (i: number, user: string): Call => {
      return { id: 2n ** 52n + BigInt(i), user, usage: USAGE_MAX, calledAt: swing(i) };
    };
    const oneUser = Array.from({ length: 1000 }, (_, i) => extreme(i, 'a'));
    const everyoneOnce = Array.from({ length: 1000 }, (_, i) => extreme(2 * i, `${i}`.padStart(256, 'x')));
    expectRoundTrip(oneUser, 1000, 5, 1n);
    // Several times what fits into a block.
    const hotUser = Array.from({ length: 30_000 }, (_, i) => extreme(i, i % 10 === 0 ? `${i % 7}` : 'hot'));
    expectRoundTrip(hotUser, 30_000, 1000, 1n);
    expectRoundTrip(everyoneOnce, 1000, 1, 1n);
    const widest = mapLog([extreme(0, 'a')], 1, 1n).outcome.segmentBytes;
    // The number of users takes four bytes, each of the three numbers of a call eight.
    expect(widest).toBe(4 + 1 + 1 + 1 + 1 + 3 * 8);
  });

  test('the billed usage of 999 calls of 10^15 each is exact', () => {
    const log = Array.from({ length: 1001 }, (_, i) => call(i + 1, 'alice', USAGE_MAX));
    expectRoundTrip(log, 300, 999);
    expectRoundTrip(log, 300, 1000);
  });

  test('sums above 2^63 of read, billed and open usage are exact', () => {
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

  test('the tables of users grow, and every user is found', () => {
    const USERS = 20_000;
    const map = new PartitionMap(2 * USERS);
    map.reset(1n);
    for (let i = 0; i < 2 * USERS; i++) feed(map, call(i + 1, `user-${i % USERS}`, i % USERS));
    const buckets = decode(takeSpill(map));
    expect(new Set(buckets.flatMap(({ users }) => users)).size).toBe(USERS);
    expect(buckets.flatMap(({ users }) => users)).toHaveLength(USERS);
    expect(buckets.flatMap(({ calls }) => calls)).toHaveLength(2 * USERS);
  });

  test('calls that fill the arena are packed into several spills, and none is lost', () => {
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

  test('has each user of a bucket once, in the order of their first calls', () => {
    for (const { users, calls } of buckets) expect(users).toEqual([...new Set(calls.map(({ user }) => user))]);
  });
});
