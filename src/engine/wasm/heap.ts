/**
 * A heap for data whose size is not known beforehand: the users of a bucket and their tables.
 *
 * It starts behind all other memory, grows upwards, and is freed only as a whole. When the WebAssembly memory is full,
 * it grows by at least 1 MiB; this detaches JavaScript's views of it.
 */

/** Pages of 64 KiB. */
const GROWTH_PAGES_MIN = 16;

let heap: usize = 0;
let free: usize = 0;

export function openHeap(at: usize): void {
  heap = at;
  free = at;
}

export function clearHeap(): void {
  free = heap;
}

/** Returns the address of `bytes` bytes at a multiple of 8, with undefined contents. */
export function allocate(bytes: u32): usize {
  const at = free;
  free += (bytes + 7) & ~7;
  const pages = i32((free + 0xffff) >>> 16) - memory.size();
  if (pages > 0) memory.grow(max(pages, GROWTH_PAGES_MIN));
  return at;
}
