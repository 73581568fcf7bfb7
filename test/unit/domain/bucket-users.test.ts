import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BucketUsers } from '../../../src/domain/bucket-users.js';
import { anyUser } from './calls.js';
import { nameOf } from './pipeline.js';

/** Finds a user whose bytes lie somewhere in a buffer. */
function find(users: BucketUsers, user: string, hashLo: number): number {
  const bytes = Buffer.concat([Buffer.alloc(5, 0xee), Buffer.from(user, 'latin1'), Buffer.alloc(3, 0xee)]);
  const view = new DataView(bytes.buffer, bytes.byteOffset + 2, bytes.length - 2);
  return users.find(view, 3, user.length, hashLo);
}

const used = new BucketUsers();

test('users get the numbers in which they come, whatever their hashes, and keep them', () => {
  // The same user always has the same hash; different ones may share theirs.
  const anyHash = fc.func(fc.constantFrom(0, 1, -1, 255, 2 ** 31 - 1, -(2 ** 31)));
  fc.assert(
    fc.property(fc.array(anyUser, { maxLength: 200 }), anyHash, (names, hashOf) => {
      used.clear();
      const numbers = new Map<string, number>();
      for (const name of names) {
        if (!numbers.has(name)) numbers.set(name, numbers.size);
        expect(find(used, name, hashOf(name))).toBe(numbers.get(name));
      }
      expect(used.count).toBe(numbers.size);
      for (const [name, number] of numbers) {
        expect(nameOf(used, number)).toBe(name);
        expect(used.hashLo(number)).toBe(hashOf(name));
      }
    }),
  );
});

test('more users than it begins with are all found again, and forgotten all at once', () => {
  const USERS = 5000;
  const users = new BucketUsers();
  const hashOf = (user: number) => Math.imul(user, 0x9e3779b1) | 0;
  for (let round = 0; round < 3; round++) {
    for (let again = 0; again < 2; again++) {
      for (let user = 0; user < USERS; user++) {
        expect(find(users, `${round} ${user}`.padEnd(40, '.'), hashOf(user))).toBe(user);
      }
    }
    expect(users.count).toBe(USERS);
    users.clear();
    expect(users.count).toBe(0);
  }
});
