/**
 * Varints of the format in src/engine/segment.ts. Source: LEB128, DWARF 5, section 7.6; zigzag as in Protocol Buffers.
 */

/** Writes an integer and returns the address behind it. */
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

/** The address behind the last varint read. */
export let varintEnd: usize = 0;

/** Reads an integer below 2^56. */
// @ts-ignore: decorators of functions are AssemblyScript's
@inline
export function readVarint(at: usize): u64 {
  let byte: u32 = load<u8>(at++);
  let value = u64(byte & 127);
  for (let shift: u64 = 7; byte > 127 && shift < 56; shift += 7) {
    byte = load<u8>(at++);
    value |= u64(byte & 127) << shift;
  }
  varintEnd = at;
  return value;
}

// @ts-ignore: decorators of functions are AssemblyScript's
@inline
export function unzigzag(value: u64): i64 {
  return i64(value >>> 1) ^ -i64(value & 1);
}
