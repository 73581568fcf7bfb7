/**
 * The digest of a set of calls: the sum of a 64-bit hash of each call, mod 2^64.
 *
 *   digest = sum(hashint8extended(id, hashtextextended(user_id, 0) # usage)) mod 2^64
 *
 * The order of the calls does not matter, and a duplicate or missing call changes the digest. (With XOR instead of a
 * sum, a duplicate would cancel itself out.) Map and reduce compute it in the kernel, the recount in SQL
 * (log/recount.ts).
 */

/** Formats a digest as 16 hexadecimal digits. `digest` may be any integer that is congruent to it mod 2^64. */
export function digestText(digest: bigint): string {
  return BigInt.asUintN(64, digest).toString(16).padStart(16, '0');
}

/** Returns the digest of the union of disjoint sets of calls. */
export function addDigests(digests: Iterable<string>): string {
  let sum = 0n;
  for (const digest of digests) sum += BigInt(`0x${digest}`);
  return digestText(sum);
}
