/**
 * PostgreSQL's 64-bit hash functions, so that one line of SQL can recompute a bucket or a digest.
 *
 * Source: Bob Jenkins's lookup3, as in PostgreSQL's src/common/hashfn.c (hash_bytes_extended,
 * hash_bytes_uint32_extended) on little-endian machines.
 */

const SEED: u32 = 0x9e3779b9 + 3923095;

/** hashtextextended(text, 0) of `length` bytes of UTF-8 at `at`. Reads up to 7 bytes more. */
export function hashText(at: usize, length: u32): u64 {
  let a: u32 = SEED + length;
  let b = a;
  let c = a;
  while (length >= 12) {
    a += load<u32>(at);
    b += load<u32>(at, 4);
    c += load<u32>(at, 8);
    a = (a - c) ^ rotl(c, 4);
    c += b;
    b = (b - a) ^ rotl(a, 6);
    a += c;
    c = (c - b) ^ rotl(b, 8);
    b += a;
    a = (a - c) ^ rotl(c, 16);
    c += b;
    b = (b - a) ^ rotl(a, 19);
    a += c;
    c = (c - b) ^ rotl(b, 4);
    b += a;
    at += 12;
    length -= 12;
  }
  // The last 0 to 11 bytes. The lowest byte of c is reserved for the length.
  if (length >= 8) {
    a += load<u32>(at);
    b += load<u32>(at, 4);
    c += lowBytes(load<u32>(at, 8), length - 8) << 8;
  } else if (length >= 4) {
    a += load<u32>(at);
    b += lowBytes(load<u32>(at, 4), length - 4);
  } else {
    a += lowBytes(load<u32>(at), length);
  }
  return finish(a, b, c);
}

/** hashint8extended(value, seed) of a non-negative value. */
export function hashInt8(value: u64, seed: u64): u64 {
  let a: u32 = SEED + 4;
  let b = a;
  let c = a;
  if (seed !== 0) {
    a += u32(seed >>> 32);
    b += u32(seed);
    a = (a - c) ^ rotl(c, 4);
    c += b;
    b = (b - a) ^ rotl(a, 6);
    a += c;
    c = (c - b) ^ rotl(b, 8);
    b += a;
    a = (a - c) ^ rotl(c, 16);
    c += b;
    b = (b - a) ^ rotl(a, 19);
    a += c;
    c = (c - b) ^ rotl(b, 4);
    b += a;
  }
  return finish(a + (u32(value) ^ u32(value >>> 32)), b, c);
}

// @ts-ignore: decorators of functions are AssemblyScript's
@inline
function finish(a: u32, b: u32, c: u32): u64 {
  c = (c ^ b) - rotl(b, 14);
  a = (a ^ c) - rotl(c, 11);
  b = (b ^ a) - rotl(a, 25);
  c = (c ^ b) - rotl(b, 16);
  a = (a ^ c) - rotl(c, 4);
  b = (b ^ a) - rotl(a, 14);
  c = (c ^ b) - rotl(b, 24);
  return (u64(b) << 32) | u64(c);
}

/** The lowest 0 to 3 bytes of a word. */
function lowBytes(word: u32, bytes: u32): u32 {
  return word & ((1 << (bytes << 3)) - 1);
}
