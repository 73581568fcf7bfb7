/**
 * Folds the calls of one bucket into cycles.
 *
 * Goals
 *   1. The cost of a call does not depend on the number of users: only the users of one bucket are in the table, and
 *      they stay in the first-level cache.
 *   2. A user's calls are folded in the order of the log.
 *   3. Closed cycles leave in the form in which COPY takes them. TypeScript only copies bytes.
 *
 * Steps; src/engine/reduce.ts calls them
 *   segment, segment, …  → beginSegment, readCalls → batch of up to 131,072 calls, in the order of the log
 *   batch                → sortBatch               → `order`: the calls by user, each user's in the order of the log
 *   order                → foldNext                → up to 96 closed cycles of one user at a time
 *
 * Layout in memory
 *   batch      [id i64 | usage u64 | called_at i64]*     24 bytes a call
 *   callUsers  [address of the call's user u32]*
 *   order      [index of a call in the batch u32]*
 *   closed     [usage | first id | last id | first time | last time]*    the closed cycles, five 64-bit numbers each
 *   fields     the same numbers, transposed: five bit strings in COPY's binary format
 *
 *              | bytes that follow i32 | bits i32 | usages …       |
 *              | bytes that follow i32 | bits i32 | first ids …    |  …
 *
 *   Segments lie in the arena, users on the heap (users.ts).
 *
 * When memory is full
 *   A full batch is folded before more calls are read; the open cycles of its users continue in the next batch. The
 *   arrays above have a fixed size. The heap grows with the users of one bucket.
 *
 * Source
 *   Counting sort: Knuth, The Art of Computer Programming, volume 3, section 5.2.
 */
import {
  NUMBER_BYTES,
  POSTGRES_EPOCH_MICROS,
  RECORD_CYCLES_MAX,
  USER_BATCH_CALLS,
  USER_BATCH_END,
  USER_CALLS,
  USER_CYCLE,
  USER_FIRST_CALLED_AT,
  USER_FIRST_ID,
  USER_HASH,
  USER_NEXT,
  USER_USAGE,
} from './constants';
import { hashInt8 } from './hash';
import { allocate } from './heap';
import { addTo, clearSum, SUM_BYTES } from './sum';
import { clearOpen, clearUsers, findUser, firstUser } from './users';
import { readVarint, unzigzag, varintEnd } from './varint';

export const BATCH_CALLS_MAX: u32 = 1 << 17;
/** The fewest bytes of a call and of a user in a segment. */
const SEGMENT_CALL_BYTES_MIN = 4;
const SEGMENT_USER_BYTES_MIN = 2;

const CALL_ID = 0;
const CALL_USAGE = 8;
const CALL_CALLED_AT = 16;
const CALL_BYTES = 24;
const batch: usize = memory.data(BATCH_CALLS_MAX * CALL_BYTES, 16);
const callUsers: usize = memory.data(BATCH_CALLS_MAX * 4, 16);
const order: usize = memory.data(BATCH_CALLS_MAX * 4, 16);
let batchCalls: u32 = 0;

// The segment that is being read: the address of the next call, and what that call's differences refer to.
let at: usize = 0;
let end: usize = 0;
let id: i64 = 0;
let calledAt: i64 = 0;
let callsLeft: u32 = 0;
/** The addresses of the segment's users, by their numbers. */
let numbers: usize = 0;
let numbersCount: u32 = 0;

let callsPerCycle: u32 = 0;
/** The user that foldNext() continues with, and the index in `order` of its next call. */
let user: usize = 0;
let next: u32 = 0;

// Totals since beginFold().
export let foldedCalls: i64 = 0;
export let foldedDigest: u64 = 0;
export const foldedUsage: usize = memory.data(SUM_BYTES, 8);
export let cyclesClosed: i64 = 0;
export const billedUsage: usize = memory.data(SUM_BYTES, 8);

