/** Stored segments that differ from what map wrote are refused or found by the proof, and never billed. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { proveRun } from '../../../src/billing/proof.js';
import { BUCKETS, INDEX_ENTRY_BYTES } from '../../../src/engine/layout.js';
import { PartitionMap } from '../../../src/engine/map.js';
import { BucketFold } from '../../../src/engine/reduce.js';
import { Segment, SegmentError, SpillIndex } from '../../../src/engine/segment.js';
import { anyLog, call, HEAVY_MS, heavy } from './calls.js';
import { type Call, sumOfUsage } from './oracle.js';
import { billsOf, foldKernel, load, mapPartition, openSegment, reduceShard, type StoredSpill } from './pipeline.js';

const ALL = { first: 0, end: BUCKETS };
const maps = new Map([1000, 3].map((callsMax) => [callsMax, new PartitionMap(callsMax)]));

function mapped(log: readonly Call[], callsMax: 1000 | 3) {
  return mapPartition(maps.get(callsMax)!, 4, { first: log[0]!.id, last: log.at(-1)!.id }, log);
}

function reduced(spills: readonly StoredSpill[], bytesMax: number) {
  return reduceShard(spills, ALL, { bytesMax, callsPerCycle: 2, carriedIn: new Map() });
}

function flip(bytes: Buffer, index: number, bit: number): Buffer {
  const damaged = Buffer.from(bytes);
  damaged[index]! ^= 1 << bit;
  return damaged;
}

function open({ partition, spill, basePosition, bucketIndex, data }: StoredSpill): Segment {
  return openSegment(new SpillIndex(partition, spill, basePosition, 0, bucketIndex), ALL, data);
}

function filledBuckets({ bucketIndex }: StoredSpill): number[] {
  const start = (bucket: number) => bucketIndex.readUInt32BE(bucket * INDEX_ENTRY_BYTES);
  return Array.from({ length: BUCKETS }, (_, bucket) => bucket).filter((bucket) => start(bucket) < start(bucket + 1));
}

/** A byte of the entry of a bucket with calls or of the next entry, where damage matters; sometimes any other byte. */
function byteOfIndex(spill: StoredSpill, draw: number): number {
  if (draw % 8 === 0) return draw % spill.bucketIndex.length;
  const filled = filledBuckets(spill);
  return filled[draw % filled.length]! * INDEX_ENTRY_BYTES + (draw % (2 * INDEX_ENTRY_BYTES));
}

const log = Array.from({ length: 40 }, (_, i) => call(i + 1, `user-${i % 7}`, i * 1000));
const someLog = anyLog({ callsMax: 40 }).filter((calls) => calls.length > 0);
const someByte = fc.nat(2 ** 30);
const someBit = fc.nat(7);

