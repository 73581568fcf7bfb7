/**
 * Copies and comparisons of short byte strings, in words. They access bytes behind the strings, which must be readable
 * or writable.
 */

/** Bytes that copyBytes() copies at a time. */
export const COPIED: u32 = 16;

/** Copies bytes, and up to COPIED − 1 bytes more. */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
export function copyBytes(to: usize, from: usize, length: u32): void {
  for (let byte: u32 = 0; byte < length; byte += COPIED) v128.store(to + byte, v128.load(from + byte));
}

/** True if the bytes are equal. Reads up to 7 bytes more. */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
export function sameBytes(one: usize, other: usize, length: u32): bool {
  let byte: u32 = 0;
  for (; byte + 8 <= length; byte += 8) if (load<u64>(one + byte) !== load<u64>(other + byte)) return false;
  const rest = (u64(1) << (u64(length - byte) << 3)) - 1;
  return ((load<u64>(one + byte) ^ load<u64>(other + byte)) & rest) === 0;
}
