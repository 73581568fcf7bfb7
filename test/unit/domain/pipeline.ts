/**
 * A billing run in memory: the domain's own map, segments, passes and reduce, joined as the activities join them, with a
 * list where they have a table. `reduceShard` is the loop of ShardReduction in src/activities/reduce.ts.
 */
import type { BucketUsers } from '../../../src/domain/bucket-users.js';
import type { PartitionMap } from '../../../src/domain/map.js';
import { type Buckets, cutPasses, type Pass, type Positions, width } from '../../../src/domain/partitions.js';
import type { MapOutcome, ReduceOutcome } from '../../../src/domain/proof.js';
import { BucketFold, type CycleBatch, type OpenCycle } from '../../../src/domain/reduce.js';
import { BucketSlice, INDEX_ENTRY_BYTES, type Segment } from '../../../src/domain/segment.js';
import type { MapKernel } from '../../../src/kernel/map.js';
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
export function append(kernel: MapKernel, bucket: number, hashLo: number, { id, user, usage, calledAt }: Call): void {
  Buffer.from(kernel.memory.buffer).write(user, kernel.input.value, 'latin1');
  kernel.append(bucket, hashLo, kernel.input.value, user.length, id, usage, calledAt);
}

export function halves(value: bigint): [hi: number, lo: number] {
  return [Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asIntN(32, value))];
}

export function whole(hi: number, lo: number): bigint {
  return BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo >>> 0));
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

/** Maps the calls of a partition, spilling as readPartition in src/db/log.ts does. */
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

export function openPass(spills: readonly StoredSpill[], { slices, buckets: { first, end } }: Pass): Segment[] {
  return slices.map((slice) => {
    const stored = spills.find(({ partition, spill }) => partition === slice.partition && spill === slice.spill)!;
    const data = Buffer.from(stored.data.subarray(slice.start(first), slice.start(first) + slice.bytes(first, end)));
    return slice.open(first, end, data);
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
  let carriedInCalls = 0;
  let carriedInUsage = 0n;
  const fold = new BucketFold(options.callsPerCycle, (users, user, batch) =>
    cycles.push(...cyclesOf(users, user, batch)),
  );
  const { users } = fold;
  // Asked once for each user, in the order in which the bucket has them.
  let asked = 0;
  const carriedIn = {
    next() {
      const before = options.carriedIn.get(nameOf(users, asked++));
      carriedInCalls += before?.calls ?? 0;
      carriedInUsage += before === undefined ? 0n : whole(before.usageHi, before.usageLo);
      return before;
    },
  };
  let goesOn = false;
  for (const pass of passes) {
    const segments = openPass(spills, pass);
    for (let bucket = pass.buckets.first; bucket < pass.buckets.end; bucket++) {
      if (!goesOn) {
        fold.clear();
        asked = 0;
      }
      fold.begin(segments, bucket, carriedIn);
      while (fold.foldNext());
      if (!pass.lastOfBuckets) continue;
      for (let user = 0; user < users.count; user++) open.set(nameOf(users, user), fold.leftOpen(user));
    }
    goesOn = !pass.lastOfBuckets;
  }
  const left = [...open.values()];
  const outcome = {
    calls: String(fold.calls),
    usage: String(fold.usage.toBigInt()),
    digest: fold.digest.toString(),
    users: String(open.size),
    cycles: String(fold.cyclesClosed),
    billedUsage: String(fold.billedUsage.toBigInt()),
    carriedInCalls: String(carriedInCalls),
    carriedInUsage: String(carriedInUsage),
    carriedOutCalls: String(left.reduce((sum, { calls }) => sum + calls, 0)),
    carriedOutUsage: String(left.reduce((sum, { usageHi, usageLo }) => sum + whole(usageHi, usageLo), 0n)),
  };
  return { cycles, open, passes, outcome };
}

/** A name's bytes, one character each. */
export function nameOf(users: BucketUsers, user: number): string {
  return Buffer.from(users.nameOf(user)).toString('latin1');
}

/** The cycles of a batch, in the oracle's terms. */
export function cyclesOf(users: BucketUsers, user: number, batch: CycleBatch): Cycle[] {
  const at = (pairs: Int32Array, cycle: number) => whole(pairs[2 * cycle]!, pairs[2 * cycle + 1]!);
  return Array.from({ length: batch.cycles }, (_, cycle) => ({
    user: nameOf(users, user),
    number: batch.firstCycle + cycle,
    usage: at(batch.usages, cycle),
    firstId: at(batch.firstCallIds, cycle),
    lastId: at(batch.lastCallIds, cycle),
    firstCalledAt: BigInt(batch.firstCalledAts[cycle]!),
    lastCalledAt: BigInt(batch.lastCalledAts[cycle]!),
  }));
}

/** Cycles and open cycles in the oracle's terms and order. */
export function billsOf(cycles: readonly Cycle[], open: ReadonlyMap<string, Readonly<OpenCycle>>): Bills {
  const byUser = (one: { user: string }, other: { user: string }) =>
    one.user < other.user ? -1 : Number(one.user > other.user);
  return {
    cycles: [...cycles].sort((one, other) => byUser(one, other) || one.number - other.number),
    open: [...open].map(([user, left]) => openOf(user, left)).sort(byUser),
  };
}

function openOf(user: string, left: Readonly<OpenCycle>): Open {
  return {
    user,
    nextCycle: left.nextCycle,
    calls: left.calls,
    usage: whole(left.usageHi, left.usageLo),
    ...(left.calls === 0
      ? {}
      : { firstId: whole(left.firstCallIdHi, left.firstCallIdLo), firstCalledAt: BigInt(left.firstCalledAt) }),
  };
}
