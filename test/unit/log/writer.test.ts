import { expect, test } from 'vitest';
import type { Writer } from '../../../src/contract/writer.js';
import { stillWriting } from '../../../src/log/writers.js';

function writer(transaction: string, pid: number | null = 100): Writer {
  return { transaction, pid, application: null, user: null, startedAt: null, gid: null, hidden: null };
}

const cases: { name: string; listed: Writer[]; now: Writer[]; still: string[] }[] = [
  { name: 'no writer was listed', listed: [], now: [], still: [] },
  {
    name: 'no writer was listed, and others write now',
    listed: [],
    now: [writer('3/7'), writer('-1/800', null)],
    still: [],
  },
  { name: 'all have ended', listed: [writer('3/7'), writer('4/1')], now: [], still: [] },
  { name: 'one still writes', listed: [writer('3/7'), writer('4/1')], now: [writer('4/1')], still: ['4/1'] },
  { name: 'others have started since', listed: [writer('3/7')], now: [writer('5/2'), writer('6/1')], still: [] },
  {
    name: 'the same backend is in its next transaction',
    listed: [writer('3/7', 100)],
    now: [writer('3/8', 100)],
    still: [],
  },
  {
    name: 'another backend has the pid of one that has ended',
    listed: [writer('3/7', 100)],
    now: [writer('9/1', 100)],
    still: [],
  },
  {
    name: 'one was already prepared',
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
    name: 'one was prepared and has ended, and another one has started and was prepared since',
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
    name: 'the server has restarted, and a new transaction has the id of one that has ended',
    listed: [writer('3/7', 100)],
    now: [writer('3/7', 200)],
    still: ['3/7'],
  },
  {
    name: 'one was prepared before a restart, and new transactions have started since',
    listed: [writer('3/7')],
    now: [writer('5/2'), writer('-1/800', null), writer('3/7')],
    still: ['-1/800', '3/7'],
  },
];

test.each(cases)('when $name, the remaining writers are $still', ({ listed, now, still }) => {
  expect(stillWriting(listed, now).map(({ transaction }) => transaction)).toEqual(still);
});

test('the remaining writers are returned with their current details', () => {
  const listed = [{ ...writer('3/7'), application: 'importer' }];
  const now = [{ ...writer('3/7'), application: 'importer, second part' }];
  expect(stillWriting(listed, now)).toEqual(now);
});
