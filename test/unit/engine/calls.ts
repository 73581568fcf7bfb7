/** Random calls for property tests: all users, usages, times and ids that the log may contain. */
import fc from 'fast-check';
import type { Call } from './oracle.js';

/**
 * Limits for properties that bill whole logs. A failing property stops shrinking early enough to print its seed;
 * otherwise the test's timeout would end it silently.
 */
export const HEAVY_MS = 60_000;
export const heavy = { interruptAfterTimeLimit: HEAVY_MS / 3 };

export const USAGE_MAX = 10n ** 15n;
/** 1970-01-01 and the last microsecond of 2099, in microseconds since 2000. */
export const CALLED_AT_MIN = BigInt(Date.UTC(1970) - Date.UTC(2000)) * 1000n;
export const CALLED_AT_MAX = BigInt(Date.UTC(2100) - Date.UTC(2000)) * 1000n - 1n;

/** Converts a text to a user of a test call: its bytes in UTF-8, one character each. */
export function userOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

const awkwardUsers = [
  'alice',
  '\ufeffalice',
  'alice ',
  "O'Brien",
  '"quoted", {json: []}',
  'line\nbreak\r\n\ttab',
  'back\\slash \\N',
  'Zoë',
  'Zoe\u0308',
  '日本語',
  '🙂'.repeat(64),
  'x'.repeat(255),
  'x'.repeat(256),
];

export const anyUser: fc.Arbitrary<string> = fc.oneof(
  fc.nat(20).map((n) => `user-${n}`),
  fc.constantFrom(...awkwardUsers).map(userOf),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).map(userOf),
  fc.uint8Array({ minLength: 1, maxLength: 256, size: 'max' }).map((bytes) => Buffer.from(bytes).toString('latin1')),
);

export const anyUsage: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: 0n, max: 1000n }),
  fc.constantFrom(0n, 127n, 128n, 2n ** 28n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 49n, USAGE_MAX - 1n, USAGE_MAX),
  fc.bigInt({ min: 0n, max: USAGE_MAX }),
);

const anyCalledAt = fc.oneof(
  fc.constantFrom(0n, -1n, 1n, CALLED_AT_MIN, CALLED_AT_MAX),
  fc.bigInt({ min: 840_000_000_000_000n, max: 840_000_000_001_000n }),
  fc.bigInt({ min: CALLED_AT_MIN, max: CALLED_AT_MAX }),
);

/** The difference of an id from the previous one. */
function gapUpTo(max: bigint): fc.Arbitrary<bigint> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant(1n) },
    { weight: 2, arbitrary: fc.bigInt({ min: 1n, max: 300n }) },
    { weight: 1, arbitrary: fc.constantFrom(2n ** 28n, 2n ** 32n - 1n, 2n ** 32n, max) },
    { weight: 1, arbitrary: fc.bigInt({ min: 1n, max }) },
  );
}

const firstIds = [1n, 2n ** 31n - 5n, 2n ** 32n - 5n, 2n ** 53n - 5n, 2n ** 53n + 1n, 2n ** 62n + 2n ** 32n - 5n];

export interface LogLimits {
  callsMax: number;
  usersMax?: number;
  gapMax?: bigint;
}

/** A log in the order of its ids. One user makes half of the calls. */
export function anyLog({ callsMax, usersMax = 12, gapMax = 2n ** 44n }: LogLimits): fc.Arbitrary<Call[]> {
  const users = fc.uniqueArray(anyUser, { minLength: 1, maxLength: usersMax, size: 'max' });
  const draw = fc.record({
    user: fc.oneof(fc.constant(0), fc.nat(usersMax - 1)),
    usage: anyUsage,
    calledAt: anyCalledAt,
    gap: gapUpTo(gapMax),
  });
  const draws = fc.array(draw, { maxLength: callsMax, size: 'max' });
  return fc.tuple(fc.constantFrom(...firstIds), users, draws).map(([firstId, names, calls]) => {
    let id = firstId - 1n;
    return calls.map(({ user, usage, calledAt, gap }) => {
      id += gap;
      return { id, user: names[user % names.length]!, usage, calledAt };
    });
  });
}

/** A call with an arbitrary time. */
export function call(id: bigint | number, user: string, usage: bigint | number = 1n): Call {
  return { id: BigInt(id), user: userOf(user), usage: BigInt(usage), calledAt: BigInt(id) % 1000n };
}
