/**
 * The calls of a spill as they come, by bucket: what src/kernel/assembly/calls.ts has in its memory, which tells how they lie there.
 */
import { type CallsKernel, openCallsKernel } from '../kernel/calls.js';
import { BUCKETS } from './segment.js';

// What is kept of a bucket, in words: as in assembly/calls.ts, and so is all that follows.
const CALLS = 0;
const FIRST = 1;
const CURRENT = 2;
const AT = 3;
const BUCKET_WORDS = 10;

// A block: the place of the next one, where its calls end, and the calls.
const NEXT = 0;
const END = 4;
const BLOCK_HEAD_BYTES = 8;
/** Where a chain has ended. */
export const NO_BLOCK = -1;

// A call: the low half of its user's hash, the lengths of the name less one and of the body, the name, the body as segment.ts has it.
export const NAME_LENGTH = 4;
export const BODY_LENGTH = 5;
export const CALL_HEAD_BYTES = 6;
/** Calls are read in whole words: so many bytes behind the last one may be. */
export const WORD_SLACK_BYTES = 3;

export class BucketCalls {
  readonly kernel: CallsKernel;
  /** All of its memory; it never grows. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where calls lie: free for other work after clear(). */
  readonly arena: Uint8Array;
  readonly #words: Int32Array;

  constructor(arenaBytes: number) {
    this.kernel = openCallsKernel();
    this.kernel.open(arenaBytes);
    const { buffer } = this.kernel.memory;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.arena = new Uint8Array(buffer, this.kernel.arena.value, arenaBytes);
    this.#words = new Int32Array(buffer, this.kernel.buckets.value, BUCKETS * BUCKET_WORDS);
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
    return block === this.#words[bucket * BUCKET_WORDS + CURRENT] ? NO_BLOCK : this.view.getInt32(block + NEXT, true);
  }

  /** Where the calls of a block begin. */
  startOf(block: number): number {
    return block + BLOCK_HEAD_BYTES;
  }

  /** Where the calls of a block end. */
  endOf(bucket: number, block: number): number {
    const own = bucket * BUCKET_WORDS;
    return block === this.#words[own + CURRENT] ? this.#words[own + AT] : this.view.getInt32(block + END, true);
  }
}
