/** Packs the calls in a kernel's buckets into a spill, in the format of segment.ts. */
import { crc32 } from 'node:zlib';
import type { Kernel } from './kernel.js';
import { BUCKETS } from './layout.js';
import { writeBucketIndex } from './segment.js';

export interface Spill {
  readonly basePosition: bigint;
  /** A view of the kernel's memory. */
  readonly data: Buffer;
  /** The start and the checksum of each bucket. */
  readonly bucketIndex: Buffer;
}

const starts = new Uint32Array(BUCKETS + 1);
const checksums = new Uint32Array(BUCKETS);

/** Packs all buckets to the address `at`. The calls in the buckets cannot be packed again. */
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
