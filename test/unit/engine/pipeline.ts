/**
 * A billing run in memory: the domain's own map, segments, passes and reduce, joined as the activities join them, with a
 * list where they have a table. `reduceShard` is the loop of ShardReduction in src/activities/reduce.ts.
 */

import type { MapOutcome, ReduceOutcome } from '../../../src/billing/proof.js';
import { type Buckets, cutPasses, type Pass, type Positions, width } from '../../../src/engine/cuts.js';
import { type Kernel, newKernel } from '../../../src/engine/kernel.js';
import type { PartitionMap } from '../../../src/engine/map.js';
import { BucketFold, type CycleBatch, type FoldedUser, type OpenCycle } from '../../../src/engine/reduce.js';
import { BucketSlice, INDEX_ENTRY_BYTES, type Segment } from '../../../src/engine/segment.js';
import { int8s } from '../postgres/copy-decoder.js';
import type { Bills, Call, Cycle, Open } from './oracle.js';

/** A row of meterfold.spills, and its segments in one piece. */
export interface StoredSpill {
  basePosition: bigint;
  data: Buffer;
  bucketIndex: Buffer;
  partition: number;
  spill: number;
}

/** A call as COPY brings it: the row in a message of its own. */
export function messageOf({ id, user, usage, calledAt }: Call): Buffer {
  const int8 = (value: bigint) => {
    const field = Buffer.alloc(12);
    field.writeInt32BE(8);
    field.writeBigInt64BE(value, 4);
    return field;
  };
  const name = Buffer.from(user, 'latin1');
  const head = Buffer.from('d\0\0\0\0\0\x04', 'latin1');
  const nameLength = Buffer.alloc(4);
  nameLength.writeInt32BE(name.length);
  const message = Buffer.concat([head, int8(id), nameLength, name, int8(usage), int8(calledAt)]);
  message.writeInt32BE(message.length - 1, 1);
  return message;
}

/** Gives a map a call, which it must take; `store` makes room where there is none. */
export function feed(map: PartitionMap, call: Call, store?: () => void): void {
  // Somewhere in a buffer, other bytes around it.
  const message = messageOf(call);
  const bytes = Buffer.concat([Buffer.alloc(7, 0xee), message, Buffer.alloc(3, 0xee)]);
  let end = map.take(bytes, 7, 7 + message.length);
  if (map.stopped === 'full' && store !== undefined) {
    store();
    end = map.take(bytes, end, 7 + message.length);
  }
  if (map.stopped !== undefined || end !== 7 + message.length) throw new Error(`${map.stopped} at call ${call.id}`);
}

/** Appends a call to a bucket, as that of a user with this hash. */
export function append(kernel: Kernel, bucket: number, hashLo: number, { id, user, usage, calledAt }: Call): void {
  Buffer.from(kernel.memory.buffer).write(user, kernel.input.value, 'latin1');
  kernel.append(bucket, hashLo, kernel.input.value, user.length, id, usage, calledAt);
}

export function halves(value: bigint): [hi: number, lo: number] {
  return [Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asIntN(32, value))];
}

type TakenSpill = Pick<StoredSpill, 'basePosition' | 'data' | 'bucketIndex'>;

/** All spills of a map, and room for more. */
export function takeSpills(map: PartitionMap): TakenSpill[] {
  const taken = map.spills().map((spill) => ({ ...spill, data: Buffer.from(spill.data) }));
  map.clear();
  return taken;
}

/** Of a map that needs no more than one. */
export function takeSpill(map: PartitionMap): TakenSpill {
  const [spill, ...others] = takeSpills(map);
  if (others.length > 0) throw new Error('there is more than one spill');
  return spill!;
}

