/**
 * An exact sum of many non-negative integers below 2^52, in two doubles: adding a bigint per call would allocate one, and
 * one double loses exactness past 2^53, which a sum of usages reaches at once.
 */
export const CARRY = 2 ** 52;

export class ExactSum {
  #rest = 0;
  #carries = 0;

  add(value: number): void {
    const sum = this.#rest + value;
    if (sum >= CARRY) {
      this.#rest = sum - CARRY;
      this.#carries++;
    } else this.#rest = sum;
  }

  /** Adds 2^52. */
  carry(): void {
    this.#carries++;
  }

  reset(): void {
    this.#rest = 0;
    this.#carries = 0;
  }

  toBigInt(): bigint {
    return BigInt(this.#carries) * BigInt(CARRY) + BigInt(this.#rest);
  }
}
