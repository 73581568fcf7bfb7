/**
 * Calls that wait to be packed together. Where there are many users, finding one means to wait for memory three times: for its slot,
 * its entry and the end of its calls. One call after the other, each wait is a wait; asked for together, they overlap.
 *
 * Group prefetching: Chen, Ailamaki, Gibbons and Mowry, Improving Hash Join Performance through Prefetching, ICDE 2004, section 4.
 */
import type { PackedCalls } from './packed-calls.js';
import { USER_BYTES_MAX } from './segment.js';
import type { UserTable } from './user-table.js';

const CALLS_MAX = 64;

export class WaitingCalls {
  calls = 0;
  /** Their users' names, one behind the other. */
  readonly #names = new DataView(new ArrayBuffer(CALLS_MAX * USER_BYTES_MAX));
  #namesEnd = 0;
  readonly #start = new Int32Array(CALLS_MAX);
  readonly #length = new Int32Array(CALLS_MAX);
  readonly #hashHi = new Int32Array(CALLS_MAX);
  readonly #hashLo = new Int32Array(CALLS_MAX);
  readonly #offset = new Float64Array(CALLS_MAX);
  readonly #usage = new Float64Array(CALLS_MAX);
  readonly #calledAt = new Float64Array(CALLS_MAX);
  readonly #entry = new Int32Array(CALLS_MAX);
  /** Keeps what is only fetched from being left out as unused. */
  fetched = 0;

  get full(): boolean {
    return this.calls === CALLS_MAX;
  }

  clear(): void {
    this.calls = 0;
    this.#namesEnd = 0;
  }

  push(
    view: DataView,
    userStart: number,
    userLength: number,
    hashHi: number,
    hashLo: number,
    offset: number,
    usage: number,
    calledAt: number,
  ): void {
    const call = this.calls++;
    const start = this.#namesEnd;
    this.#start[call] = start;
    this.#length[call] = userLength;
    this.#hashHi[call] = hashHi;
    this.#hashLo[call] = hashLo;
    this.#offset[call] = offset;
    this.#usage[call] = usage;
    this.#calledAt[call] = calledAt;

    const names = this.#names;
    let byte = 0;
    for (; byte + 4 <= userLength; byte += 4) names.setInt32(start + byte, view.getInt32(userStart + byte));
    for (; byte < userLength; byte++) names.setUint8(start + byte, view.getUint8(userStart + byte));
    this.#namesEnd = start + userLength;
  }

  /** Packs all of them, in their order. */
  settle(users: UserTable, packed: PackedCalls): void {
    const calls = this.calls;
    const entry = this.#entry;
    let fetched = 0;
    for (let call = 0; call < calls; call++) entry[call] = users.entryAt(users.slotOf(this.#hashLo[call]));
    for (let call = 0; call < calls; call++) fetched ^= users.words[entry[call]];
    for (let call = 0; call < calls; call++) fetched ^= packed.peek(entry[call]);
    this.fetched = fetched;
    for (let call = 0; call < calls; call++) {
      const start = this.#start[call];
      const user = users.find(this.#names, start, this.#length[call], this.#hashHi[call], this.#hashLo[call]);
      packed.append(user, this.#offset[call], this.#usage[call], this.#calledAt[call]);
    }
    this.clear();
  }
}
