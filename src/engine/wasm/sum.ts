/** Exact sums of unsigned 64-bit integers: 128 bits in memory, the low half first. src/engine/kernel.ts reads them. */

const LOW = 0;
const HIGH = 8;
export const SUM_BYTES = 16;

export function clearSum(sum: usize): void {
  store<u64>(sum, 0, LOW);
  store<u64>(sum, 0, HIGH);
}

// @ts-ignore: decorators of functions are AssemblyScript's
@inline
export function addTo(sum: usize, value: u64): void {
  const low = load<u64>(sum, LOW) + value;
  store<u64>(sum, low, LOW);
  if (low < value) store<u64>(sum, load<u64>(sum, HIGH) + 1, HIGH);
}