describe('one flipped bit', () => {
  test('in any byte of the data is refused', () => {
    const spill = mapped(log, 1000).spills[0]!;
    expect(() => open(spill)).not.toThrow();
    for (let byte = 0; byte < spill.data.length; byte++) {
      const damaged = { ...spill, data: flip(spill.data, byte, byte % 8) };
      expect(() => open(damaged), `byte ${byte}`).toThrow(SegmentError);
    }
  });

  test('in the start or the checksum of a bucket with calls is refused', { timeout: HEAVY_MS }, () => {
    const spill = mapped(log, 1000).spills[0]!;
    const buckets = filledBuckets(spill);
    expect(buckets).toHaveLength(7);
    for (const bucket of buckets) {
      for (let bit = 0; bit < INDEX_ENTRY_BYTES * 8; bit++) {
        const byte = bucket * INDEX_ENTRY_BYTES + Math.floor(bit / 8);
        const damaged = { ...spill, bucketIndex: flip(spill.bucketIndex, byte, bit % 8) };
        expect(() => open(damaged), `bucket ${bucket}, bit ${bit}`).toThrow(SegmentError);
      }
    }
  });

  test('anywhere in the data or the index is never billed', { timeout: HEAVY_MS }, () => {
    const anyPass = fc.constantFrom(1, 100, 2 ** 30);
    fc.assert(
      fc.property(someLog, fc.boolean(), someByte, someBit, anyPass, (calls, inIndex, byte, bit, bytesMax) => {
        const { spills, outcome } = mapped(calls, calls.length % 2 === 0 ? 1000 : 3);
        const right = reduced(spills, bytesMax);
        const number = byte % spills.length;
        const spill = spills[number]!;
        const damaged = inIndex
          ? { ...spill, bucketIndex: flip(spill.bucketIndex, byteOfIndex(spill, byte), bit) }
          : { ...spill, data: flip(spill.data, byte % spill.data.length, bit) };
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

  test('if it is too short or too long, and the error names both lengths', () => {
    const bytes = spill.data.length;
    const short = { ...spill, data: spill.data.subarray(0, bytes - 1) };
    const long = { ...spill, data: Buffer.concat([spill.data, Buffer.alloc(1)]) };
    const name = 'segment of partition 4, spill 0';
    expect(() => open(short)).toThrow(new SegmentError(`${name}: ${bytes - 1} bytes where ${bytes} were written`));
    expect(() => open(long)).toThrow(new SegmentError(`${name}: ${bytes + 1} bytes where ${bytes} were written`));
  });

  test('if a checksum differs, and the error names the bucket', () => {
    const damaged = { ...spill, data: flip(spill.data, spill.data.length - 1, 0) };
    expect(() => open(damaged)).toThrow(
      /^segment of partition 4, spill 0, bucket \d+: the checksum differs from the one map stored$/,
    );
  });

  test('if it belongs to another spill', () => {
    const [one, other] = mapped(log, 3).spills;
    expect(() => open({ ...one!, data: other!.data })).toThrow(SegmentError);
  });
});

describe('a bucket is refused', () => {
  /** Folds a bucket without a check of its checksum. */
  function fold(bytes: readonly number[]): BucketFold {
    const index = Buffer.alloc(2 * INDEX_ENTRY_BYTES);
    index.writeUInt32BE(bytes.length, INDEX_ENTRY_BYTES);
    const fold = new BucketFold(foldKernel, 5, () => {});
    // Other bytes follow in memory, and must not be read.
    const at = load(Uint8Array.from(bytes));
    fold.begin([new Segment(new SpillIndex(4, 0, 1n, 0, index), at)], 0);
    while (fold.foldNext());
    return fold;
  }
  const malformed = new SegmentError('segment of partition 4, spill 0: users and calls do not fill their bucket');
  // Two users, a and bc, and three calls.
  const names = [2, 1, 0x61, 2, 0x62, 0x63];
  const calls = [3, 0, 1, 7, 0, 1, 1, 7, 0, 0, 1, 7, 0];

  test('only if it is malformed', () => {
    expect(fold([...names, ...calls])).toMatchObject({ calls: 3, users: 2 });
  });

  test('if it is truncated anywhere, or too long', () => {
    const whole = [...names, ...calls];
    for (let bytes = 1; bytes < whole.length; bytes++) {
      expect(() => fold(whole.slice(0, bytes)), `${bytes} bytes`).toThrow(malformed);
    }
    expect(() => fold([...whole, 0])).toThrow(malformed);
  });

  test.each([
    { name: 'fewer calls than bytes for them', bytes: [...names, 2, ...calls.slice(1)] },
    { name: 'more calls than bytes for them', bytes: [...names, 4, ...calls.slice(1)] },
    { name: 'very many calls', bytes: [...names, 255, 255, 255, 127, ...calls.slice(1)] },
    { name: 'very many users', bytes: [255, 255, 255, 127, ...names.slice(1), ...calls] },
    { name: 'a user without a name', bytes: [2, 1, 0x61, 0, ...calls] },
    { name: 'a name longer than the bucket', bytes: [2, 1, 0x61, 100, 0x62, 0x63, ...calls] },
    { name: 'a call with an unknown user number', bytes: [...names, 3, 0, 1, 7, 0, 2, 1, 7, 0, 0, 1, 7, 0] },
  ])('if it has $name', ({ bytes }) => {
    expect(() => fold(bytes)).toThrow(malformed);
  });

  test('or read to its end and never beyond, whatever bytes it has', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200, size: 'max' }), (bytes) => {
        try {
          expect(fold([...bytes]).calls).toBeLessThan(bytes.length);
        } catch (error) {
          expect(error).toEqual(malformed);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
