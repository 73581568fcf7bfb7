/**
 * Digests computed by PostgreSQL 18.4 with the SQL in the header of src/billing/digest.ts, mod 2^64 and in hexadecimal.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addDigests } from '../../../src/billing/digest.js';
import { PartitionMap } from '../../../src/engine/map.js';
import { anyLog, call, USAGE_MAX } from './calls.js';
import { type Call, digestNaively } from './oracle.js';
import { feed } from './pipeline.js';

const EMPTY_DIGEST = '0000000000000000';
const map = new PartitionMap(1000);

/** Maps one call at a time, so that calls may be in any order and repeated. */
function digestOf(calls: readonly Call[]): string {
  return addDigests(
    calls.map((call) => {
      map.reset(call.id);
      feed(map, call);
      return map.digest;
    }),
  );
}

const pinned: { name: string; digest: string; calls: Call[] }[] = [
  { name: 'one call of no usage', digest: '078b90190fc22b6d', calls: [call(1, 'alice', 0)] },
  {
    name: 'three calls of two users',
    digest: 'c77ca89f4e8769a2',
    calls: [call(1, 'alice', 1), call(2, 'alice', 2), call(3, 'bob', 3)],
  },
  {
    name: 'an id above 2^53 and the largest usage',
    digest: '20f3f672870c4223',
    calls: [call(2n ** 53n + 1n, 'alice', USAGE_MAX)],
  },
  {
    name: 'the largest ids, Unicode, and usages about 2^32 and 10^15',
    digest: '6d6c98747e7bffb8',
    calls: [
      call(2n ** 63n - 1n, 'Zoë', USAGE_MAX),
      call(2n ** 63n - 2n, '日本語', USAGE_MAX - 1n),
      call(2n ** 32n, '🙂', 2n ** 32n),
      call(2n ** 32n - 1n, 'line\nbreak', 2n ** 32n - 1n),
    ],
  },
  {
    name: 'users whose hashes have the same high half',
    digest: '3bdc5b7c59149262',
    calls: [call(10, 'user-05177003', 7), call(11, 'user-08535982', 7), call(12, 'user-09057084', 7)],
  },
  {
    name: 'a thousand calls, whose sum exceeds 2^64 many times',
    digest: 'a5da1819efc7c483',
    calls: Array.from({ length: 1000 }, (_, i) => {
      const n = BigInt(i + 1);
      return call(n * 1_000_003n, `user-${n % 7n}`, (n * 999_999_999_989n) % (USAGE_MAX + 1n));
    }),
  },
];

describe('the digest', () => {
  test.each(pinned)('of $name equals the one that PostgreSQL computes', ({ calls, digest }) => {
    expect(digestOf(calls)).toBe(digest);
  });

  test.each(pinned)('of $name does not depend on the order', ({ calls, digest }) => {
    expect(digestOf(calls.toReversed())).toBe(digest);
  });

  test('of any calls equals the oracle', () => {
    fc.assert(
      fc.property(anyLog({ callsMax: 40 }), (log) => {
        expect(digestOf(log)).toBe(digestNaively(log));
      }),
    );
  });

  test('of no calls is zero, also after a reset', () => {
    map.reset(1n);
    expect(map.digest).toBe(EMPTY_DIGEST);
    feed(map, call(3, 'alice', 4));
    expect(map.digest).not.toBe(EMPTY_DIGEST);
    map.reset(1n);
    expect(map.digest).toBe(EMPTY_DIGEST);
  });
});

describe('the digest changes with', () => {
  const someLog = anyLog({ callsMax: 30 }).filter((log) => log.length > 0);
  const someIndex = fc.nat(1000);

  test('a duplicate call', () => {
    fc.assert(
      fc.property(someLog, someIndex, (log, index) => {
        expect(digestOf([...log, log[index % log.length]!])).not.toBe(digestOf(log));
      }),
    );
  });

  test('a call that occurs three times, which XOR would not detect', () => {
    fc.assert(
      fc.property(someLog, someIndex, (log, index) => {
        const again = log[index % log.length]!;
        expect(digestOf([...log, again, again])).not.toBe(digestOf(log));
      }),
    );
  });

  test('a missing call', () => {
    fc.assert(
      fc.property(someLog, someIndex, (log, index) => {
        expect(digestOf(log.toSpliced(index % log.length, 1))).not.toBe(digestOf(log));
      }),
    );
  });

  test('usages swapped between two users', () => {
    const [mine, yours] = [call(7, 'alice', 10), call(8, 'bob', 20)];
    expect(
      digestOf([
        { ...mine, usage: 20n },
        { ...yours, usage: 10n },
      ]),
    ).not.toBe(digestOf([mine, yours]));
  });

  test('calls of equal usage swapped between two users', () => {
    const [mine, yours] = [call(7, 'alice', 10), call(8, 'bob', 10)];
    expect(
      digestOf([
        { ...mine, user: 'bob' },
        { ...yours, user: 'alice' },
      ]),
    ).not.toBe(digestOf([mine, yours]));
  });

  test('any single bit of an id or a usage', () => {
    const before = call(2n ** 62n + 2n ** 40n + 12_345n, 'alice', 2n ** 45n + 54_321n);
    const digest = digestOf([before]);
    for (let bit = 0n; bit < 63n; bit++)
      expect(digestOf([{ ...before, id: before.id ^ (1n << bit) }])).not.toBe(digest);
    for (let bit = 0n; bit < 50n; bit++) {
      expect(digestOf([{ ...before, usage: before.usage ^ (1n << bit) }])).not.toBe(digest);
    }
  });
});

describe('the sum of digests', () => {
  test('is the digest of the union, however the calls are divided', () => {
    fc.assert(
      fc.property(anyLog({ callsMax: 40 }), fc.array(fc.nat(4), { minLength: 40, maxLength: 40 }), (log, subsetOf) => {
        const subsets = [0, 1, 2, 3, 4].map((subset) => log.filter((_, i) => subsetOf[i] === subset));
        expect(addDigests(subsets.map(digestOf))).toBe(digestOf(log));
      }),
    );
  });

  test('is taken mod 2^64', () => {
    expect(addDigests(['ffffffffffffffff', '0000000000000002'])).toBe('0000000000000001');
    expect(addDigests(['8000000000000000', '8000000000000000'])).toBe(EMPTY_DIGEST);
  });

  test('keeps leading zeros', () => {
    expect(addDigests(['00000000000000ff', '0000000000000001'])).toBe('0000000000000100');
  });

  test('of no digests is the digest of no calls', () => {
    expect(addDigests([])).toBe(EMPTY_DIGEST);
  });
});