// The cycles that foldNext() closed: consecutive cycles of one user.
export let closedUser: usize = 0;
export let closedFirstCycle: i64 = 0;
export let closedCycles: u32 = 0;
const STRINGS: u32 = 5;
const STRING_HEAD_BYTES: u32 = 8;
const CYCLE_BYTES = STRINGS * NUMBER_BYTES;
const closed: usize = memory.data(RECORD_CYCLES_MAX * CYCLE_BYTES, 16);
export const fields: usize = memory.data(STRINGS * (STRING_HEAD_BYTES + RECORD_CYCLES_MAX * NUMBER_BYTES), 16);
export let fieldsBytes: u32 = 0;

/** Starts a fold of any number of buckets, and drops all state of an earlier one. */
export function beginFold(ofCalls: u32): void {
  callsPerCycle = ofCalls;
  batchCalls = 0;
  callsLeft = 0;
  foldedCalls = 0;
  foldedDigest = 0;
  clearSum(foldedUsage);
  cyclesClosed = 0;
  clearSum(billedUsage);
  clearOpen();
  clearUsers();
}

/**
 * Starts to read a segment of the bucket, and adds its users to the bucket's. The segment is the bytes from `bytes` to
 * `bytesEnd`; its positions count from `basePosition`. Returns false if the segment is malformed.
 */
export function beginSegment(bytes: usize, bytesEnd: usize, basePosition: i64): bool {
  at = bytes;
  end = bytesEnd;
  id = basePosition;
  calledAt = 0;
  numbersCount = readCount(SEGMENT_USER_BYTES_MIN);
  numbers = allocate(numbersCount << 2);
  for (let number: u32 = 0; number < numbersCount; number++) {
    const length = readVarint(at);
    at = varintEnd;
    if (at > end || length === 0 || length > u64(end - at)) return false;
    store<u32>(numbers + (number << 2), u32(findUser(at, u32(length))));
    at += u32(length);
  }
  callsLeft = readCount(SEGMENT_CALL_BYTES_MIN);
  return at < end && numbersCount > 0 && callsLeft > 0;
}

/**
 * Reads the number of items that follow; 0 if so many items of at least `bytesMin` bytes do not fit into the segment.
 */
function readCount(bytesMin: u32): u32 {
  const count = readVarint(at);
  at = varintEnd;
  return at <= end && count * bytesMin <= u64(end - at) ? u32(count) : 0;
}

/**
 * Reads calls of the segment until the segment ends or the batch is full. Returns false if the segment is malformed.
 */
export function readCalls(): bool {
  const reads = min(callsLeft, BATCH_CALLS_MAX - batchCalls);
  const last = batchCalls + reads;
  let read = at;
  let position = id;
  let time = calledAt;
  for (let call = batchCalls; call < last; call++) {
    const number = readVarint(read);
    if (number >= numbersCount || varintEnd > end) return false;
    position += readVarint(varintEnd);
    const usage = readVarint(varintEnd);
    time += unzigzag(readVarint(varintEnd));
    read = varintEnd;
    const caller: usize = load<u32>(numbers + (u32(number) << 2));
    store<u32>(caller, load<u32>(caller, USER_BATCH_CALLS) + 1, USER_BATCH_CALLS);
    store<u32>(callUsers + (call << 2), u32(caller));
    const entry = batch + call * CALL_BYTES;
    store<i64>(entry, position, CALL_ID);
    store<u64>(entry, usage, CALL_USAGE);
    store<i64>(entry, time, CALL_CALLED_AT);
  }
  at = read;
  id = position;
  calledAt = time;
  batchCalls = last;
  callsLeft -= reads;
  return callsLeft > 0 || at === end;
}

export function hasCallsLeft(): bool {
  return callsLeft > 0;
}

export function batchIsFull(): bool {
  return batchCalls === BATCH_CALLS_MAX;
}

