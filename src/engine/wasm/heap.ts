/** Memory for what nobody knows the size of beforehand: at the end of all else, taken piece by piece, and given back as a whole. */

let heap: usize = 0;
let free: usize = 0;

export function openHeap(at: usize): void {
  heap = at;
  free = at;
}

export function clearHeap(): void {
  free = heap;
}

/** So many bytes at a multiple of 8; what is in them is not told. The memory may grow, and JavaScript's views of it are lost then. */
export function allocate(bytes: u32): usize {
  const at = free;
  free += (bytes + 7) & ~7;
  const pages = i32((free + 0xffff) >>> 16) - memory.size();
  if (pages > 0) memory.grow(max(pages, 16));
  return at;
}
