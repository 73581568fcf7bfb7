/**
 * Packs buckets into the form of src/engine/segment.ts: each user's name once, then the calls with their users' numbers. A bucket has few
 * users: their table lies in the processor's nearest cache, whatever the number of users in the log.
 */
import {
  blockAfter,
  bodyLengthOf,
  bodyOf,
  callsOf,
  endOf,
  firstBlock,
  hashOf,
  nameLengthOf,
  nameOf,
  NO_BLOCK,
  setHash,
  startOf,
} from './buckets';
import { copyBytes, sameBytes } from './bytes';
import { writeVarint } from './varint';

// The table of a bucket's users. An entry: the first call of a user, in place of whose hash its number stands by then, or 0; that hash.
const CALL = 0;
const HASH = 4;
const ENTRY_SHIFT = 3;
let table: usize = 0;
const ENTRIES_MIN: u32 = 256;
let mask: u32 = 0;
let users: u32 = 0;

/** The number of users is written in so many bytes, for it is known last. */
const COUNT_BYTES = 4;
/** Fewest bytes that an unpacked call takes. */
const CALL_BYTES_MIN = 10;

/** Room for as many users as there may be calls, and as much again to grow into. */
export function tableBytes(arenaBytes: u32): u32 {
  const entries = 4 * (arenaBytes / CALL_BYTES_MIN) + 2 * ENTRIES_MIN;
  return 3 * (entries << ENTRY_SHIFT);
}

export function openTable(at: usize): void {
  table = at;
}

/** Packs the calls of a bucket to `at`; returns where they end: there, if it has none. The hashes of the calls are lost. */
export function pack(bucket: u32, at: usize): usize {
  if (callsOf(bucket) === 0) return at;
  clearTable();
  const usersEnd = packUsers(bucket, at + COUNT_BYTES);
  writeCount(at);
  let end = writeVarint(usersEnd, callsOf(bucket));
  for (let block = firstBlock(bucket); block !== NO_BLOCK; block = blockAfter(bucket, block)) {
    const blockEnd = endOf(bucket, block);
    for (let call = startOf(block); call < blockEnd; ) {
      end = writeVarint(end, hashOf(call));
      const body = bodyOf(call);
      const length = bodyLengthOf(call);
      // What is too much is written over by the next call.
      copyBytes(end, body, length);
      end += length;
      call = body + length;
    }
  }
  return end;
}

/** Writes the users in the order in which they come, and in place of each call's hash its user's number; returns where they end. */
function packUsers(bucket: u32, at: usize): usize {
  for (let block = firstBlock(bucket); block !== NO_BLOCK; block = blockAfter(bucket, block)) {
    const blockEnd = endOf(bucket, block);
    for (let call = startOf(block); call < blockEnd; call = bodyOf(call) + bodyLengthOf(call)) {
      const entry = find(call);
      const known: usize = load<u32>(entry, CALL);
      if (known !== 0) {
        setHash(call, hashOf(known));
        continue;
      }
      store<u32>(entry, u32(call), CALL);
      store<u32>(entry, hashOf(call), HASH);
      const length = nameLengthOf(call);
      at = writeVarint(at, length);
      copyBytes(at, nameOf(call), length);
      at += length;
      setHash(call, users);
      if (++users > mask >>> 1) growTable();
    }
  }
  return at;
}

/** The entry of a call's user, or the free one that it is to have. Two users are the same if their bytes are; a hash only finds them. */
function find(call: usize): usize {
  const hash = hashOf(call);
  let slot = hash & mask;
  let entry = table + (slot << ENTRY_SHIFT);
  while (load<u32>(entry, CALL) !== 0) {
    if (load<u32>(entry, HASH) === hash && haveSameUser(call, load<u32>(entry, CALL))) break;
    slot = (slot + 1) & mask;
    entry = table + (slot << ENTRY_SHIFT);
  }
  return entry;
}

function haveSameUser(one: usize, other: usize): bool {
  const length = nameLengthOf(one);
  return length === nameLengthOf(other) && sameBytes(nameOf(one), nameOf(other), length);
}

function clearTable(): void {
  users = 0;
  mask = ENTRIES_MIN - 1;
  memory.fill(table, 0, ENTRIES_MIN << ENTRY_SHIFT);
}

/** Twice as many entries: behind those that there are, and then in their place. */
function growTable(): void {
  const bytes = (mask + 1) << ENTRY_SHIFT;
  const grown = table + bytes;
  memory.fill(grown, 0, 2 * bytes);
  mask = 2 * mask + 1;
  for (let entry = table; entry < grown; entry += 1 << ENTRY_SHIFT) {
    if (load<u32>(entry, CALL) === 0) continue;
    let slot = load<u32>(entry, HASH) & mask;
    while (load<u32>(grown + (slot << ENTRY_SHIFT), CALL) !== 0) slot = (slot + 1) & mask;
    store<u64>(grown + (slot << ENTRY_SHIFT), load<u64>(entry));
  }
  memory.copy(table, grown, 2 * bytes);
}

/** A varint that is longer than it has to be. */
function writeCount(at: usize): void {
  store<u8>(at, u8(users) | 128);
  store<u8>(at, u8(users >>> 7) | 128, 1);
  store<u8>(at, u8(users >>> 14) | 128, 2);
  store<u8>(at, u8(users >>> 21) & 127, 3);
}
