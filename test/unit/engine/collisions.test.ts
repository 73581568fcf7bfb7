/**
 * Users whose hashes collide are billed separately. The users below were found by trying 16 million ids, and 5 billion
 * pairs for the prefix. digest.test.ts and the first test here prove that the hashes are PostgreSQL's.
 */
import { describe, expect, test } from 'vitest';
import { PartitionMap } from '../../../src/engine/map.js';
import { call } from './calls.js';
import { billNaively, type Call, hashBytes } from './oracle.js';
import { billsOf, mapPartition, reduceShard } from './pipeline.js';

/** Users with the same high half of the hash, and so in the same bucket. */
const triples = [
  ['user-05177003', 'user-08535982', 'user-09057084'],
  ['user-01763680', 'user-06753960', 'user-12988890'],
  ['user-02711694', 'user-10847436', 'user-15896308'],
];
/** Users with the same high half, of which one is a prefix of the other. */
const prefix = ['user-264265', 'user-264265lyf'];
/** Users with the same low half and the same length, in different buckets. */
const pairs = [
  ['user-06803683', 'user-14677462'],
  ['user-09883858', 'user-11203684'],
  ['user-01235383', 'user-11171543'],
];

const hi = (user: string) => BigInt.asUintN(64, hashBytes(Buffer.from(user))) >> 32n;
const lo = (user: string) => BigInt.asUintN(32, hashBytes(Buffer.from(user)));

test('the hashes of the users above collide', () => {
  for (const users of [...triples, prefix]) expect(new Set(users.map(hi)).size).toBe(1);
  for (const users of pairs) {
    expect(new Set(users.map(lo)).size).toBe(1);
    expect(new Set(users.map(hi)).size).toBe(2);
  }
});

/** A log in which each user has one call more than the previous one. */
function logOf(users: readonly string[]): Call[] {
  const calls = users.flatMap((user, i) => new Array<string>(i + 1).fill(user));
  return calls.map((user, i) => call(i + 1, user, 10 ** (i % 9)));
}

function mapped(log: readonly Call[], callsMax: number) {
  return mapPartition(new PartitionMap(callsMax), 0, { first: 1n, last: BigInt(log.length) }, log).spills;
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

describe.each([...triples, prefix, ...pairs])('%s and %s', (...users) => {
  test.each(permutations(users))('are billed separately in the order %s, %s', (...order) => {
    const log = logOf(order);
    for (const callsMax of [1, 2, 100]) {
      for (const bytesMax of [1, 2 ** 30]) {
        const options = { bytesMax, callsPerCycle: 2, carriedIn: new Map() };
        const { cycles, open } = reduceShard(mapped(log, callsMax), { first: 0, end: 4096 }, options);
        expect(billsOf(cycles, open)).toEqual(billNaively(log, 2));
      }
    }
  });
});

test('all of them together, among many other users, are billed separately', () => {
  const others = Array.from({ length: 500 }, (_, i) => `other-${i}`);
  const users = [...prefix.toReversed(), ...others, ...triples.flat().toReversed(), ...pairs.flat()];
  const log = [...users, ...users, ...users.toReversed()].map((user, i) => call(i + 1, user, i));
  const options = { bytesMax: 200, callsPerCycle: 2, carriedIn: new Map() };
  const { cycles, open } = reduceShard(mapped(log, 700), { first: 0, end: 4096 }, options);
  expect(billsOf(cycles, open)).toEqual(billNaively(log, 2));
});
