/**
 * The calls of a spill, packed as they come: each user's in a chain of blocks, every call written where the one before it ends. So
 * only users are sorted, never calls, and a call takes no more memory than its packed form.
 *
 * A chain begins with a small block and goes on with larger ones: most users have few calls, and most calls are those of few users.
 */
import { CALL_BYTES_MAX, writeVarint, zigzag } from './segment.js';
import type { UserTable } from './user-table.js';

// What is kept of a user, in the words of its entry.
const CALLS = 0;
/** The places of its first and its current block. */
const FIRST = 1;
const CURRENT = 2;
/** Where its next call is written, and from where on a block has no room for one. */
const AT = 3;
const LIMIT = 4;
/** Bytes of its calls in the blocks before the current one. */
const BEFORE = 5;
/** Of its last call; these are doubles. */
const OFFSET = 6;
const CALLED_AT = 8;

// A block: the place of the next one, where its calls end, and the calls.
const NEXT = 0;
const END = 4;
const HEAD_BYTES = 8;

const FIRST_BLOCK_BYTES = 64;
export const BLOCK_BYTES_MAX = 1024;
/** Where a chain has ended. */
export const NO_BLOCK = -1;
const ARENA_BYTES_MIN = 2 ** 20;
const ARENA_BYTES_MAX = 2 ** 26;
/** Words are copied whole: so many bytes behind the last one may be read, and written. */
export const COPY_SLACK_BYTES = 3;
/** From this many bytes on, copying is better left to native code. */
const NATIVE_COPY_BYTES = 256;

export class PackedCalls {
  readonly #users: UserTable;
  #bytes = new Uint8Array(ARENA_BYTES_MIN);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  constructor(users: UserTable) {
    this.#users = users;
  }

  /** True if there is room for so many calls more, whosever they are. */
  hasRoomFor(calls: number): boolean {
    return this.#end + calls * BLOCK_BYTES_MAX <= ARENA_BYTES_MAX;
  }

  clear(): void {
    this.#end = 0;
  }

  /** What lies where a user's next call will be written: asked for before append() is, it is fetched beside others. */
  peek(user: number): number {
    return this.#bytes[this.#users.words[user + AT]] | 0;
  }

  /** Appends a call of a user; its position as an offset, not before that of the user's last call. */
  append(user: number, offset: number, usage: number, calledAt: number): void {
    const { words, doubles } = this.#users;
    if (words[user + AT] >= words[user + LIMIT]) this.#nextBlock(words, user);
    const last = user >>> 1;
    let at = words[user + AT];
    at = writeVarint(this.#bytes, at, offset - doubles[last + OFFSET / 2]);
    at = writeVarint(this.#bytes, at, usage);
    at = writeVarint(this.#bytes, at, zigzag(calledAt - doubles[last + CALLED_AT / 2]));
    words[user + AT] = at;
    words[user + CALLS]++;
    doubles[last + OFFSET / 2] = offset;
    doubles[last + CALLED_AT / 2] = calledAt;
  }

  /** The number of a user's calls. */
  callsOf(user: number): number {
    return this.#users.words[user + CALLS];
  }

  /** How many bytes they take. */
  bytesOf(user: number): number {
    const { words } = this.#users;
    return words[user + BEFORE] + words[user + AT] - words[user + CURRENT] - HEAD_BYTES;
  }

  /** The first block of a user's calls. */
  firstBlock(user: number): number {
    return this.#users.words[user + FIRST];
  }

  /** The block after one, or NO_BLOCK. */
  blockAfter(user: number, block: number): number {
    return block === this.#users.words[user + CURRENT] ? NO_BLOCK : this.#view.getInt32(block + NEXT);
  }

  /** Writes a block's calls to `out` at `at`, which has COPY_SLACK_BYTES to spare; returns the place behind them. */
  copyBlock(user: number, block: number, out: Uint8Array, outView: DataView, at: number): number {
    const { words } = this.#users;
    const end = block === words[user + CURRENT] ? words[user + AT] : this.#view.getInt32(block + END);
    return this.#copy(block + HEAD_BYTES, end, out, outView, at);
  }

  #copy(from: number, end: number, out: Uint8Array, outView: DataView, at: number): number {
    if (end - from >= NATIVE_COPY_BYTES) out.set(this.#bytes.subarray(from, end), at);
    else for (let i = from, to = at; i < end; i += 4, to += 4) outView.setInt32(to, this.#view.getInt32(i));
    return at + end - from;
  }

  #nextBlock(words: Int32Array, user: number): void {
    const current = words[user + CURRENT];
    const at = words[user + AT];
    const isFirst = words[user + CALLS] === 0;
    // The limit lies as far before a block's end as a call may take.
    const bytes = isFirst
      ? FIRST_BLOCK_BYTES
      : Math.min(BLOCK_BYTES_MAX, 2 * (words[user + LIMIT] + CALL_BYTES_MAX - current));
    const next = this.#end;
    this.#end += bytes;
    if (this.#end + COPY_SLACK_BYTES > this.#bytes.length) this.#grow();
    if (isFirst) words[user + FIRST] = next;
    else {
      this.#view.setInt32(current + NEXT, next);
      this.#view.setInt32(current + END, at);
      words[user + BEFORE] += at - current - HEAD_BYTES;
    }
    words[user + CURRENT] = next;
    words[user + AT] = next + HEAD_BYTES;
    words[user + LIMIT] = next + bytes - CALL_BYTES_MAX;
  }

  #grow(): void {
    const grown = new Uint8Array(this.#bytes.length * 2);
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
