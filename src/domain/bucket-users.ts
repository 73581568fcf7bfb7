/**
 * The users of one bucket, numbered in the order in which they come: a table so small that it lies in the processor's nearest cache,
 * whatever the number of users in the log. Two users are the same if their bytes are; a hash only finds them.
 */
import { grown } from './grown.js';

const USERS_MIN = 256;
const NAME_BYTES_MIN = 4096;
const NONE = -1;

export class BucketUsers {
  count = 0;
  /** The names of all users, one behind the other; valid until a user is added. */
  bytes = new Uint8Array(NAME_BYTES_MIN);
  view = new DataView(this.bytes.buffer);
  /** Where each name begins, and where the last one ends. */
  #starts = new Int32Array(USERS_MIN + 1);
  #hashLo = new Int32Array(USERS_MIN);
  /** Which slot leads to a user; and the user that a slot leads to. */
  #slotOf = new Int32Array(USERS_MIN);
  #slots = new Int32Array(4 * USERS_MIN).fill(NONE);

  clear(): void {
    const slots = this.#slots;
    const slotOf = this.#slotOf;
    for (let user = 0; user < this.count; user++) slots[slotOf[user]] = NONE;
    this.count = 0;
  }

  /** The number of the user whose bytes lie in `view`: `count`, as it was before, if it is a new one. */
  find(view: DataView, start: number, length: number, hashLo: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hashLo & mask; ; slot = (slot + 1) & mask) {
      const user = slots[slot];
      if (user === NONE) return this.#add(view, start, length, hashLo, slot);
      if (this.#hashLo[user] === hashLo && this.#equals(user, view, start, length)) return user;
    }
  }

  /** The low half of its hash. */
  hashLo(user: number): number {
    return this.#hashLo[user];
  }

  startOf(user: number): number {
    return this.#starts[user];
  }

  lengthOf(user: number): number {
    return this.#starts[user + 1] - this.#starts[user];
  }

  nameOf(user: number): Uint8Array {
    return this.bytes.subarray(this.#starts[user], this.#starts[user + 1]);
  }

  #equals(user: number, view: DataView, start: number, length: number): boolean {
    const own = this.#starts[user];
    if (this.#starts[user + 1] - own !== length) return false;
    const names = this.view;
    let byte = 0;
    for (; byte + 4 <= length; byte += 4) if (names.getInt32(own + byte) !== view.getInt32(start + byte)) return false;
    for (; byte < length; byte++) if (names.getUint8(own + byte) !== view.getUint8(start + byte)) return false;
    return true;
  }

  #add(view: DataView, start: number, length: number, hashLo: number, slot: number): number {
    const user = this.count++;
    const own = this.#starts[user];
    if (own + length > this.bytes.length) this.#growNames(own + length);
    for (let byte = 0; byte < length; byte++) this.bytes[own + byte] = view.getUint8(start + byte);
    this.#starts[user + 1] = own + length;
    this.#hashLo[user] = hashLo;
    this.#slotOf[user] = slot;
    this.#slots[slot] = user;
    if (this.count === this.#hashLo.length) this.#growUsers();
    return user;
  }

  #growNames(bytes: number): void {
    this.bytes = grown(new Uint8Array(Math.max(2 * this.bytes.length, bytes)), this.bytes);
    this.view = new DataView(this.bytes.buffer);
  }

  #growUsers(): void {
    const users = 2 * this.count;
    this.#starts = grown(new Int32Array(users + 1), this.#starts);
    this.#hashLo = grown(new Int32Array(users), this.#hashLo);
    this.#slotOf = grown(new Int32Array(users), this.#slotOf);
    this.#slots = new Int32Array(4 * users).fill(NONE);
    const mask = this.#slots.length - 1;
    for (let user = 0; user < this.count; user++) {
      let slot = this.#hashLo[user] & mask;
      while (this.#slots[slot] !== NONE) slot = (slot + 1) & mask;
      this.#slots[slot] = user;
      this.#slotOf[user] = slot;
    }
  }
}
