/** The kernels of map, which takes calls and packs them bucket by bucket, and of reduce, which folds them. src/engine/kernel.ts loads it. */
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
  hasNewUser,
  openCalls,
  openUsage,
  users,
} from './users';

/** Where buckets may be packed to. */
export let packed: usize = 0;

/**
 * Makes room for so many bytes of calls that are not packed, and of those that are; comes before anything else, once. Memory that is not
 * used is not taken from the system.
 */
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

/** Puts a call into a bucket, whatever hash its user's name has. */
export function append(bucket: u32, hashLo: u32, name: usize, length: u32, offset: i64, usage: u64, calledAt: i64): void {
  put(bucket, hashLo, name, length, offset, usage, calledAt);
}
