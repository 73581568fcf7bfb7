/**
 * PostgreSQL's own 64-bit hash, so that a bucket or a digest computed here can be recomputed by one line of SQL.
 *
 * Bob Jenkins's lookup3 as in PostgreSQL's src/common/hashfn.c (hash_bytes_extended, hash_bytes_uint32_extended), for
 * little-endian machines. A hash is kept as two signed 32-bit halves: V8 holds those without allocating.
 */

const SEED = (0x9e3779b9 + 3923095) | 0;

export class Hash64 {
  hi = 0;
  lo = 0;

  /** hashtextextended(text, 0) of `length` bytes of UTF-8 at `start`. */
  bytes(view: DataView, start: number, length: number): void {
    let a = (SEED + length) | 0;
    let b = a;
    let c = a;
    let p = start;
    let left = length;
    while (left >= 12) {
      a = (a + view.getInt32(p, true)) | 0;
      b = (b + view.getInt32(p + 4, true)) | 0;
      c = (c + view.getInt32(p + 8, true)) | 0;
      a = ((a - c) | 0) ^ ((c << 4) | (c >>> 28));
      c = (c + b) | 0;
      b = ((b - a) | 0) ^ ((a << 6) | (a >>> 26));
      a = (a + c) | 0;
      c = ((c - b) | 0) ^ ((b << 8) | (b >>> 24));
      b = (b + a) | 0;
      a = ((a - c) | 0) ^ ((c << 16) | (c >>> 16));
      c = (c + b) | 0;
      b = ((b - a) | 0) ^ ((a << 19) | (a >>> 13));
      a = (a + c) | 0;
      c = ((c - b) | 0) ^ ((b << 4) | (b >>> 28));
      b = (b + a) | 0;
      p += 12;
      left -= 12;
    }
    // The last 0 to 11 bytes; the lowest byte of c is reserved for the length.
    if (left >= 8) {
      a = (a + view.getInt32(p, true)) | 0;
      b = (b + view.getInt32(p + 4, true)) | 0;
      c = (c + (partialWord(view, p + 8, left - 8) << 8)) | 0;
    } else if (left >= 4) {
      a = (a + view.getInt32(p, true)) | 0;
      b = (b + partialWord(view, p + 4, left - 4)) | 0;
    } else {
      a = (a + partialWord(view, p, left)) | 0;
    }
    this.finish(a, b, c);
  }

  /** hashint8extended(value, seed) of a value that is not negative; value and seed as two halves each. */
  int8(valueHi: number, valueLo: number, seedHi: number, seedLo: number): void {
    let a = (SEED + 4) | 0;
    let b = a;
    let c = a;
    if ((seedHi | seedLo) !== 0) {
      a = (a + seedHi) | 0;
      b = (b + seedLo) | 0;
      a = ((a - c) | 0) ^ ((c << 4) | (c >>> 28));
      c = (c + b) | 0;
      b = ((b - a) | 0) ^ ((a << 6) | (a >>> 26));
      a = (a + c) | 0;
      c = ((c - b) | 0) ^ ((b << 8) | (b >>> 24));
      b = (b + a) | 0;
      a = ((a - c) | 0) ^ ((c << 16) | (c >>> 16));
      c = (c + b) | 0;
      b = ((b - a) | 0) ^ ((a << 19) | (a >>> 13));
      a = (a + c) | 0;
      c = ((c - b) | 0) ^ ((b << 4) | (b >>> 28));
      b = (b + a) | 0;
    }
    this.finish((a + (valueLo ^ valueHi)) | 0, b, c);
  }

  private finish(a: number, b: number, c: number): void {
    c = ((c ^ b) - ((b << 14) | (b >>> 18))) | 0;
    a = ((a ^ c) - ((c << 11) | (c >>> 21))) | 0;
    b = ((b ^ a) - ((a << 25) | (a >>> 7))) | 0;
    c = ((c ^ b) - ((b << 16) | (b >>> 16))) | 0;
    a = ((a ^ c) - ((c << 4) | (c >>> 28))) | 0;
    b = ((b ^ a) - ((a << 14) | (a >>> 18))) | 0;
    c = ((c ^ b) - ((b << 24) | (b >>> 8))) | 0;
    this.hi = b;
    this.lo = c;
  }

  /** The hash as PostgreSQL shows it: a signed 64-bit integer. */
  toBigInt(): bigint {
    return (BigInt(this.hi) << 32n) | BigInt(this.lo >>> 0);
  }
}

function partialWord(view: DataView, start: number, length: number): number {
  let word = 0;
  for (let i = length - 1; i >= 0; i--) word = (word << 8) | view.getUint8(start + i);
  return word;
}
