/**
 * The exports of the kernel, which src/engine/kernel.ts loads. Map takes calls and packs them bucket by bucket; reduce
 * folds them.
 *
 *   rows → take.ts → buckets.ts → pack.ts → spill        map
 *   segment → fold.ts, users.ts → closed cycles          reduce
 *
 * Layout in memory
 *   | static data of each file | arena | packed spills | pack's table | heap … |
 *                              ↑ open() reserves these three            ↑ grows
 *
 * Map's calls and reduce's segments share the arena: a task is one or the other. Memory that is never touched takes no
 * memory of the system.
 */
import { openArena, put } from './buckets';
import { COPIED } from './bytes';
import { openHeap } from './heap';
import { openTable, tableBytes } from './pack';

export { arena, clear, hasRoom, held } from './buckets';
export * from './fold';
export { hashInt8, hashText } from './hash';
export { pack } from './pack';
export * from './take';
export {
  carryIn,
  carryNothingIn,
  clearUsers,
  countOpen,
  firstUser,
  newUser,
  openCalls,
  openUsage,
  users,
} from './users';

/** The address where spills are packed. */
export let packed: usize = 0;

/** Reserves the arena and the memory for packed spills. Must be called once, before any other function. */
export function open(arenaBytes: u32, packedBytes: u32): void {
  const at = usize(memory.size()) << 16;
  packed = at + arenaBytes + COPIED;
  const table = packed + packedBytes + COPIED;
  const end = table + tableBytes(arenaBytes);
  memory.grow(i32((end - at + 0xffff) >>> 16));
  openArena(at, arenaBytes);
  openTable(table);
  openHeap((end + 15) & ~15);
}

/** Appends a call to any bucket with any hash; for tests. */
export function append(bucket: u32, hashLo: u32, name: usize, length: u32, offset: i64, usage: u64, calledAt: i64): void {
  put(bucket, hashLo, name, length, offset, usage, calledAt);
}
