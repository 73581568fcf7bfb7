/**
 * The calls of a spill as they come: each bucket's in a chain of blocks, every call written where the one before it ends. A call
 * touches nothing but its bucket's end, and those of all buckets lie in the processor's second cache; whose call it is, is found out
 * only when a bucket is packed (spill.ts). That is radix partitioning: Manegold, Boncz and Kersten, Optimizing Main-Memory Join on
 * Modern Hardware, TKDE 2002.
 */
import { invariant } from './invariant.js';
import { BUCKETS, CALL_BODY_BYTES_MAX, USER_BYTES_MAX, writeVarint, zigzag } from './segment.js';

// What is kept of a bucket, in words.
const CALLS = 0;
/** The places of its first and its current block. */
const FIRST = 1;
const CURRENT = 2;
/** Where its next call is written, and where a call must begin at the latest, had its user a name of no bytes. */
const AT = 3;
const LIMIT = 4;
/** Of its last call; these are doubles. */
const OFFSET = 6;
const CALLED_AT = 8;
const BUCKET_WORDS = 10;

// A block: the place of the next one, where its calls end, and the calls.
const NEXT = 0;
const END = 4;
const BLOCK_HEAD_BYTES = 8;
const BLOCK_BYTES_MIN = 256;
const BLOCK_BYTES_MAX = 2048;
/** Calls are read in whole words: so many bytes behind the last one may be. */
export const WORD_SLACK_BYTES = 3;
/** Where a chain has ended. */
export const NO_BLOCK = -1;

// A call: the low half of its user's hash, the lengths of the name less one and of the body, the name, the body as segment.ts has it.
export const NAME_LENGTH = 4;
export const BODY_LENGTH = 5;
export const CALL_HEAD_BYTES = 6;
/** How far before a block's end its limit lies: what a call takes beside the name. */
const LIMIT_BYTES = CALL_HEAD_BYTES + CALL_BODY_BYTES_MAX;
invariant(BLOCK_HEAD_BYTES + LIMIT_BYTES + USER_BYTES_MAX < BLOCK_BYTES_MAX, 'a block has room for any call');

export class BucketCalls {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #words = new Int32Array(BUCKETS * BUCKET_WORDS);
  /** The same memory: a field that begins at an even word lies at half its place. */
  readonly #doubles = new Float64Array(this.#words.buffer);
  #end = 0;
  calls = 0;

  /** Memory is taken up as calls come. */
  constructor(arenaBytes: number) {
    invariant(arenaBytes >= BLOCK_BYTES_MAX, 'there is room for a block');
    this.bytes = new Uint8Array(arenaBytes + WORD_SLACK_BYTES);
    this.view = new DataView(this.bytes.buffer);
  }

  /** True if there is room for another call, whosever it is. */
  get hasRoom(): boolean {
    return this.#end + BLOCK_BYTES_MAX + WORD_SLACK_BYTES <= this.bytes.length;
  }

  clear(): void {
    this.#words.fill(0);
    this.#end = 0;
    this.calls = 0;
  }

  /** Appends a call to a bucket; its position as an offset, not before that of the one before. */
  append(
    bucket: number,
    hashLo: number,
    view: DataView,
    userStart: number,
    userLength: number,
    offset: number,
    usage: number,
    calledAtHi: number,
    calledAtLo: number,
  ): void {
    const words = this.#words;
    const doubles = this.#doubles;
    const bytes = this.bytes;
    const out = this.view;
    const own = bucket * BUCKET_WORDS;
    if (words[own + AT] + userLength >= words[own + LIMIT]) this.#nextBlock(own, userLength);

    const head = words[own + AT];
    const name = head + CALL_HEAD_BYTES;
    let byte = 0;
    for (; byte + 4 <= userLength; byte += 4) out.setInt32(name + byte, view.getInt32(userStart + byte));
    for (; byte < userLength; byte++) out.setUint8(name + byte, view.getUint8(userStart + byte));

    const calledAt = calledAtHi * 4294967296 + (calledAtLo >>> 0);
    const last = own >>> 1;
    const body = name + userLength;
    let at = writeVarint(bytes, body, offset - doubles[last + OFFSET / 2]);
    at = writeVarint(bytes, at, usage);
    at = writeVarint(bytes, at, zigzag(calledAt - doubles[last + CALLED_AT / 2]));
    out.setInt32(head, hashLo);
    bytes[head + NAME_LENGTH] = userLength - 1;
    bytes[head + BODY_LENGTH] = at - body;

    words[own + AT] = at;
    words[own + CALLS]++;
    doubles[last + OFFSET / 2] = offset;
    doubles[last + CALLED_AT / 2] = calledAt;
    this.calls++;
  }

  callsOf(bucket: number): number {
    return this.#words[bucket * BUCKET_WORDS + CALLS];
  }

  /** Where the first block of a bucket's calls lies, which must have some. */
  firstBlock(bucket: number): number {
    return this.#words[bucket * BUCKET_WORDS + FIRST];
  }

  /** The block after one, or NO_BLOCK. */
  blockAfter(bucket: number, block: number): number {
    return block === this.#words[bucket * BUCKET_WORDS + CURRENT] ? NO_BLOCK : this.view.getInt32(block + NEXT);
  }

  /** Where the calls of a block begin. */
  startOf(block: number): number {
    return block + BLOCK_HEAD_BYTES;
  }

  /** Where the calls of a block end. */
  endOf(bucket: number, block: number): number {
    const own = bucket * BUCKET_WORDS;
    return block === this.#words[own + CURRENT] ? this.#words[own + AT] : this.view.getInt32(block + END);
  }

  #nextBlock(own: number, userLength: number): void {
    const words = this.#words;
    const current = words[own + CURRENT];
    const isFirst = words[own + CALLS] === 0;
    const room = BLOCK_HEAD_BYTES + userLength + LIMIT_BYTES + 1;
    const doubled = isFirst ? BLOCK_BYTES_MIN : 2 * (words[own + LIMIT] + LIMIT_BYTES - current);
    const bytes = Math.max(room, Math.min(BLOCK_BYTES_MAX, doubled));
    const next = this.#end;
    this.#end += bytes;
    if (isFirst) words[own + FIRST] = next;
    else {
      this.view.setInt32(current + NEXT, next);
      this.view.setInt32(current + END, words[own + AT]);
    }
    words[own + CURRENT] = next;
    words[own + AT] = next + BLOCK_HEAD_BYTES;
    words[own + LIMIT] = next + bytes - LIMIT_BYTES;
  }
}
