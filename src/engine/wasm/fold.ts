/**
 * Folds a bucket, a portion at a time: reads calls from segment after segment in the order of the log, sorts them by user (a counting sort,
 * which keeps the order of a user's calls), and closes cycles user by user. src/engine/reduce.ts leads it.
 */
import { hashInt8 } from './hash';
import { allocate } from './heap';
import { addTo, clearSum, SUM_BYTES } from './sum';
import {
  CALLS,
  CYCLE,
  clearOpen,
  clearUsers,
  COUNT,
  END,
  FIRST_CALLED_AT,
  FIRST_ID,
  findUser,
  firstUser,
  HASH,
  NEXT,
  USAGE,
} from './users';
import { readVarint, unzigzag, varintEnd } from './varint';

/** Of a bucket with more calls, a user's cycles come in several batches, however few they are. */
export const PORTION_CALLS_MAX: u32 = 1 << 17;
/** Cycles of one packed billing record: five numbers of each and a user of usual length are just under half a page. */
export const RECORD_CYCLES_MAX: u32 = 96;
/** Fewest bytes that a call, or a user, takes in a segment. */
const CALL_BYTES_MIN = 4;
const USER_BYTES_MIN = 2;

// A call of the portion.
const ID = 0;
const CALL_USAGE = 8;
const CALLED_AT = 16;
const CALL_BYTES = 24;
const portion: usize = memory.data(PORTION_CALLS_MAX * CALL_BYTES, 16);
/** Whose each is. */
const userOf: usize = memory.data(PORTION_CALLS_MAX * 4, 16);
/** The calls by user. */
const order: usize = memory.data(PORTION_CALLS_MAX * 4, 16);
let portionCalls: u32 = 0;

// What is read of a segment.
let at: usize = 0;
let end: usize = 0;
let id: i64 = 0;
let calledAt: i64 = 0;
let callsLeft: u32 = 0;
/** Its users, by their numbers. */
let numbers: usize = 0;
let numbersCount: u32 = 0;

let callsPerCycle: u32 = 0;
/** The user whose calls are folded, and the next one of these. */
let user: usize = 0;
let next: u32 = 0;

// Of what was folded since beginFold().
export let foldedCalls: i64 = 0;
export let foldedDigest: u64 = 0;
export const foldedUsage: usize = memory.data(SUM_BYTES, 8);
export let cyclesClosed: i64 = 0;
export const billedUsage: usize = memory.data(SUM_BYTES, 8);

// The batch that foldNext() has closed: consecutive cycles of one user, as five bit strings of COPY's binary format, 64 bits a cycle: their
// usages, the ids of their first and last calls, and the times of these in microseconds since 1970.
export let batchUser: usize = 0;
export let batchFirstCycle: i64 = 0;
export let batchCycles: u32 = 0;
const STRINGS: u32 = 5;
const STRING_HEAD_BYTES: u32 = 8;
const NUMBER_BYTES: u32 = 8;
export const fields: usize = memory.data(STRINGS * (STRING_HEAD_BYTES + RECORD_CYCLES_MAX * NUMBER_BYTES), 16);
export let fieldsBytes: u32 = 0;
// The cycles closed so far, one after the other.
const CYCLE_BYTES = STRINGS * NUMBER_BYTES;
const closed: usize = memory.data(RECORD_CYCLES_MAX * CYCLE_BYTES, 16);
const UNIX_MICROS_AT_2000: i64 = 946_684_800_000_000;

/** Whatever was under way before is forgotten. */
export function beginFold(ofCalls: u32): void {
  callsPerCycle = ofCalls;
  portionCalls = 0;
  callsLeft = 0;
  foldedCalls = 0;
  foldedDigest = 0;
  clearSum(foldedUsage);
  cyclesClosed = 0;
  clearSum(billedUsage);
  clearOpen();
  clearUsers();
}

/** Begins what a segment has of the bucket: its bytes, and the position from which they count. False if they are not what map wrote. */
export function beginSegment(bytes: usize, bytesEnd: usize, basePosition: i64): bool {
  at = bytes;
  end = bytesEnd;
  id = basePosition;
  calledAt = 0;
  numbersCount = readCount(USER_BYTES_MIN);
  numbers = allocate(numbersCount << 2);
  for (let number: u32 = 0; number < numbersCount; number++) {
    const length = readVarint(at);
    at = varintEnd;
    if (at > end || length === 0 || length > u64(end - at)) return false;
    store<u32>(numbers + (number << 2), u32(findUser(at, u32(length))));
    at += u32(length);
  }
  callsLeft = readCount(CALL_BYTES_MIN);
  return at < end && numbersCount > 0 && callsLeft > 0;
}

/** 0 if there can't be so many. */
function readCount(bytesMin: u32): u32 {
  const count = readVarint(at);
  at = varintEnd;
  return at <= end && count * bytesMin <= u64(end - at) ? u32(count) : 0;
}

