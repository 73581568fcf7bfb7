/**
 * A billing run in memory: the engine's map, segments, passes and reduce, connected as the activities connect them,
 * with lists instead of tables. `reduceShard` repeats the loop of ShardReduction in src/activities/reduce.ts.
 */

import type { MapOutcome, ReduceOutcome } from '../../../src/billing/proof.js';
import { type BucketRange, cutPasses, type Pass, type PositionRange, width } from '../../../src/engine/cuts.js';
import { type Kernel, newKernel } from '../../../src/engine/kernel.js';
import { INDEX_ENTRY_BYTES, STOP } from '../../../src/engine/layout.js';
import type { PartitionMap } from '../../../src/engine/map.js';
import { BucketFold, type ClosedCycles, type FoldedUser, type OpenCycle } from '../../../src/engine/reduce.js';
import { type Segment, SpillIndex } from '../../../src/engine/segment.js';
import { int8s } from '../postgres/copy-decoder.js';
import type { Bills, Call, Cycle, Open } from './oracle.js';

/** A row of meterfold.spills with its data. */
export interface StoredSpill {
  basePosition: bigint;
  data: Buffer;
  bucketIndex: Buffer;
  partition: number;
  spill: number;
}

/** A row of the log, which may have nulls. */
export type LogRow = Pick<Call, 'id'> & { [column in 'user' | 'usage' | 'calledAt']: Call[column] | null };

/** A row of COPY, in a message of its own. */
export function messageOf({ id, user, usage, calledAt }: LogRow): Buffer {
  const field = (bytes: Buffer | null) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes === null ? -1 : bytes.length);
    return bytes === null ? length : Buffer.concat([length, bytes]);
  };
  const int8 = (value: bigint | null) => {
    if (value === null) return field(null);
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(value);
    return field(bytes);
  };
  const head = Buffer.from('d\0\0\0\0\0\x04', 'latin1');
  const name = user === null ? null : Buffer.from(user, 'latin1');
  const message = Buffer.concat([head, int8(id), int8(usage), int8(calledAt), field(name)]);
  message.writeInt32BE(message.length - 1, 1);
  return message;
}

/** Passes a call to a map, which must take it. If the map is full, `store` makes room first. */
export function feed(map: PartitionMap, call: Call, store?: () => void): void {
  // The message lies in the middle of a buffer.
  const message = messageOf(call);
  const bytes = Buffer.concat([Buffer.alloc(7, 0xee), message, Buffer.alloc(3, 0xee)]);
  let end = map.take(bytes, 7, 7 + message.length);
  if (map.stopped === STOP.FULL && store !== undefined) {
    store();
    end = map.take(bytes, end, 7 + message.length);
  }
  if (map.stopped !== STOP.NO_ROW || end !== 7 + message.length)
    throw new Error(`stop ${map.stopped} at call ${call.id}`);
}

/** Appends a call to a bucket as if its user had this hash. */
export function append(kernel: Kernel, bucket: number, hashLo: number, { id, user, usage, calledAt }: Call): void {
  Buffer.from(kernel.memory.buffer).write(user, kernel.input.value, 'latin1');
  kernel.append(bucket, hashLo, kernel.input.value, user.length, id, usage, calledAt);
}

export function halves(value: bigint): [hi: number, lo: number] {
  return [Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asIntN(32, value))];
}

type TakenSpill = Pick<StoredSpill, 'basePosition' | 'data' | 'bucketIndex'>;

/** Removes all spills from a map. */
export function takeSpills(map: PartitionMap): TakenSpill[] {
  const taken = map.spills().map((spill) => ({ ...spill, data: Buffer.from(spill.data) }));
  map.clear();
  return taken;
}

/** Removes the only spill from a map. */
export function takeSpill(map: PartitionMap): TakenSpill {
  const [spill, ...others] = takeSpills(map);
  if (others.length > 0) throw new Error('there is more than one spill');
  return spill!;
}

