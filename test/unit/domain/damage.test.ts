/** Stored segments that are not what map wrote: refused, or found by the proof, and never billed. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PartitionMap } from '../../../src/domain/map.js';
import { proveRun } from '../../../src/domain/proof.js';
import { CycleFold } from '../../../src/domain/reduce.js';
import { BUCKETS, BucketSlice, INDEX_ENTRY_BYTES, SegmentCursor, SegmentError } from '../../../src/domain/segment.js';
import { anyLog, call, HEAVY_MS, heavy } from './calls.js';
import { type Call, sumOfUsage } from './oracle.js';
import { billsOf, mapPartition, reduceShard, type StoredSpill } from './pipeline.js';

const ALL = { first: 0, end: BUCKETS };
const maps = new Map([1000, 3].map((callsMax) => [callsMax, new PartitionMap(callsMax)]));

function mapped(log: readonly Call[], callsMax: 1000 | 3) {
  return mapPartition(maps.get(callsMax)!, 4, { first: log[0]!.id, last: log.at(-1)!.id }, log);
}

function reduced(spills: readonly StoredSpill[], bytesMax: number) {
  return reduceShard(spills, ALL, { bytesMax, callsPerCycle: 2, carriedIn: new Map() });
}

function flip(bytes: Buffer, place: number, bit: number): Buffer {
  const damaged = Buffer.from(bytes);
  damaged[place]! ^= 1 << bit;
  return damaged;
}

function open({ partition, spill, basePosition, bucketIndex, data }: StoredSpill): SegmentCursor {
  return new BucketSlice(partition, spill, basePosition, 0, bucketIndex).open(0, BUCKETS, data);
}

function filledBuckets({ bucketIndex }: StoredSpill): number[] {
  const start = (bucket: number) => bucketIndex.readUInt32BE(bucket * INDEX_ENTRY_BYTES);
  return Array.from({ length: BUCKETS }, (_, bucket) => bucket).filter((bucket) => start(bucket) < start(bucket + 1));
}

/** A byte of the entry of a bucket with calls, or of the entry behind it, where damage tells; at times any other. */
function placeInIndex(spill: StoredSpill, draw: number): number {
  if (draw % 8 === 0) return draw % spill.bucketIndex.length;
  const filled = filledBuckets(spill);
  return filled[draw % filled.length]! * INDEX_ENTRY_BYTES + (draw % (2 * INDEX_ENTRY_BYTES));
}

const log = Array.from({ length: 40 }, (_, i) => call(i + 1, `user-${i % 7}`, i * 1000));
const someLog = anyLog({ callsMax: 40 }).filter((calls) => calls.length > 0);
const somePlace = fc.nat(2 ** 30);
const someBit = fc.nat(7);