/** Reads calls of the segment into the portion, until one of the two is at its end. False if they are not what map wrote. */
export function readCalls(): bool {
  const reads = min(callsLeft, PORTION_CALLS_MAX - portionCalls);
  const last = portionCalls + reads;
  let read = at;
  let position = id;
  let time = calledAt;
  for (let call = portionCalls; call < last; call++) {
    const number = readVarint(read);
    if (number >= numbersCount || varintEnd > end) return false;
    position += readVarint(varintEnd);
    const usage = readVarint(varintEnd);
    time += unzigzag(readVarint(varintEnd));
    read = varintEnd;
    const caller: usize = load<u32>(numbers + (u32(number) << 2));
    store<u32>(caller, load<u32>(caller, COUNT) + 1, COUNT);
    store<u32>(userOf + (call << 2), u32(caller));
    const own = portion + call * CALL_BYTES;
    store<i64>(own, position, ID);
    store<u64>(own, usage, CALL_USAGE);
    store<i64>(own, time, CALLED_AT);
  }
  at = read;
  id = position;
  calledAt = time;
  portionCalls = last;
  callsLeft -= reads;
  return callsLeft > 0 || at === end;
}

export function hasCallsLeft(): bool {
  return callsLeft > 0;
}

export function portionIsFull(): bool {
  return portionCalls === PORTION_CALLS_MAX;
}

/** Makes the portion ready for foldNext(), and begins a new one behind it; how many calls it has. */
export function beginPortion(): u32 {
  const calls = portionCalls;
  let start: u32 = 0;
  for (let each = firstUser; each !== 0; each = load<u32>(each, NEXT)) {
    store<u32>(each, start, END);
    start += load<u32>(each, COUNT);
    store<u32>(each, 0, COUNT);
  }
  for (let call: u32 = 0; call < calls; call++) {
    const caller: usize = load<u32>(userOf + (call << 2));
    const place = load<u32>(caller, END);
    store<u32>(order + (place << 2), call);
    store<u32>(caller, place + 1, END);
  }
  foldedCalls += calls;
  portionCalls = 0;
  user = firstUser;
  next = 0;
  batchCycles = 0;
  return calls;
}

/** Folds calls of the portion until a batch of cycles is closed; false once there is none any more. */
export function foldNext(): bool {
  batchCycles = 0;
  for (; user !== 0; user = load<u32>(user, NEXT)) {
    foldUser();
    if (batchCycles > 0) {
      closeBatch();
      return true;
    }
  }
  return false;
}

/** Folds what is left of a user's calls, or as many as a batch takes. */
function foldUser(): void {
  const last = load<u32>(user, END);
  if (next === last) return;
  const hash = load<u64>(user, HASH);
  let calls = load<u32>(user, CALLS);
  let usage = load<u64>(user, USAGE);
  while (next < last && batchCycles < RECORD_CYCLES_MAX) {
    const call = portion + load<u32>(order + (next++ << 2)) * CALL_BYTES;
    const own = load<u64>(call, CALL_USAGE);
    foldedDigest += hashInt8(load<u64>(call, ID), hash ^ own);
    addTo(foldedUsage, own);
    if (calls === 0) {
      store<i64>(user, load<i64>(call, ID), FIRST_ID);
      store<i64>(user, load<i64>(call, CALLED_AT), FIRST_CALLED_AT);
    }
    usage += own;
    if (++calls === callsPerCycle) {
      closeCycle(usage, call);
      calls = 0;
      usage = 0;
    }
  }
  store<u32>(user, calls, CALLS);
  store<u64>(user, usage, USAGE);
}

function closeCycle(usage: u64, lastCall: usize): void {
  const cycle = closed + batchCycles++ * CYCLE_BYTES;
  store<u64>(cycle, usage);
  store<i64>(cycle, load<i64>(user, FIRST_ID), 8);
  store<i64>(cycle, load<i64>(lastCall, ID), 16);
  store<i64>(cycle, load<i64>(user, FIRST_CALLED_AT) + UNIX_MICROS_AT_2000, 24);
  store<i64>(cycle, load<i64>(lastCall, CALLED_AT) + UNIX_MICROS_AT_2000, 32);
  addTo(billedUsage, usage);
}

function closeBatch(): void {
  batchUser = user;
  batchFirstCycle = load<i64>(user, CYCLE);
  store<i64>(user, batchFirstCycle + batchCycles, CYCLE);
  cyclesClosed += batchCycles;
  let out = fields;
  for (let string: u32 = 0; string < STRINGS; string++) {
    // Bytes that follow; of these, how many bits there are.
    store<u32>(out, bswap(STRING_HEAD_BYTES - 4 + batchCycles * NUMBER_BYTES));
    store<u32>(out, bswap(batchCycles * NUMBER_BYTES * 8), 4);
    out += STRING_HEAD_BYTES;
    for (let cycle: u32 = 0; cycle < batchCycles; cycle++) {
      store<u64>(out, bswap(load<u64>(closed + cycle * CYCLE_BYTES + string * NUMBER_BYTES)));
      out += NUMBER_BYTES;
    }
  }
  fieldsBytes = u32(out - fields);
}
