import { expect, test } from 'vitest';
import type { Writer } from '../../../src/contract/writer.js';
import { stillWriting } from '../../../src/log/writers.js';

function writer(transaction: string, pid: number | null = 100): Writer {
  return { transaction, pid, application: null, user: null, startedAt: null, gid: null, hidden: null };
}

const cases: { name: string; listed: Writer[]; now: Writer[]; still: string[] }[] = [
  { name: 'nobody was listed', listed: [], now: [], still: [] },
  {
    name: 'nobody was listed, whoever writes now',
    listed: [],
    now: [writer('3/7'), writer('-1/800', null)],
    still: [],
  },
  { name: 'all have ended', listed: [writer('3/7'), writer('4/1')], now: [], still: [] },
  { name: 'one is still there', listed: [writer('3/7'), writer('4/1')], now: [writer('4/1')], still: ['4/1'] },
  { name: 'others have begun since', listed: [writer('3/7')], now: [writer('5/2'), writer('6/1')], still: [] },
  {
    name: 'the same backend is in its next transaction',
    listed: [writer('3/7', 100)],
    now: [writer('3/8', 100)],
    still: [],
  },
  {
    name: 'another backend took the pid of one that has ended',
    listed: [writer('3/7', 100)],
    now: [writer('9/1', 100)],
    still: [],
  },
  {
    name: 'one was prepared before',
    listed: [writer('3/7', null)],
    now: [writer('3/7', null)],
    still: ['3/7'],
  },
  {
    name: 'one was prepared meanwhile',
    listed: [writer('3/7')],
    now: [writer('3/7', null)],
    still: ['3/7'],
  },
  {
    name: 'one was prepared and has ended, and another one has begun and was prepared since',
    listed: [writer('3/7')],
    now: [writer('3/8', null)],
    still: [],
  },
  {
    name: 'one was prepared, and the server has restarted',
    listed: [writer('3/7')],
    now: [writer('-1/800', null)],
    still: ['-1/800'],
  },
  {
    name: 'one was prepared before a restart',
    listed: [writer('-1/800', null)],
    now: [writer('-1/800', null)],
    still: ['-1/800'],
  },
  {
    name: 'the server has restarted, and somebody else goes by the name of one that has ended',
    listed: [writer('3/7', 100)],
    now: [writer('3/7', 200)],
    still: ['3/7'],
  },
  {
    name: 'one prepared before a restart may be any, and those who have begun since are not',
    listed: [writer('3/7')],
    now: [writer('5/2'), writer('-1/800', null), writer('3/7')],
    still: ['-1/800', '3/7'],
  },
];

test.each(cases)('when $name, those who still write are $still', ({ listed, now, still }) => {
  expect(stillWriting(listed, now).map(({ transaction }) => transaction)).toEqual(still);
});

test('those who still write are told as they are now', () => {
  const listed = [{ ...writer('3/7'), application: 'importer' }];
  const now = [{ ...writer('3/7'), application: 'importer, second part' }];
  expect(stillWriting(listed, now)).toEqual(now);
});
