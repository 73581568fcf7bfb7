/**
 * The bills do not depend on how the work is divided. For all partitions, spills, shards, passes and runs, the cycles
 * equal those of the oracle over the whole log, and the proof of each run holds.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CallSum, proveRun } from '../../../src/billing/proof.js';
import { cutPartitions, cutShards, type PositionRange } from '../../../src/engine/cuts.js';
import { RECORD_CYCLES_MAX } from '../../../src/engine/layout.js';
import { PartitionMap } from '../../../src/engine/map.js';
import type { OpenCycle } from '../../../src/engine/reduce.js';
import { anyLog, call, HEAVY_MS, heavy } from './calls.js';
import { billNaively, type Call, type Cycle, digestNaively, sumOfUsage } from './oracle.js';
import { billsOf, mapPartition, type Reduced, reduceShard } from './pipeline.js';

/** How the work is divided. Runs and occupied ranges end after the calls with the given numbers; a run may be empty. */
interface Cuts {
  callsPerCycle: number;
  runEnds: number[];
  rangeEnds: number[];
  partitions: number;
  callsMax: number;
  shards: number;
  bytesMax: number;
}

const oneOfEach: Cuts = {
  callsPerCycle: 5,
  runEnds: [],
  rangeEnds: [],
  partitions: 1,
  callsMax: 1000,
  shards: 1,
  bytesMax: 2 ** 30,
};

const CALLS_MAX = 120;
const endsInLog = fc.array(fc.nat(CALLS_MAX), { maxLength: 4 });

const anyCuts: fc.Arbitrary<Cuts> = fc.record({
  callsPerCycle: fc.constantFrom(1, 2, 5, 1000),
  runEnds: endsInLog,
  rangeEnds: endsInLog,
  partitions: fc.integer({ min: 1, max: 6 }),
  callsMax: fc.constantFrom(1, 4, 15, 1000),
  shards: fc.constantFrom(1, 2, 3, 7, 64),
  bytesMax: fc.constantFrom(1, 30, 300, 2 ** 30),
});

const maps = new Map<number, PartitionMap>();

function mapOf(callsMax: number): PartitionMap {
  const map = maps.get(callsMax) ?? new PartitionMap(callsMax);
  maps.set(callsMax, map);
  return map;
}

/** Divides the log into consecutive pieces that end after the calls with the given numbers. */
function cutLog(log: readonly Call[], ends: readonly number[]): Call[][] {
  const sorted = [0, ...[...ends].sort((one, other) => one - other), log.length];
  return sorted.slice(1).map((end, i) => log.slice(sorted[i], end));
}

interface Billed {
  cycles: Cycle[];
  open: Map<string, OpenCycle>;
  /** The result of each shard of each run. */
  reduced: Reduced[];
}

/** Bills a log run by run. Each run carries in what the previous one carried out. */
function bill(log: readonly Call[], cuts: Cuts): Billed {
  const billed: Billed = { cycles: [], open: new Map(), reduced: [] };
  let carriedIn: CallSum = { calls: 0n, usage: 0n };
  for (const calls of cutLog(log, cuts.runEnds)) {
    const maps = partitionsOf(calls, cuts).map((partition, number) => {
      const own = calls.filter(({ id }) => id >= partition.first && id <= partition.last);
      return mapPartition(mapOf(cuts.callsMax), number, partition, own);
    });
    const spills = maps.flatMap((map) => map.spills);
    const options = { bytesMax: cuts.bytesMax, callsPerCycle: cuts.callsPerCycle, carriedIn: billed.open };
    const reduces = cutShards(cuts.shards).map((shard) => reduceShard(spills, shard, options));
    const recount = { calls: String(calls.length), usage: String(sumOfUsage(calls)) };
    const outcomes = {
      maps: maps.map((map) => map.outcome),
      reduces: reduces.map((shard) => shard.outcome),
      recount,
      quarantine: { calls: 0n, usage: 0n },
    };
    const { totals, differences } = proveRun(outcomes, carriedIn, cuts.callsPerCycle);
    expect(differences).toEqual([]);
    expect(totals.digest).toBe(digestNaively(calls));

    carriedIn = totals.carriedOut;
    billed.cycles.push(...reduces.flatMap((shard) => shard.cycles));
    billed.open = new Map([...billed.open, ...reduces.flatMap((shard) => [...shard.open])]);
    billed.reduced.push(...reduces);
  }
  const naive = billNaively(log, cuts.callsPerCycle);
  expect(carriedIn).toEqual({
    calls: naive.open.reduce((sum, { calls }) => sum + BigInt(calls), 0n),
    usage: naive.open.reduce((sum, { usage }) => sum + usage, 0n),
  });
  return billed;
}

