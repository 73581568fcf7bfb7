/**
 * Warms a worker before its first activity: code that the JIT has not compiled yet takes several times as long, which at 100,000 calls is
 * most of the run, and so does a statement for which a session has to read the catalog. Made-up rows go the way from the database
 * through map and reduce, and each session looks at the tables of a run; nothing is written.
 */
import type { TaskMemories, TaskMemory } from '../activities/memory.js';
import { copyIn } from '../db/copy-in.js';
import { copyRowsOut } from '../db/copy-out.js';
import type { Client, Pool } from '../db/pool.js';
import { appendRecord, recordsCopy } from '../db/records.js';
import { RowBuffer } from '../db/row-buffer.js';
import { segmentsCopy } from '../db/segments.js';
import { appendTail, tailsCopy } from '../db/tails.js';
import type { PartitionMap } from '../domain/map.js';
import { BucketFold } from '../domain/reduce.js';
import { BUCKETS, BucketSlice } from '../domain/segment.js';

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
  // What goes wrong here goes wrong in a run, which says why.
  await Promise.all(clients.map((client) => readCatalog(client).catch(() => {})));
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

/** Those of a run. */
const TABLES = ['runs', 'seals', 'leases', 'tasks', 'attempts', 'spills', 'segments', 'records', 'tails', 'quarantine'];
const LOOKS = ['public.api_logs', ...TABLES.map((table) => `meterfold.${table}`)].map(
  (table) => `(select count(*) from ${table} where false)`,
);

/** Lets a session read what the catalog says of the tables and their indexes. The COPYs have no row. */
async function readCatalog(client: Client): Promise<void> {
  await client.query(`select ${LOOKS}`);
  for (const copy of [segmentsCopy, recordsCopy, tailsCopy]) {
    await new RowBuffer().finish(await copyIn(client, copy('meterfold')));
  }
}

/** Takes rows; calls before those for which there is no room any more are forgotten. */
function takeAll(map: PartitionMap, bytes: Uint8Array, at: number, end: number): number {
  for (;;) {
    at = map.take(bytes, at, end);
    if (map.stopped !== 'full') return at;
    map.clear();
  }
}

function foldAll({ map, rows, tails }: TaskMemory, callsPerCycle: number): void {
  const fold = new BucketFold(map.kernel, callsPerCycle, (user, batch) => appendRecord(rows, 1, user, batch));
  const segments = map.spills().map(({ basePosition, data, bucketIndex }) => {
    const slice = new BucketSlice(0, 0, basePosition, 0, bucketIndex);
    return slice.open(0, BUCKETS, map.kernel.memory, data.byteOffset, data.length);
  });
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    fold.clear();
    fold.begin(segments, bucket);
    while (fold.foldNext());
    fold.close((user) => appendTail(tails, 1, user));
  }
}