/** Maps the calls of a partition, spilling as readPartition in src/log/reader.ts does. */
export function mapPartition(
  map: PartitionMap,
  number: number,
  positions: Positions,
  calls: readonly Call[],
): { spills: StoredSpill[]; outcome: MapOutcome } {
  const spills: StoredSpill[] = [];
  const store = () => {
    for (const spill of takeSpills(map)) spills.push({ partition: number, spill: spills.length, ...spill });
  };
  map.reset(positions.first, width(positions));
  for (const call of calls) feed(map, call, store);
  store();
  const outcome = {
    calls: String(map.calls),
    usage: String(map.usage),
    digest: map.digest,
    quarantinedCalls: '0',
    quarantinedUsage: '0',
    spills: spills.length,
    segmentBytes: spills.reduce((sum, { data }) => sum + data.length, 0),
    readFrom: 'primary' as const,
  };
  return { spills, outcome };
}

/** What a spill has for a range of buckets, as the database's substring gives it. */
export function sliceOf(
  { partition, spill, basePosition, bucketIndex }: StoredSpill,
  { first, end }: Buckets,
): BucketSlice {
  const entries = bucketIndex.subarray(first * INDEX_ENTRY_BYTES, (end + 1) * INDEX_ENTRY_BYTES);
  return new BucketSlice(partition, spill, basePosition, first, Buffer.from(entries));
}

const SEGMENT_BYTES = 2 ** 26;
/** Folds all that is folded here, one fold at a time. */
export const foldKernel = newKernel();
foldKernel.open(SEGMENT_BYTES, 0);
let free = 0;

/** Puts bytes into the kernel's memory, for a while: where they lie. Other bytes lie behind them. */
export function place(data: Uint8Array): number {
  if (free + data.length + 16 > SEGMENT_BYTES) free = 0;
  const at = foldKernel.arena.value + free;
  const memory = Buffer.from(foldKernel.memory.buffer);
  memory.set(data, at);
  memory.fill(1, at + data.length, at + data.length + 8);
  free += data.length + 8;
  return at;
}

/** Opens what a slice has for a range of buckets. */
export function openSegment(slice: BucketSlice, { first, end }: Buckets, data: Uint8Array): Segment {
  return slice.open(first, end, foldKernel.memory, place(data), data.length);
}

export function openPass(spills: readonly StoredSpill[], { slices, buckets }: Pass): Segment[] {
  return slices.map((slice) => {
    const stored = spills.find(({ partition, spill }) => partition === slice.partition && spill === slice.spill)!;
    const start = slice.start(buckets.first);
    return openSegment(slice, buckets, stored.data.subarray(start, start + slice.bytes(buckets.first, buckets.end)));
  });
}

export interface ReduceOptions {
  bytesMax: number;
  callsPerCycle: number;
  /** What the run before has left open, by user. */
  carriedIn: ReadonlyMap<string, Readonly<OpenCycle>>;
}

export interface Reduced {
  cycles: Cycle[];
  open: Map<string, OpenCycle>;
  passes: Pass[];
  outcome: ReduceOutcome;
}

export function reduceShard(spills: readonly StoredSpill[], shard: Buckets, options: ReduceOptions): Reduced {
  const slices = spills.map((spill) => sliceOf(spill, shard));
  const passes = cutPasses(slices, shard, options.bytesMax);
  const cycles: Cycle[] = [];
  const open = new Map<string, OpenCycle>();
  /** Users of the bucket, so far. */
  const known = new Set<string>();
  let carriedInCalls = 0;
  let carriedInUsage = 0n;
  let users = 0;
  const fold = new BucketFold(foldKernel, options.callsPerCycle, (user, batch) =>
    cycles.push(...cyclesOf(user, batch)),
  );
  let goesOn = false;
  for (const pass of passes) {
    const segments = openPass(spills, pass);
    for (let bucket = pass.buckets.first; bucket < pass.buckets.end; bucket++) {
      if (!goesOn) {
        fold.clear();
        known.clear();
      }
      const names = namesOf(segments, bucket).filter((name) => !known.has(name));
      for (const name of names) known.add(name);
      // Asked once for each user, in the order in which the bucket has them.
      const carriedIn = {
        next() {
          const before = options.carriedIn.get(names.shift()!);
          carriedInCalls += before?.calls ?? 0;
          carriedInUsage += before?.usage ?? 0n;
          return before;
        },
      };
      fold.begin(segments, bucket, carriedIn);
      while (fold.foldNext());
      if (!pass.lastOfBuckets) continue;
      users += fold.users;
      fold.close((user) => void open.set(nameOf(user), openOf(user)));
    }
    goesOn = !pass.lastOfBuckets;
  }
  const outcome = {
    calls: String(fold.calls),
    usage: String(fold.usage),
    digest: fold.digest,
    users: String(users),
    cycles: String(fold.cyclesClosed),
    billedUsage: String(fold.billedUsage),
    carriedInCalls: String(carriedInCalls),
    carriedInUsage: String(carriedInUsage),
    carriedOutCalls: String(fold.openCalls),
    carriedOutUsage: String(fold.openUsage),
  };
  return { cycles, open, passes, outcome };
}