/** Sorts the batch by user for foldNext(), and starts the next batch. Returns the number of calls sorted. */
export function sortBatch(): u32 {
  const calls = batchCalls;
  let start: u32 = 0;
  for (let each = firstUser; each !== 0; each = load<u32>(each, USER_NEXT)) {
    store<u32>(each, start, USER_BATCH_END);
    start += load<u32>(each, USER_BATCH_CALLS);
    store<u32>(each, 0, USER_BATCH_CALLS);
  }
  for (let call: u32 = 0; call < calls; call++) {
    const caller: usize = load<u32>(callUsers + (call << 2));
    const index = load<u32>(caller, USER_BATCH_END);
    store<u32>(order + (index << 2), call);
    store<u32>(caller, index + 1, USER_BATCH_END);
  }
  foldedCalls += calls;
  batchCalls = 0;
  user = firstUser;
  next = 0;
  closedCycles = 0;
  return calls;
}

/**
 * Folds sorted calls until cycles of one user are closed: all that the batch has of this user, or RECORD_CYCLES_MAX.
 * False at its end.
 */
export function foldNext(): bool {
  closedCycles = 0;
  for (; user !== 0; user = load<u32>(user, USER_NEXT)) {
    foldUser();
    if (closedCycles > 0) {
      packClosed();
      return true;
    }
  }
  return false;
}

/** Folds the user's remaining calls of the batch, or as many as close RECORD_CYCLES_MAX cycles. */
function foldUser(): void {
  const last = load<u32>(user, USER_BATCH_END);
  if (next === last) return;
  const hash = load<u64>(user, USER_HASH);
  let calls = load<u32>(user, USER_CALLS);
  let usage = load<u64>(user, USER_USAGE);
  while (next < last && closedCycles < RECORD_CYCLES_MAX) {
    const call = batch + load<u32>(order + (next++ << 2)) * CALL_BYTES;
    const callUsage = load<u64>(call, CALL_USAGE);
    foldedDigest += hashInt8(load<u64>(call, CALL_ID), hash ^ callUsage);
    addTo(foldedUsage, callUsage);
    if (calls === 0) {
      store<i64>(user, load<i64>(call, CALL_ID), USER_FIRST_ID);
      store<i64>(user, load<i64>(call, CALL_CALLED_AT), USER_FIRST_CALLED_AT);
    }
    usage += callUsage;
    if (++calls === callsPerCycle) {
      closeCycle(usage, call);
      calls = 0;
      usage = 0;
    }
  }
  store<u32>(user, calls, USER_CALLS);
  store<u64>(user, usage, USER_USAGE);
}

function closeCycle(usage: u64, lastCall: usize): void {
  const cycle = closed + closedCycles++ * CYCLE_BYTES;
  store<u64>(cycle, usage);
  store<i64>(cycle, load<i64>(user, USER_FIRST_ID), 8);
  store<i64>(cycle, load<i64>(lastCall, CALL_ID), 16);
  store<i64>(cycle, load<i64>(user, USER_FIRST_CALLED_AT) + POSTGRES_EPOCH_MICROS, 24);
  store<i64>(cycle, load<i64>(lastCall, CALL_CALLED_AT) + POSTGRES_EPOCH_MICROS, 32);
  addTo(billedUsage, usage);
}

/** Writes the closed cycles to `fields`, and advances the user's cycle number. */
function packClosed(): void {
  closedUser = user;
  closedFirstCycle = load<i64>(user, USER_CYCLE);
  store<i64>(user, closedFirstCycle + closedCycles, USER_CYCLE);
  cyclesClosed += closedCycles;
  let out = fields;
  for (let string: u32 = 0; string < STRINGS; string++) {
    store<u32>(out, bswap(STRING_HEAD_BYTES - 4 + closedCycles * NUMBER_BYTES));
    store<u32>(out, bswap(closedCycles * NUMBER_BYTES * 8), 4);
    out += STRING_HEAD_BYTES;
    for (let cycle: u32 = 0; cycle < closedCycles; cycle++) {
      store<u64>(out, bswap(load<u64>(closed + cycle * CYCLE_BYTES + string * NUMBER_BYTES)));
      out += NUMBER_BYTES;
    }
  }
  fieldsBytes = u32(out - fields);
}
