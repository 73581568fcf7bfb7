/**
 * The users of the bucket that is folded, in the order in which they come, each with its open cycle. Their table lies in the processor's
 * nearest cache, whatever the number of users in the log.
 */
import { COPIED, copyBytes, sameBytes } from './bytes';
import { hashText } from './hash';
import { allocate, clearHeap } from './heap';
import { addTo, clearSum, SUM_BYTES } from './sum';

// A user, by place; 64 bits each, but for those of 32 bits. What src/engine/reduce.ts reads of them, it has as well.
/** The one that came next, or 0. */
export const NEXT = 0;
export const NAME_LENGTH = 4;
export const HASH = 8;
/** How many calls of the portion are the user's, and where they end in its order; 32 bits. */
export const COUNT = 16;
export const END = 20;
/** The open cycle: its number, its calls (32 bits), their usage; the first one's id and time, if there is one. */
export const CALLS = 24;
export const USAGE = 32;
export const FIRST_ID = 40;
export const FIRST_CALLED_AT = 48;
export const CYCLE = 56;
export const NAME = 64;

const ENTRY_SHIFT = 2;
const ENTRIES_MIN: u32 = 256;
const smallTable: usize = memory.data(ENTRIES_MIN << ENTRY_SHIFT, 16);
/** Users, or 0. */
let table: usize = smallTable;
let mask: u32 = ENTRIES_MIN - 1;

export let users: u32 = 0;
export let firstUser: usize = 0;
let lastUser: usize = 0;
/** The first of those that may still carry something in, or 0. */
let newUser: usize = 0;

/** Forgets all of them. */
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

/** The user of that name, behind which COPIED bytes can be read; a new one has a first cycle open, of no calls. */
export function findUser(name: usize, length: u32): usize {
  const hash = hashText(name, length);
  let slot = u32(hash) & mask;
  for (let user = userAt(slot); user !== 0; user = userAt(slot)) {
    // Two users are the same if their bytes are; a hash only finds them.
    if (load<u64>(user, HASH) === hash && load<u32>(user, NAME_LENGTH) === length && sameBytes(user + NAME, name, length)) {
      return user;
    }
    slot = (slot + 1) & mask;
  }
  const user = addUser(name, length, hash);
  store<u32>(table + (slot << ENTRY_SHIFT), u32(user));
  if (users > mask >>> 1) growTable();
  return user;
}

function userAt(slot: u32): usize {
  return load<u32>(table + (slot << ENTRY_SHIFT));
}

function addUser(name: usize, length: u32, hash: u64): usize {
  const user = allocate(NAME + length + COPIED);
  memory.fill(user, 0, NAME);
  store<u32>(user, length, NAME_LENGTH);
  store<u64>(user, hash, HASH);
  store<i64>(user, 1, CYCLE);
  copyBytes(user + NAME, name, length);
  if (users === 0) firstUser = user;
  else store<u32>(lastUser, u32(user), NEXT);
  lastUser = user;
  if (newUser === 0) newUser = user;
  users++;
  return user;
}

// What users have left open, since beginFold().
export let openCalls: i64 = 0;
export const openUsage: usize = memory.data(SUM_BYTES, 8);

export function clearOpen(): void {
  openCalls = 0;
  clearSum(openUsage);
}

/** Counts what the users of the bucket leave open. */
export function countOpen(): void {
  for (let user = firstUser; user !== 0; user = load<u32>(user, NEXT)) {
    openCalls += load<u32>(user, CALLS);
    addTo(openUsage, load<u64>(user, USAGE));
  }
}

/** Whether there is a user that has not been given what it carries in. */
export function hasNewUser(): bool {
  return newUser !== 0;
}

/** Gives the next new user the open cycle that it carries in; without one, of no calls. */
export function carryIn(cycle: i64, calls: u32, usage: u64, firstId: i64, firstCalledAt: i64): void {
  store<i64>(newUser, cycle, CYCLE);
  store<u32>(newUser, calls, CALLS);
  store<u64>(newUser, usage, USAGE);
  store<i64>(newUser, firstId, FIRST_ID);
  store<i64>(newUser, firstCalledAt, FIRST_CALLED_AT);
  newUser = load<u32>(newUser, NEXT);
}

/** No user carries anything in, as far as they are known. */
export function carryNothingIn(): void {
  newUser = 0;
}

function growTable(): void {
  mask = 2 * mask + 1;
  const bytes = (mask + 1) << ENTRY_SHIFT;
  table = allocate(bytes);
  memory.fill(table, 0, bytes);
  for (let user = firstUser; user !== 0; user = load<u32>(user, NEXT)) {
    let slot = u32(load<u64>(user, HASH)) & mask;
    while (userAt(slot) !== 0) slot = (slot + 1) & mask;
    store<u32>(table + (slot << ENTRY_SHIFT), u32(user));
  }
}
