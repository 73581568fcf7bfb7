/** How a map takes rows: which ones it skips or refuses, where it stops, and what it keeps between partitions. */
import { describe, expect, test } from 'vitest';
import { REFUSAL } from '../../../src/billing/call.js';
import { BUCKETS, STOP } from '../../../src/engine/layout.js';
import { PartitionMap, SPILL_CALLS_MAX } from '../../../src/engine/map.js';
import { CALLED_AT_MAX, CALLED_AT_MIN, call, USAGE_MAX, userOf } from './calls.js';
import { type Call, digestNaively } from './oracle.js';
import { feed, type LogRow, mapPartition, messageOf, reduceShard, takeSpill } from './pipeline.js';

/** Larger than the kernel's input. */
const LONG_NAME = 'x'.repeat(300_000);

function usersOf(log: readonly Call[]): string[] {
  const { spills } = mapPartition(new PartitionMap(10), 0, { first: log[0]!.id, last: log.at(-1)!.id }, log);
  const options = { bytesMax: 2 ** 30, callsPerCycle: 5, carriedIn: new Map() };
  return [...reduceShard(spills, { first: 0, end: BUCKETS }, options).open.keys()];
}

test.each([
  { name: 'the same id twice', ids: [5n, 6n, 6n], refused: 6n },
  { name: 'an id below the previous one', ids: [5n, 9n, 8n], refused: 8n },
  { name: 'an id 2^32 below the previous one', ids: [2n ** 33n, 2n ** 32n], refused: 2n ** 32n },
])('a map stops before $name', ({ ids, refused }) => {
  const map = new PartitionMap(10);
  map.reset(5n);
  const messages = ids.map((id) => messageOf(call(id, 'alice')));
  const bytes = Buffer.concat(messages);
  expect(map.take(bytes, 0, bytes.length)).toBe(bytes.length - messages.at(-1)!.length);
  expect([map.stopped, map.stoppedId, map.calls]).toEqual([STOP.DISORDER, refused, ids.length - 1]);
});

test('a map skips rows of other partitions, whatever they contain', () => {
  const map = new PartitionMap(10);
  map.reset(5n, 3n);
  const others = [call(4, LONG_NAME), call(2n ** 62n, ''), call(8, 'bob', -1n), call(1, 'bob')];
  const own = [call(5, 'alice', 2), call(7, 'bob', 40)];
  const log = [others[0]!, own[0]!, others[1]!, others[2]!, own[1]!, others[3]!];
  const bytes = Buffer.concat(log.map(messageOf));
  let end = 0;
  while (end < bytes.length) end = map.take(bytes, end, bytes.length);
  expect([map.stopped, end, map.calls, map.usage, map.digest]).toEqual([
    STOP.NO_ROW,
    bytes.length,
    2,
    42n,
    digestNaively(own),
  ]);
});

describe('a map refuses and skips a call', () => {
  const good: LogRow = call(6, 'bob', 7);
  test.each<[what: string, refusal: number, row: Partial<LogRow>]>([
    ['without a user', REFUSAL.USER, { user: null }],
    ['whose user is empty', REFUSAL.USER, { user: '' }],
    ['whose user has 257 bytes', REFUSAL.USER, { user: 'x'.repeat(257) }],
    ['whose row is larger than the input', REFUSAL.USER, { user: LONG_NAME }],
    ['without a usage', REFUSAL.USAGE, { usage: null }],
    ['with a usage below 0', REFUSAL.USAGE, { usage: -1n }],
    ['with a usage above 10^15', REFUSAL.USAGE, { usage: USAGE_MAX + 1n }],
    ['without a time', REFUSAL.TIME_MISSING, { calledAt: null }],
    ['before 1970', REFUSAL.TIME, { calledAt: CALLED_AT_MIN - 1n }],
    ['after 2099', REFUSAL.TIME, { calledAt: CALLED_AT_MAX + 1n }],
    ['at -infinity', REFUSAL.TIME, { calledAt: -(2n ** 63n) }],
    ['that violates every limit', REFUSAL.USER, { user: null, usage: null, calledAt: null }],
    ['with a wrong usage and no time', REFUSAL.USAGE, { usage: -5n, calledAt: null }],
    [
      'of a user that is too long, without a usage or time',
      REFUSAL.USER,
      { user: LONG_NAME, usage: null, calledAt: null },
    ],
  ])('%s', (_, refusal, row) => {
    const bad = { ...good, ...row };
    const map = new PartitionMap(10);
    map.reset(5n);
    const messages = [call(5, 'alice', 1), bad, call(7, 'alice', 2)].map(messageOf);
    const bytes = Buffer.concat(messages);
    const refused: unknown[] = [];
    for (let end = 0; end < bytes.length; ) {
      const next = map.take(bytes, end, bytes.length);
      expect(next).toBeGreaterThan(end);
      end = next;
      if (map.stopped === STOP.NO_ROW) continue;
      refused.push([map.stopped, end, map.refused]);
    }
    const behind = messages[0]!.length + messages[1]!.length;
    expect(refused).toEqual([[STOP.REFUSED, behind, { id: 6n, usage: bad.usage, refusal }]]);
    expect([map.calls, map.usage, map.lastPosition]).toEqual([2, 3n, 7n]);
  });

  test('only once it is complete, even if it is larger than the input', () => {
    const map = new PartitionMap(10);
    map.reset(5n);
    const bytes = messageOf({ ...good, user: LONG_NAME });
    for (const end of [100, 2 ** 18 - 1, 2 ** 18, 2 ** 18 + 1, bytes.length - 1]) {
      expect([map.take(bytes, 0, end), map.stopped]).toEqual([0, STOP.NO_ROW]);
    }
    expect([map.take(bytes, 0, bytes.length), map.stopped]).toEqual([bytes.length, STOP.REFUSED]);
  });
});

