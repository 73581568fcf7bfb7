/**
 * Encodes a text[] in PostgreSQL's binary format, for a bound parameter, from the bytes of its elements.
 *
 *   0           4          8            12      16           20
 *   dimensions  has nulls  element OID  length  lower bound  (length of the element i32, its bytes in UTF-8)*
 *   i32 = 1     i32 = 0    i32          i32     i32 = 1
 *
 * Source: array_recv() in PostgreSQL's src/backend/utils/adt/arrayfuncs.c.
 */

/** The OID of type text, which is the same in every database. */
const TEXT_OID = 25;
const HEADER_BYTES = 20;
const BYTES_MIN = 16 * 1024;

export class TextArray {
  length = 0;
  #bytes = Buffer.allocUnsafeSlow(BYTES_MIN);
  #end = HEADER_BYTES;

  clear(): void {
    this.length = 0;
    this.#end = HEADER_BYTES;
  }

  /** Appends an element: `length` bytes of UTF-8 from `at`. */
  push(bytes: Uint8Array, at: number, length: number): void {
    if (this.#end + 4 + length > this.#bytes.length) this.#grow(length);
    const to = this.#bytes;
    to.writeInt32BE(length, this.#end);
    this.#end += 4;
    // Names are short: this loop is faster than a call of copy().
    for (let i = 0; i < length; i++) to[this.#end + i] = bytes[at + i];
    this.#end += length;
    this.length++;
  }

  /** The encoded array. A view that is valid until the next push(). */
  encode(): Buffer {
    const header = [1, 0, TEXT_OID, this.length, 1];
    for (const [i, value] of header.entries()) this.#bytes.writeInt32BE(value, 4 * i);
    return this.#bytes.subarray(0, this.#end);
  }

  #grow(length: number): void {
    const bytes = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#end + 4 + length));
    this.#bytes.copy(bytes, 0, 0, this.#end);
    this.#bytes = bytes;
  }
}
