/** Bytes that are copied and compared in words. */

/** So many are copied at a time: what is too much has to lie within the place, or to be written over. */
export const COPIED: u32 = 16;

/** Copies bytes, and up to COPIED − 1 more. */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
export function copyBytes(to: usize, from: usize, length: u32): void {
  for (let byte: u32 = 0; byte < length; byte += COPIED) v128.store(to + byte, v128.load(from + byte));
}

/** Whether bytes are the same; up to 7 more can be read behind them. */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
export function sameBytes(one: usize, other: usize, length: u32): bool {
  let byte: u32 = 0;
  for (; byte + 8 <= length; byte += 8) if (load<u64>(one + byte) !== load<u64>(other + byte)) return false;
  const rest = (u64(1) << (u64(length - byte) << 3)) - 1;
  return ((load<u64>(one + byte) ^ load<u64>(other + byte)) & rest) === 0;
}
