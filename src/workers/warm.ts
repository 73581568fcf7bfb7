/**
 * Warms a worker before its first activity: code that the JIT has not compiled yet takes several times as long, which at 100,000 calls is
 * most of the run. Made-up rows go the way from the database through map and reduce; nothing is written.
 */
import type { TaskMemories, TaskMemory } from '../activities/memory.js';
import type { PartitionMap } from '../engine/map.js';
import { BucketFold } from '../engine/reduce.js';
import { BUCKETS, BucketSlice } from '../engine/segment.js';
import { appendRecord } from '../ledger/records.js';
import { copyRowsOut } from '../postgres/copy/copy-out.js';
import type { Pool } from '../postgres/pool.js';

const ROUNDS = 6;
const CALLS = 20_000;
const USERS = 500;

const ROWS = `
  copy (select n::bigint, 'user-' || n % ${USERS}, n::bigint, timestamptz '2026-01-01' + n * interval '25 ms'
          from generate_series(1, ${CALLS}) as n)
    to stdout (format binary)`;

/** Opens as many connections as there are slots, and works on each as its tasks will, in the memory in which they will. */
export async function warm(pool: Pool, slots: number, memories: TaskMemories, callsPerCycle: number): Promise<void> {
  const clients = await Promise.all(Array.from({ length: slots }, () => pool.connect()));
  for (let round = 0; round < Math.max(ROUNDS, slots); round++) {
    await memories.lend(async (memory) => {
      const { map } = memory;
      map.reset(1n);
      await copyRowsOut(clients[round % slots], ROWS, (bytes, _view, at, end) => takeAll(map, bytes, at, end));
      foldAll(memory, callsPerCycle);
    });
  }
  for (const client of clients) client.release();
}

/** Takes rows; calls before those for which there is no room any more are forgotten. */
function takeAll(map: PartitionMap, bytes: Uint8Array, at: number, end: number): number {
  for (;;) {
    at = map.take(bytes, at, end);
    if (map.stopped !== 'full') return at;
    map.clear();
  }
}

function foldAll({ map, rows }: TaskMemory, callsPerCycle: number): void {
  const fold = new BucketFold(map.kernel, callsPerCycle, (user, batch) => appendRecord(rows, 1, user, batch));
  const segments = map.spills().map(({ basePosition, data, bucketIndex }) => {
    const slice = new BucketSlice(0, 0, basePosition, 0, bucketIndex);
    return slice.open(0, BUCKETS, map.kernel.memory, data.byteOffset, data.length);
  });
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    fold.clear();
    fold.begin(segments, bucket);
    while (fold.foldNext());
  }
}
