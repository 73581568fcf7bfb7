/**
 * Packs the calls of a bucket into the format of src/engine/segment.ts: each user's name once, then the calls with
 * their users' numbers.
 *
 * Goals
 *   1. A user's name is stored once a spill, whatever the number of its calls.
 *   2. The table of users stays in the first-level cache: it holds the users of one bucket only.
 *
 * Layout in memory
 *   table   [address of the user's first call u32, or 0 | hash u32]*    open addressing, at most half full
 *   calls   in the arena (buckets.ts); pass 1 replaces each call's hash by its user's number
 *   output  | users, 4 bytes | user* | calls | call* |
 *             ↑ written last, as a varint padded to four bytes
 *
 *   pass 1  calls → user*, in the order of their first call
 *   pass 2  calls → call*
 *
 * When memory is full
 *   It cannot be: open() reserves room for the table of as many users as the arena has calls, and packed calls take no
 *   more bytes than unpacked ones, except for a bucket's head.
 *
 * Source
 *   Linear probing: Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm L.
 */
import {
  blockAfter,
  bodyLengthOf,
  bodyOf,
  CALL_BYTES_MIN,
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

const CALL = 0;
const HASH = 4;
const ENTRY_SHIFT = 3;
let table: usize = 0;
const ENTRIES_MIN: u32 = 256;
let mask: u32 = 0;
let users: u32 = 0;

/** Bytes of the number of users. */
const COUNT_BYTES = 4;

/**
 * Bytes for a table of as many users as an arena has calls. The factor is 3 because growTable() builds the doubled
 * table behind the old one.
 */
export function tableBytes(arenaBytes: u32): u32 {
  const entries = 4 * (arenaBytes / CALL_BYTES_MIN) + 2 * ENTRIES_MIN;
  return 3 * (entries << ENTRY_SHIFT);
}

export function openTable(at: usize): void {
  table = at;
}

/**
 * Packs a bucket's calls to `at` and returns the end, which is `at` if it has none. Overwrites the hashes of the calls.
 */
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
      // copyBytes() writes up to 15 bytes too many; the next call overwrites them.
      copyBytes(end, body, length);
      end += length;
      call = body + length;
    }
  }
  return end;
}

/**
 * Pass 1: writes the users in the order of their first call, and replaces each call's hash by its user's number.
 * Returns the end.
 */
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

/**
 * Returns the table entry of the call's user, or the free entry for it. Compares bytes: the hash only finds candidates.
 */
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

/** Doubles the number of entries: fills the new table behind the old one, then moves it to the old address. */
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

/** Writes the number of users as a varint of exactly four bytes. */
function writeCount(at: usize): void {
  store<u8>(at, u8(users) | 128);
  store<u8>(at, u8(users >>> 7) | 128, 1);
  store<u8>(at, u8(users >>> 14) | 128, 2);
  store<u8>(at, u8(users >>> 21) & 127, 3);
}