/** Maps the calls of a partition, and stores spills as readPartition in src/log/reader.ts does. */
export function mapPartition(
  map: PartitionMap,
  number: number,
  positions: PositionRange,
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

/** The index of a spill for a range of buckets, as the database's substring() returns it. */
export function indexOf(
  { partition, spill, basePosition, bucketIndex }: StoredSpill,
  { first, end }: BucketRange,
): SpillIndex {
  const entries = bucketIndex.subarray(first * INDEX_ENTRY_BYTES, (end + 1) * INDEX_ENTRY_BYTES);
  return new SpillIndex(partition, spill, basePosition, first, Buffer.from(entries));
}

const SEGMENT_BYTES = 2 ** 26;
/** The kernel of all folds here, one at a time. */
export const foldKernel = newKernel();
foldKernel.open(SEGMENT_BYTES, 0);
let free = 0;

/**
 * Copies bytes to the kernel's memory, where later calls may overwrite them. Returns their address. Other bytes follow
 * them.
 */
export function load(data: Uint8Array): number {
  if (free + data.length + 16 > SEGMENT_BYTES) free = 0;
  const at = foldKernel.arena.value + free;
  const memory = Buffer.from(foldKernel.memory.buffer);
  memory.set(data, at);
  memory.fill(1, at + data.length, at + data.length + 8);
  free += data.length + 8;
  return at;
}

/** Opens the segment of a range of buckets. */
export function openSegment(index: SpillIndex, { first, end }: BucketRange, data: Uint8Array): Segment {
  return index.open(first, end, foldKernel.memory, load(data), data.length);
}

export function openPass(stored: readonly StoredSpill[], { spills, buckets }: Pass): Segment[] {
  return spills.map((index) => {
    const { data } = stored.find(({ partition, spill }) => partition === index.partition && spill === index.spill)!;
    const start = index.start(buckets.first);
    return openSegment(index, buckets, data.subarray(start, start + index.bytes(buckets.first, buckets.end)));
  });
}

export interface ReduceOptions {
  bytesMax: number;
  callsPerCycle: number;
  /** The open cycles of the previous run, by user. */
  carriedIn: ReadonlyMap<string, Readonly<OpenCycle>>;
}

export interface Reduced {
  cycles: Cycle[];
  open: Map<string, OpenCycle>;
  passes: Pass[];
  outcome: ReduceOutcome;
}

export function reduceShard(spills: readonly StoredSpill[], shard: BucketRange, options: ReduceOptions): Reduced {
  const indexes = spills.map((spill) => indexOf(spill, shard));
  const passes = cutPasses(indexes, shard, options.bytesMax);
  const cycles: Cycle[] = [];
  const open = new Map<string, OpenCycle>();
  let carriedInCalls = 0;
  let carriedInUsage = 0n;
  let users = 0;
  const fold = new BucketFold(foldKernel, options.callsPerCycle, (user, closed) =>
    cycles.push(...cyclesOf(user, closed)),
  );
  let continues = false;
  for (const pass of passes) {
    const segments = openPass(spills, pass);
    for (let bucket = pass.buckets.first; bucket < pass.buckets.end; bucket++) {
      if (!continues) fold.clear();
      const names: string[] = [];
      fold.listUsers(segments, bucket, (user) => names.push(nameOf(user)));
      // Asked once for each new user, in the listed order.
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
    continues = !pass.lastOfBuckets;
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

/** The bytes of a user's name, one character each. */
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

/** Microseconds from 1970, the epoch of records, to 2000, the epoch of calls. */
const SINCE_1970 = 946_684_800_000_000n;

/** Closed cycles in the oracle's form. */
export function cyclesOf(user: FoldedUser, { firstCycle, cycles, fieldsAt, fieldsBytes }: ClosedCycles): Cycle[] {
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

/** Cycles and open cycles in the oracle's form and order. */
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