/** The users that segments have of a bucket, in the order in which they come, one character a byte. */
function namesOf(segments: readonly Segment[], bucket: number): string[] {
  const names = new Set<string>();
  for (const segment of segments)
    segment.seeNames(bucket, (bytes, at, end) => names.add(bytes.toString('latin1', at, end)));
  return [...names];
}

/** A name's bytes, one character each. */
export function nameOf({ bytes, nameAt, nameLength }: FoldedUser): string {
  return bytes.toString('latin1', nameAt, nameAt + nameLength);
}

export function openOf({ view, calls, cycleAt, usageAt, firstCallIdAt, firstCalledAtAt }: FoldedUser): OpenCycle {
  return {
    cycle: view.getBigInt64(cycleAt, true),
    calls,
    usage: view.getBigInt64(usageAt, true),
    firstCallId: view.getBigInt64(firstCallIdAt, true),
    firstCalledAt: view.getBigInt64(firstCalledAtAt, true),
  };
}

/** Microseconds from 1970, where the times of records begin, to 2000, where those of calls do. */
const SINCE_1970 = 946_684_800_000_000n;

/** The cycles of a batch, in the oracle's terms. */
export function cyclesOf(user: FoldedUser, { firstCycle, cycles, fieldsAt, fieldsBytes }: CycleBatch): Cycle[] {
  let at = fieldsAt;
  const strings = Array.from({ length: 5 }, () => {
    const field = user.bytes.subarray(at + 4, at + 4 + user.bytes.readInt32BE(at));
    at += 4 + field.length;
    return int8s(field);
  });
  if (at !== fieldsAt + fieldsBytes) throw new Error(`fields of ${fieldsBytes} bytes were read up to ${at - fieldsAt}`);
  if (strings.some((numbers) => numbers.length !== cycles)) throw new Error(`not all strings are of ${cycles} cycles`);
  const [usages, firstIds, lastIds, firstCalledAts, lastCalledAts] = strings as [bigint[], ...bigint[][]];
  return usages.map((usage, cycle) => ({
    user: nameOf(user),
    number: firstCycle + cycle,
    usage,
    firstId: firstIds![cycle]!,
    lastId: lastIds![cycle]!,
    firstCalledAt: firstCalledAts![cycle]! - SINCE_1970,
    lastCalledAt: lastCalledAts![cycle]! - SINCE_1970,
  }));
}

/** Cycles and open cycles in the oracle's terms and order. */
export function billsOf(cycles: readonly Cycle[], open: ReadonlyMap<string, Readonly<OpenCycle>>): Bills {
  const byUser = (one: { user: string }, other: { user: string }) =>
    one.user < other.user ? -1 : Number(one.user > other.user);
  return {
    cycles: [...cycles].sort((one, other) => byUser(one, other) || one.number - other.number),
    open: [...open].map(([user, left]) => leftOf(user, left)).sort(byUser),
  };
}

function leftOf(user: string, { cycle, calls, usage, firstCallId, firstCalledAt }: Readonly<OpenCycle>): Open {
  return {
    user,
    nextCycle: Number(cycle),
    calls,
    usage,
    ...(calls === 0 ? {} : { firstId: firstCallId, firstCalledAt }),
  };
}