test('a map accepts a call at each limit', () => {
  const map = new PartitionMap(10);
  map.reset(1n);
  feed(map, { id: 1n, user: 'x', usage: 0n, calledAt: CALLED_AT_MIN });
  feed(map, { id: 2n, user: 'x'.repeat(256), usage: USAGE_MAX, calledAt: CALLED_AT_MAX });
  expect([map.calls, map.usage]).toEqual([2, USAGE_MAX]);
});

test('a map stops before an incomplete row, and before a message that is not a row', () => {
  const map = new PartitionMap(10);
  map.reset(1n);
  const [first, second] = [call(1, 'alice'), call(2, 'alice')].map(messageOf);
  const bytes = Buffer.concat([first!, second!]);
  for (let end = first!.length; end < bytes.length; end++) {
    map.reset(1n);
    expect([map.take(bytes, 0, end), map.stopped]).toEqual([first!.length, STOP.NO_ROW]);
  }
  const trailer = Buffer.from('d\0\0\0\x06\xff\xff', 'latin1');
  const done = Buffer.from('c\0\0\0\x04', 'latin1');
  for (const other of [trailer, done]) {
    map.reset(1n);
    expect(map.take(Buffer.concat([first!, other]), 0, first!.length + other.length)).toBe(first!.length);
    expect([map.stopped, map.calls]).toEqual([STOP.NO_ROW, 1]);
  }
});

test('a map takes many rows across several inputs', () => {
  const map = new PartitionMap(30_000);
  map.reset(1n);
  const log = Array.from({ length: 20_000 }, (_, i) => call(i + 1, `user-${i % 77}`, i));
  const bytes = Buffer.concat(log.map(messageOf));
  expect(bytes.length).toBeGreaterThan(3 * 2 ** 18);
  let end = 0;
  for (let next = -1; next !== end; ) {
    next = end;
    end = map.take(bytes, end, bytes.length);
  }
  expect([end, map.calls, map.digest]).toEqual([bytes.length, log.length, digestNaively(log)]);
});

test('reset() removes all calls of an earlier attempt', () => {
  const map = new PartitionMap(10);
  map.reset(100n);
  for (let id = 100; id < 107; id++) feed(map, call(id, `left over ${id}`, 9));
  const log = [call(1, 'alice', 3), call(2, 'bob', 4)];
  const { outcome } = mapPartition(map, 0, { first: 1n, last: 2n }, log);
  expect(outcome).toMatchObject({ calls: '2', usage: '7', digest: digestNaively(log), spills: 1 });
});

test('a map is full after as many calls as a spill holds, and reports the last position', () => {
  const map = new PartitionMap(2);
  map.reset(2n ** 60n);
  feed(map, call(2n ** 60n, 'alice'));
  expect(map.full).toBe(false);
  feed(map, call(2n ** 60n + 2n ** 40n, 'alice'));
  expect(map.full).toBe(true);
  expect(map.lastPosition).toBe(2n ** 60n + 2n ** 40n);
  takeSpill(map);
  expect(map.full).toBe(false);
});

test.each([0, -1, SPILL_CALLS_MAX + 1])('a map of %d calls a spill is refused', (callsMax) => {
  expect(() => new PartitionMap(callsMax)).toThrow('a spill holds 1 to 2000000 calls');
});

test('a byte order mark is part of the user name, as in PostgreSQL', () => {
  const log = [call(1, 'alice'), call(2, '\ufeffalice')];
  expect(usersOf(log).sort()).toEqual(['alice', userOf('\ufeffalice')].sort());
});
