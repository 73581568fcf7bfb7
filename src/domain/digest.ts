/**
 * The digest of a set of calls: a 64-bit hash of each call, summed mod 2^64, so that it does not depend on the order and a
 * call that is doubled or lost shows (under XOR a doubled one would cancel itself out). In SQL:
 *
 *   sum(hashint8extended(id, hashtextextended(user_id, 0) # usage)::numeric) mod 2^64
 */
import { Hash64 } from './hash.js';

export class Digest {
  #hi = 0;
  #lo = 0;
  readonly #hash = new Hash64();

  /** Adds one call. userHi and userLo are the halves of the user's hash; id and usage likewise. */
  add(userHi: number, userLo: number, idHi: number, idLo: number, usageHi: number, usageLo: number): void {
    this.#hash.int8(idHi, idLo, userHi ^ usageHi, userLo ^ usageLo);
    this.#plus(this.#hash.hi, this.#hash.lo);
  }

  reset(): void {
    this.#hi = 0;
    this.#lo = 0;
  }

  #plus(hi: number, lo: number): void {
    const low = (this.#lo >>> 0) + (lo >>> 0);
    this.#lo = low | 0;
    this.#hi = (this.#hi + hi + (low > 0xffffffff ? 1 : 0)) | 0;
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    return (this.#hi >>> 0).toString(16).padStart(8, '0') + (this.#lo >>> 0).toString(16).padStart(8, '0');
  }
}

export const EMPTY_DIGEST = '0000000000000000';

/** Digest of the union of disjoint sets of calls. */
export function addDigests(digests: Iterable<string>): string {
  let sum = 0n;
  for (const digest of digests) sum += BigInt(`0x${digest}`);
  return BigInt.asUintN(64, sum).toString(16).padStart(16, '0');
}