function partitionsOf(calls: readonly Call[], { rangeEnds, partitions }: Cuts): PositionRange[] {
  const pieces = cutLog(
    calls,
    rangeEnds.map((end) => end % (calls.length + 1)),
  );
  const occupied = pieces
    .filter((piece) => piece.length > 0)
    .map((piece) => ({ first: piece[0]!.id, last: piece.at(-1)!.id }));
  return cutPartitions(occupied, partitions);
}

function expectBills(log: readonly Call[], cuts: Cuts): Billed {
  const billed = bill(log, cuts);
  expect(billsOf(billed.cycles, billed.open)).toEqual(billNaively(log, cuts.callsPerCycle));
  return billed;
}

/** Calls of several users in turn. */
function inTurn(calls: number, users: readonly string[]): Call[] {
  return Array.from({ length: calls }, (_, i) => call(i + 1, users[i % users.length]!, i));
}

describe('the cycles equal those of the oracle', () => {
  test('for any log, however the work is divided', { timeout: HEAVY_MS }, () => {
    fc.assert(
      fc.property(anyLog({ callsMax: CALLS_MAX, gapMax: 2n ** 53n }), anyCuts, (log, cuts) => {
        expectBills(log, cuts);
      }),
      { ...heavy, numRuns: 80 },
    );
  });

  test('for users with calls in each of many runs', { timeout: HEAVY_MS }, () => {
    const everyFewCalls = Array.from({ length: 30 }, (_, i) => 3 * i);
    for (const callsPerCycle of [1, 2, 5, 1000]) {
      expectBills(inTurn(90, ['alice', 'bob', 'carol', 'dave']), {
        ...oneOfEach,
        callsPerCycle,
        runEnds: everyFewCalls,
      });
    }
  });

  test('for a user with more calls than a pass holds, whose open cycle continues from pass to pass', () => {
    const log = inTurn(200, ['alice']);
    const { reduced } = expectBills(log, { ...oneOfEach, callsMax: 3, bytesMax: 20, runEnds: [77] });
    const passes = reduced.flatMap((shard) => shard.passes);
    expect(passes.filter((pass) => !pass.lastOfBuckets).length).toBeGreaterThan(20);
  });

  test('for a user with calls only in the first of several passes of its bucket', () => {
    // Both users are in bucket 2.
    const [alice, bob] = ['user-05177003', 'user-08535982'];
    const log = [call(1, alice!, 7), ...Array.from({ length: 40 }, (_, i) => call(i + 2, bob!))];
    const { reduced } = expectBills(log, { ...oneOfEach, callsMax: 4, bytesMax: 1 });
    const { passes, outcome } = reduced[0]!;
    expect(passes.map((pass) => pass.buckets.first)).toEqual(new Array(11).fill(2));
    expect(outcome.users).toBe('2');
  });

  test('for passes of one bucket between passes of many', () => {
    const users = Array.from({ length: 60 }, (_, i) => `user-${i}`);
    const log = [...inTurn(60, users), ...inTurn(100, ['alice']).map((own) => ({ ...own, id: own.id + 60n }))];
    const { reduced } = expectBills(log, { ...oneOfEach, callsMax: 10, bytesMax: 150, shards: 2 });
    const passes = reduced.flatMap((shard) => shard.passes);
    expect(passes.some((pass) => pass.buckets.end - pass.buckets.first > 1)).toBe(true);
    expect(passes.some((pass) => !pass.lastOfBuckets)).toBe(true);
  });

  test('for a user with more cycles than a row of records holds', () => {
    const log = inTurn(RECORD_CYCLES_MAX * 2 + 1, ['alice']);
    const { cycles } = expectBills(log, { ...oneOfEach, callsPerCycle: 1 });
    expect(cycles.at(-1)!.number).toBe(RECORD_CYCLES_MAX * 2 + 1);
  });

  test('for an empty log', () => {
    const { cycles, open } = expectBills([], { ...oneOfEach, runEnds: [0, 0] });
    expect([cycles.length, open.size]).toEqual([0, 0]);
  });
});
