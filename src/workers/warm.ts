/**
 * Warms up a worker before its first activity. Code that V8 has not optimised yet is several times slower, which is
 * most of a run of 100,000 calls. Generated rows pass from the database through map and reduce; nothing is written.
 */
import type { TaskMemories, TaskMemory } from '../activities/memory.js';
import { BUCKETS, STOP } from '../engine/layout.js';
import type { PartitionMap } from '../engine/map.js';
import { BucketFold } from '../engine/reduce.js';
import { SpillIndex } from '../engine/segment.js';
import { appendRecord } from '../ledger/records.js';
import { copyRowsOut } from '../postgres/copy/copy-out.js';
import type { Pool } from '../postgres/pool.js';

const ROUNDS = 6;
const CALLS = 20_000;
const USERS = 500;

const ROWS = `
  copy (select n::bigint, n::bigint, timestamptz '2026-01-01' + n * interval '25 ms', 'user-' || n % ${USERS}
          from generate_series(1, ${CALLS}) as n)
    to stdout (format binary)`;

/** Opens a connection for each slot and processes rows on it, in the memory that the slots' tasks will use. */
export async function warm(pool: Pool, slots: number, memories: TaskMemories, callsPerCycle: number): Promise<void> {
  const clients = await Promise.all(Array.from({ length: slots }, () => pool.connect()));
  for (let round = 0; round < Math.max(ROUNDS, slots); round++) {
    await memories.lend(async (memory) => {
      const { map } = memory;
      map.reset(1n);
      await copyRowsOut(clients[round % slots], ROWS, {
        done: false,
        read: (bytes, _view, at, end) => takeAll(map, bytes, at, end),
      });
      foldAll(memory, callsPerCycle);
    });
  }
  for (const client of clients) client.release();
}

/** Takes rows, and drops all calls whenever the map is full. */
function takeAll(map: PartitionMap, bytes: Uint8Array, at: number, end: number): number {
  for (;;) {
    at = map.take(bytes, at, end);
    if (map.stopped !== STOP.FULL) return at;
    map.clear();
  }
}

function foldAll({ map, rows }: TaskMemory, callsPerCycle: number): void {
  const fold = new BucketFold(map.kernel, callsPerCycle, (user, closed) => appendRecord(rows, 1, user, closed));
  const segments = map.spills().map(({ basePosition, data, bucketIndex }) => {
    const spill = new SpillIndex(0, 0, basePosition, 0, bucketIndex);
    return spill.open(0, BUCKETS, map.kernel.memory, data.byteOffset, data.length);
  });
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    fold.clear();
    fold.begin(segments, bucket);
    while (fold.foldNext());
  }
}
