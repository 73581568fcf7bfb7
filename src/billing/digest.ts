/**
 * The digest of a set of calls: a 64-bit hash of each call, summed mod 2^64, so that it does not depend on the order and a
 * call that is doubled or lost shows (under XOR a doubled one would cancel itself out). The kernels sum it; in SQL:
 *
 *   sum(hashint8extended(id, hashtextextended(user_id, 0) # usage)::numeric) mod 2^64
 */

/** 16 hexadecimal digits, of any integer that is the digest mod 2^64. */
export function digestText(digest: bigint): string {
  return BigInt.asUintN(64, digest).toString(16).padStart(16, '0');
}

/** Digest of the union of disjoint sets of calls. */
export function addDigests(digests: Iterable<string>): string {
  let sum = 0n;
  for (const digest of digests) sum += BigInt(`0x${digest}`);
  return digestText(sum);
}
