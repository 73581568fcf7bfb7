/**
 * The users of one bucket while reduce folds it, with their open cycles.
 *
 * Goals
 *   1. A user is found by the bytes of its name in one or two cache misses, whatever the number of users in the log.
 *   2. Users are visited in the order of their first call, so that a lookup of open cycles can list them beforehand.
 *
 * Layout in memory
 *   table  [address of a user u32, or 0]*    open addressing, at most half full
 *   user   USER in src/engine/layout.ts: | next | name length | hash | … open cycle … | cycle | name |
 *
 *            firstUser → user → user → … → lastUser
 *                               ↑ newUser: the first one that carryIn() has not been called for
 *
 * When memory is full
 *   Users and grown tables lie on the heap, which grows (heap.ts). A replaced table remains there until the bucket's
 *   users are cleared.
 *
 * Source
 *   Linear probing: Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm L.
 */
import { COPIED, copyBytes, sameBytes } from './bytes';
import {
  USER_CALLS,
  USER_CYCLE,
  USER_FIRST_CALLED_AT,
  USER_FIRST_ID,
  USER_HASH,
  USER_NAME,
  USER_NAME_LENGTH,
  USER_NEXT,
  USER_USAGE,
} from './constants';
import { hashText } from './hash';
import { allocate, clearHeap } from './heap';
import { addTo, clearSum, SUM_BYTES } from './sum';

const ENTRY_SHIFT = 2;
const ENTRIES_MIN: u32 = 256;
const smallTable: usize = memory.data(ENTRIES_MIN << ENTRY_SHIFT, 16);
let table: usize = smallTable;
let mask: u32 = ENTRIES_MIN - 1;

export let users: u32 = 0;
export let firstUser: usize = 0;
let lastUser: usize = 0;
/** The first user without a carryIn(), or 0. */
export let newUser: usize = 0;

/** Removes all users. */
export function clearUsers(): void {
  clearHeap();
  table = smallTable;
  mask = ENTRIES_MIN - 1;
  memory.fill(table, 0, ENTRIES_MIN << ENTRY_SHIFT);
  users = 0;
  firstUser = 0;
  lastUser = 0;
  newUser = 0;
}

/**
 * Returns the user of that name, and adds it if it is new: with cycle 1 open, of no calls. COPIED bytes behind the name
 * must be readable.
 */
export function findUser(name: usize, length: u32): usize {
  const hash = hashText(name, length);
  let slot = u32(hash) & mask;
  for (let user = userAt(slot); user !== 0; user = userAt(slot)) {
    if (hasName(user, hash, name, length)) return user;
    slot = (slot + 1) & mask;
  }
  const user = addUser(name, length, hash);
  store<u32>(table + (slot << ENTRY_SHIFT), u32(user));
  if (users > mask >>> 1) growTable();
  return user;
}

/** Compares bytes: the hash only finds candidates. */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
function hasName(user: usize, hash: u64, name: usize, length: u32): bool {
  if (load<u64>(user, USER_HASH) !== hash || load<u32>(user, USER_NAME_LENGTH) !== length) return false;
  return sameBytes(user + USER_NAME, name, length);
}

function userAt(slot: u32): usize {
  return load<u32>(table + (slot << ENTRY_SHIFT));
}

function addUser(name: usize, length: u32, hash: u64): usize {
  const user = allocate(USER_NAME + length + COPIED);
  memory.fill(user, 0, USER_NAME);
  store<u32>(user, length, USER_NAME_LENGTH);
  store<u64>(user, hash, USER_HASH);
  store<i64>(user, 1, USER_CYCLE);
  copyBytes(user + USER_NAME, name, length);
  if (users === 0) firstUser = user;
  else store<u32>(lastUser, u32(user), USER_NEXT);
  lastUser = user;
  if (newUser === 0) newUser = user;
  users++;
  return user;
}

function growTable(): void {
  mask = 2 * mask + 1;
  const bytes = (mask + 1) << ENTRY_SHIFT;
  table = allocate(bytes);
  memory.fill(table, 0, bytes);
  for (let user = firstUser; user !== 0; user = load<u32>(user, USER_NEXT)) {
    let slot = u32(load<u64>(user, USER_HASH)) & mask;
    while (userAt(slot) !== 0) slot = (slot + 1) & mask;
    store<u32>(table + (slot << ENTRY_SHIFT), u32(user));
  }
}

/** Sets the open cycle that the next new user carries in; cycle 1 of no calls if it has no history. */
export function carryIn(cycle: i64, calls: u32, usage: u64, firstId: i64, firstCalledAt: i64): void {
  store<i64>(newUser, cycle, USER_CYCLE);
  store<u32>(newUser, calls, USER_CALLS);
  store<u64>(newUser, usage, USER_USAGE);
  store<i64>(newUser, firstId, USER_FIRST_ID);
  store<i64>(newUser, firstCalledAt, USER_FIRST_CALLED_AT);
  newUser = load<u32>(newUser, USER_NEXT);
}

/** Declares that none of the users so far carries anything in. */
export function carryNothingIn(): void {
  newUser = 0;
}

// The open cycles of the closed buckets since beginFold().
export let openCalls: i64 = 0;
export const openUsage: usize = memory.data(SUM_BYTES, 8);

export function clearOpen(): void {
  openCalls = 0;
  clearSum(openUsage);
}

/** Adds the bucket's open cycles to openCalls and openUsage. */
export function countOpen(): void {
  for (let user = firstUser; user !== 0; user = load<u32>(user, USER_NEXT)) {
    openCalls += load<u32>(user, USER_CALLS);
    addTo(openUsage, load<u64>(user, USER_USAGE));
  }
}
