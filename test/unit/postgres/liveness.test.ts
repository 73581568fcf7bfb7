import { describe, expect, test } from 'vitest';
import {
  type Backend,
  judge,
  type Look,
  NOTICED_MS,
  NOTICED_MS_MAX,
  SERVER_NOTICES_MS,
  SILENT_TICKS,
  TICK_MS,
} from '../../../src/postgres/watch/liveness.js';

const backend = (own: Partial<Backend>): Backend => ({
  state: 'active',
  waitEvent: null,
  command: null,
  copiedBytes: 0,
  ...own,
});
const waiting: Look['asked'] = { sentBytes: undefined };
const look = (own: Partial<Backend>, asked = waiting): Look => ({ asked, backend: backend(own) });

test.each(Object.entries(NOTICED_MS))('a dead connection that is %s is noticed within the bound', (_, ms) => {
  expect(ms).toBeLessThanOrEqual(NOTICED_MS_MAX);
});

test('the server has ended the session of a client that has vanished before the second look at it', () => {
  expect(SERVER_NOTICES_MS).toBeLessThan(2 * SILENT_TICKS * TICK_MS);
});

test('a session that has ended is a dead connection at the first look', () => {
  expect(judge({ asked: waiting, backend: undefined }, undefined)).toEqual({
    sign: expect.stringContaining('has ended'),
  });
});

describe('signs of a dead connection need two looks', () => {
  const copyIn = { command: 'COPY FROM', waitEvent: 'ClientRead' };
  test.each<[string, Look, Look, string]>([
    [
      'no other connection',
      { asked: waiting, backend: null },
      { asked: waiting, backend: null },
      'no other connection',
    ],
    ['idle', look({ state: 'idle' }), look({ state: 'idle' }), 'waits for a statement'],
    ['idle in a transaction', look({ state: 'idle in transaction' }), look({ state: 'idle in transaction' }), 'waits'],
    ['it can not send', look({ waitEvent: 'ClientWrite' }), look({ waitEvent: 'ClientWrite' }), 'rows are taken'],
    ['it has half a statement', look({ waitEvent: 'ClientRead' }), look({ waitEvent: 'ClientRead' }), 'more of the'],
    [
      'rows in flight at the first look have not arrived at the second',
      look({ ...copyIn, copiedBytes: 100 }, { sentBytes: 200 }),
      look({ ...copyIn, copiedBytes: 100 }, { sentBytes: 300 }),
      'rows that were sent',
    ],
    [
      'rows sent that did not come',
      look({ command: 'COPY TO', copiedBytes: 10_000 }),
      look({ command: 'COPY TO', copiedBytes: 1_000_000 }),
      'did not arrive',
    ],
  ])('%s', (_, first, second, sign) => {
    expect(judge(first, undefined)).toBe('doubtful');
    expect(judge(second, first)).toEqual({ sign: expect.stringContaining(sign) });
  });
});

describe('no sign of a dead connection', () => {
  test.each<[string, Look]>([
    ['a session that computes', look({})],
    ['a session that waits for a lock or a disk', look({ waitEvent: null })],
    [
      'a session that waits for rows, all of which have arrived',
      look({ waitEvent: 'ClientRead', copiedBytes: 9 }, { sentBytes: 9 }),
    ],
    ['a session that the role may not see', look({ state: null })],
    ['a server that does not tell what sessions do', look({ state: 'disabled' })],
  ])('%s', (_, seen) => {
    expect(judge(seen, undefined)).toBe('alive');
    expect(judge(seen, { asked: waiting, backend: null })).toBe('alive');
  });

  test('a COPY that has sent no more than fits its buffer', () => {
    const first = look({ command: 'COPY TO', copiedBytes: 10_000 });
    expect(judge(first, undefined)).toBe('doubtful');
    expect(judge(look({ command: 'COPY TO', copiedBytes: 20_000 }), first)).toBe('alive');
  });

  test('rows sent after the first look may be on their way', () => {
    const first = look({ waitEvent: 'ClientRead', copiedBytes: 50 }, { sentBytes: 100 });
    expect(judge(first, undefined)).toBe('doubtful');
    expect(judge(look({ waitEvent: 'ClientRead', copiedBytes: 100 }, { sentBytes: 200 }), first)).toBe('alive');
  });
});
