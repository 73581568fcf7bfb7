/**
 * Decodes segments by the description of their format in src/engine/segment.ts, as simply as possible and without the
 * engine's code.
 */
import type { Call } from './oracle.js';
import type { StoredSpill } from './pipeline.js';

const BUCKETS = 4096;
const ENTRY_BYTES = 8;

export interface DecodedBucket {
  bucket: number;
  /** In the order of their numbers. */
  users: string[];
  calls: Call[];
}

/** Returns the buckets of a spill that have calls. */
export function decode({ basePosition, data, bucketIndex }: Omit<StoredSpill, 'partition' | 'spill'>): DecodedBucket[] {
  const start = (bucket: number) => bucketIndex.readUInt32BE(bucket * ENTRY_BYTES);
  return Array.from({ length: BUCKETS }, (_, bucket) => bucket)
    .filter((bucket) => start(bucket) < start(bucket + 1))
    .map((bucket) => ({ bucket, ...decodeBucket(data.subarray(start(bucket), start(bucket + 1)), basePosition) }));
}

function decodeBucket(bytes: Buffer, basePosition: bigint): Omit<DecodedBucket, 'bucket'> {
  let at = 0;
  const varint = (): bigint => {
    const byte = BigInt(bytes[at++]!);
    return byte < 128n ? byte : byte - 128n + 128n * varint();
  };
  const times = <T>(count: bigint, read: () => T): T[] => Array.from({ length: Number(count) }, read);
  const users = times(varint(), () => {
    const length = Number(varint());
    at += length;
    return bytes.toString('latin1', at - length, at);
  });
  let id = basePosition;
  let calledAt = 0n;
  const calls = times(varint(), () => {
    const user = users[Number(varint())]!;
    id += varint();
    const usage = varint();
    const zigzag = varint();
    calledAt += zigzag % 2n === 0n ? zigzag / 2n : -(zigzag + 1n) / 2n;
    return { id, user, usage, calledAt };
  });
  if (at !== bytes.length) throw new Error(`a bucket of ${bytes.length} bytes was read up to ${at}`);
  return { users, calls };
}
