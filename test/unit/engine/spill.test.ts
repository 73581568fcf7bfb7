/** Calls are appended to buckets and packed, whatever the buckets, the hashes and the number of users. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { newKernel } from '../../../src/engine/kernel.js';
import { packSpill } from '../../../src/engine/spill.js';
import { anyLog } from './calls.js';
import { decode } from './decoder.js';
import type { Call } from './oracle.js';
import { append } from './pipeline.js';

const BASE = 1n;
const ARENA_BYTES = 2 ** 22;

const kernel = newKernel();
kernel.open(ARENA_BYTES, 2 * ARENA_BYTES);

/** Appends calls to the given buckets with the given hashes, and packs them. */
function pack(log: readonly Call[], bucketOf: (user: string) => number, hashOf: (user: string) => number) {
  kernel.clear();
  for (const own of log) {
    expect(kernel.hasRoom()).toBe(1);
    append(kernel, bucketOf(own.user), hashOf(own.user), { ...own, id: own.id - BASE });
  }
  expect(kernel.held.value).toBe(log.length);
  return decode(packSpill(kernel, BASE, kernel.packed.value));
}

test('any calls are unpacked as they were packed, bucket by bucket', () => {
  const aBucket = fc.func(fc.constantFrom(0, 1, 4095));
  const aHash = fc.func(fc.constantFrom(0, -1, 77));
  const nearBase = anyLog({ callsMax: 300, gapMax: 2n ** 44n }).map((log) =>
    log.map((own) => ({ ...own, id: own.id - (log[0]!.id - BASE) })),
  );
  fc.assert(
    fc.property(nearBase, aBucket, aHash, (log, bucketOf, hashOf) => {
      const packed = pack(log, bucketOf, hashOf);
      const buckets = [...new Set(log.map(({ user }) => bucketOf(user)))].sort((one, other) => one - other);
      expect(packed.map(({ bucket }) => bucket)).toEqual(buckets);
      for (const { bucket, users, calls } of packed) {
        const own = log.filter(({ user }) => bucketOf(user) === bucket);
        expect(calls).toEqual(own);
        expect(users).toEqual([...new Set(own.map(({ user }) => user))]);
      }
    }),
  );
});

test('a bucket can have thousands of users and many blocks', () => {
  const log = Array.from({ length: 20_000 }, (_, i) => ({
    id: BASE + BigInt(i),
    user: `${(i * 7919) % 5000}`.padStart(60, 'x'),
    usage: BigInt(i),
    calledAt: BigInt(-i),
  }));
  const [bucket, ...others] = pack(
    log,
    () => 9,
    (user) => Number(user.replace(/x/g, '')) % 100,
  );
  expect(others).toEqual([]);
  expect(bucket!.calls).toEqual(log);
  expect(bucket!.users).toHaveLength(5000);
});
