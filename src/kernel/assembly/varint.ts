/** Varints as in src/domain/segment.ts: LEB128. */

/** Writes an integer; returns the place behind it. */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
export function writeVarint(at: usize, value: u64): usize {
  while (value > 127) {
    store<u8>(at, u8(value) | 128);
    value >>>= 7;
    at++;
  }
  store<u8>(at, u8(value));
  return at + 1;
}

// @ts-ignore: decorators of functions are AssemblyScript's
@inline
export function zigzag(value: i64): u64 {
  return u64((value << 1) ^ (value >> 63));
}
