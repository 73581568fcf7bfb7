/** `larger`, with what the array has at its beginning. */
export function grown<Larger extends Uint8Array | Int32Array | Float64Array>(larger: Larger, array: Larger): Larger {
  larger.set(array);
  return larger;
}
