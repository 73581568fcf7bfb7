/** Calls of a partition, packed bucket by bucket; the format is segment.ts's. */
import { crc32 } from 'node:zlib';
import type { Kernel } from './kernel.js';
import { BUCKETS, writeBucketIndex } from './segment.js';

export interface Spill {
  readonly basePosition: bigint;
  /** In the kernel's memory. */
  readonly data: Buffer;
  /** Where each bucket begins, and its checksum. */
  readonly bucketIndex: Buffer;
}

const starts = new Uint32Array(BUCKETS + 1);
const checksums = new Uint32Array(BUCKETS);

/** Packs the calls that lie in the kernel's buckets to a place in its memory. They are not to be packed again. */
export function packSpill(kernel: Kernel, basePosition: bigint, at: number): Spill {
  const memory = Buffer.from(kernel.memory.buffer);
  let end = at;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const start = end;
    end = kernel.pack(bucket, start);
    starts[bucket] = start - at;
    checksums[bucket] = end === start ? 0 : crc32(memory.subarray(start, end));
  }
  starts[BUCKETS] = end - at;
  return { basePosition, data: memory.subarray(at, end), bucketIndex: writeBucketIndex(starts, checksums) };
}