describe('one flipped bit', () => {
  test('in any byte of the data is refused', () => {
    const spill = mapped(log, 1000).spills[0]!;
    expect(() => open(spill)).not.toThrow();
    for (let place = 0; place < spill.data.length; place++) {
      const damaged = { ...spill, data: flip(spill.data, place, place % 8) };
      expect(() => open(damaged), `byte ${place}`).toThrow(SegmentError);
    }
  });

  test('in the start or the checksum of a bucket with calls is refused', { timeout: HEAVY_MS }, () => {
    const spill = mapped(log, 1000).spills[0]!;
    const buckets = filledBuckets(spill);
    expect(buckets).toHaveLength(7);
    for (const bucket of buckets) {
      for (let bit = 0; bit < INDEX_ENTRY_BYTES * 8; bit++) {
        const place = bucket * INDEX_ENTRY_BYTES + Math.floor(bit / 8);
        const damaged = { ...spill, bucketIndex: flip(spill.bucketIndex, place, bit % 8) };
        expect(() => open(damaged), `bucket ${bucket}, bit ${bit}`).toThrow(SegmentError);
      }
    }
  });

  test('anywhere in what a run has stored is never billed', { timeout: HEAVY_MS }, () => {
    const anyPass = fc.constantFrom(1, 100, 2 ** 30);
    fc.assert(
      fc.property(someLog, fc.boolean(), somePlace, someBit, anyPass, (calls, inIndex, place, bit, bytesMax) => {
        const { spills, outcome } = mapped(calls, calls.length % 2 === 0 ? 1000 : 3);
        const right = reduced(spills, bytesMax);
        const number = place % spills.length;
        const spill = spills[number]!;
        const damaged = inIndex
          ? { ...spill, bucketIndex: flip(spill.bucketIndex, placeInIndex(spill, place), bit) }
          : { ...spill, data: flip(spill.data, place % spill.data.length, bit) };
        try {
          const wrong = reduced(spills.with(number, damaged), bytesMax);
          const recount = { calls: String(calls.length), usage: String(sumOfUsage(calls)) };
          const none = { calls: 0n, usage: 0n };
          const proof = proveRun({ maps: [outcome], reduces: [wrong.outcome], recount, quarantine: none }, none, 2);
          if (proof.differences.length === 0) {
            expect(billsOf(wrong.cycles, wrong.open)).toEqual(billsOf(right.cycles, right.open));
          }
        } catch (error) {
          if (!(error instanceof SegmentError)) throw error;
        }
      }),
      { ...heavy, numRuns: 150 },
    );
  });
});

describe('a segment is refused', () => {
  const spill = mapped(log, 1000).spills[0]!;

  test('when it is cut short or goes on, with both lengths', () => {
    const bytes = spill.data.length;
    const short = { ...spill, data: spill.data.subarray(0, bytes - 1) };
    const long = { ...spill, data: Buffer.concat([spill.data, Buffer.alloc(1)]) };
    const place = 'segment of partition 4, spill 0';
    expect(() => open(short)).toThrow(new SegmentError(`${place}: ${bytes - 1} bytes where ${bytes} were written`));
    expect(() => open(long)).toThrow(new SegmentError(`${place}: ${bytes + 1} bytes where ${bytes} were written`));
  });

  test('when a checksum differs, with the bucket', () => {
    const damaged = { ...spill, data: flip(spill.data, spill.data.length - 1, 0) };
    expect(() => open(damaged)).toThrow(
      /^segment of partition 4, spill 0, bucket \d+: the checksum differs from the one map stored$/,
    );
  });

  test('when it is the one of another spill', () => {
    const [one, other] = mapped(log, 3).spills;
    expect(() => open({ ...one!, data: other!.data })).toThrow(SegmentError);
  });

  test('when it ends in the middle of a user', () => {
    const user = [1, 0x61, 1, 3, 1, 1, 0];
    expect(new SegmentCursor(Uint8Array.from(user), 1n).calls).toBe(1);
    for (let bytes = 1; bytes < user.length; bytes++) {
      expect(() => new SegmentCursor(Uint8Array.from(user.slice(0, bytes)), 1n), `${bytes} bytes`).toThrow(
        SegmentError,
      );
    }
  });

  test.each([
    { name: 'fewer', calls: 1 },
    { name: 'more', calls: 3 },
  ])('when a user has $name calls than its place holds', ({ calls }) => {
    const twoCalls = [1, 0x61, calls, 6, 1, 1, 0, 1, 1, 0];
    const cursor = new SegmentCursor(Uint8Array.from(twoCalls), 1n);
    const fold = new CycleFold(5, () => {});
    fold.beginUser(cursor);
    expect(() => fold.take(cursor)).toThrow(
      new SegmentError('the calls of a user do not fill its place in the segment'),
    );
  });

  test('when a user has no name', () => {
    expect(() => new SegmentCursor(Uint8Array.from([0, 1, 3, 0, 0, 0, 1, 1, 0]), 1n)).toThrow(SegmentError);
  });
});
