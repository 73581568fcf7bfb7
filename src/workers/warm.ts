/**
 * Warms the kernels before the first activity: code that the JIT has not compiled yet takes five times as long, which at 100,000
 * calls is most of the run. A few generated partitions go through map and reduce; nothing leaves the process.
 */

import type { TaskMemories } from '../activities/memory.js';
import { copyRowsOut } from '../db/copy-out.js';
import type { Pool } from '../db/pool.js';
import { appendRecord } from '../db/records.js';
import type { PartitionMap } from '../domain/map.js';
import { BucketFold } from '../domain/reduce.js';
import { BUCKETS, BucketSlice } from '../domain/segment.js';

const ROUNDS = 6;
const CALLS = 20_000;
const USERS = 500;
const MICROS_BETWEEN_CALLS = 25_000;

/**
 * Warms the way from the database: as many connections as there are slots are opened, and each reads made-up rows, as map reads
 * the log. Nothing is written.
 */
export async function warmConnections(pool: Pool, slots: number, memories: TaskMemories): Promise<void> {
  const sql = `
    copy (select n::bigint, 'user-' || n % ${USERS}, n::bigint, timestamptz '2026-01-01' + n * interval '25 ms'
            from generate_series(1, ${CALLS}) as n)
      to stdout (format binary)`;
  const clients = await Promise.all(Array.from({ length: slots }, () => pool.connect()));
  for (const client of clients) {
    await memories.lend(async ({ map }) => {
      map.reset(1n);
      await copyRowsOut(client, sql, (bytes, _view, at, end) => takeAll(map, bytes, at, end));
    });
    client.release();
  }
}

/** V8 forgets what it has compiled for a class once none of its objects is left: some of each are kept. */
const kept: unknown[] = [];

/** In the memory in which tasks will work, so that it is there when they do. */
export function warmKernels(memories: TaskMemories, callsPerCycle: number): Promise<void> {
  return memories.lend(async ({ map, rows }) => {
    const message = Buffer.alloc(MESSAGE_BYTES_MAX);
    for (let round = 0; round < ROUNDS; round++) {
      map.reset(1n);
      for (let call = 0; call < CALLS; call++) {
        const calledAt = BigInt(call * MICROS_BETWEEN_CALLS);
        const bytes = writeCall(message, call + 1, `user-${(call * 7919 + round) % USERS}`, call % 1000, calledAt);
        takeAll(map, message, 0, bytes);
      }
      const fold = new BucketFold(map.kernel, callsPerCycle, (user, batch) => appendRecord(rows, 1, user, batch));
      kept[0] = fold;
      const segments = map.spills().map(({ basePosition, data, bucketIndex }) => {
        const slice = new BucketSlice(0, 0, basePosition, 0, bucketIndex);
        return slice.open(0, BUCKETS, map.kernel.memory, data.byteOffset, data.length);
      });
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        fold.clear();
        fold.begin(segments, bucket);
        while (fold.foldNext());
      }
      rows.clear();
    }
  });
}

/** Takes rows; calls before those for which there is no room any more are forgotten. */
function takeAll(map: PartitionMap, bytes: Uint8Array, at: number, end: number): number {
  for (;;) {
    at = map.take(bytes, at, end);
    if (map.stopped !== 'full') return at;
    map.clear();
  }
}

const MESSAGE_BYTES_MAX = 128;

/** Writes a call as a COPY of the log brings it (src/db/copy-out.ts); returns where it ends. */
function writeCall(out: Buffer, id: number, user: string, usage: number, calledAt: bigint): number {
  out[0] = 'd'.charCodeAt(0);
  out.writeInt16BE(4, 5);
  let at = writeInt8(out, 7, BigInt(id));
  const length = out.write(user, at + 4);
  out.writeInt32BE(length, at);
  at = writeInt8(out, at + 4 + length, BigInt(usage));
  at = writeInt8(out, at, calledAt);
  out.writeInt32BE(at - 1, 1);
  return at;
}

function writeInt8(out: Buffer, at: number, value: bigint): number {
  out.writeInt32BE(8, at);
  return out.writeBigInt64BE(value, at + 4);
}
