import { describe, expect, test } from 'vitest';
import {
  type Backend,
  judge,
  NOTICED_MS,
  NOTICED_MS_MAX,
  type Observation,
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
const waiting: Observation['clientState'] = { sentBytes: undefined };
const observation = (own: Partial<Backend>, clientState = waiting): Observation => ({
  clientState,
  backend: backend(own),
});

test.each(Object.entries(NOTICED_MS))('a dead connection that is %s is noticed within the limit', (_, ms) => {
  expect(ms).toBeLessThanOrEqual(NOTICED_MS_MAX);
});

test('the server ends the session of a vanished client before the second observation', () => {
  expect(SERVER_NOTICES_MS).toBeLessThan(2 * SILENT_TICKS * TICK_MS);
});

test('if the session has ended, the connection is dead at the first observation', () => {
  expect(judge({ clientState: waiting, backend: undefined }, undefined)).toEqual({
    sign: expect.stringContaining('has ended'),
  });
});

describe('these signs of a dead connection need two observations:', () => {
  const copyIn = { command: 'COPY FROM', waitEvent: 'ClientRead' };
  test.each<[string, Observation, Observation, string]>([
    [
      'no other connection',
      { clientState: waiting, backend: null },
      { clientState: waiting, backend: null },
      'no other connection',
    ],
    ['idle', observation({ state: 'idle' }), observation({ state: 'idle' }), 'waits for a statement'],
    [
      'idle in a transaction',
      observation({ state: 'idle in transaction' }),
      observation({ state: 'idle in transaction' }),
      'waits',
    ],
    [
      'the session cannot send',
      observation({ waitEvent: 'ClientWrite' }),
      observation({ waitEvent: 'ClientWrite' }),
      'client to read its rows',
    ],
    [
      'the session has received half a statement',
      observation({ waitEvent: 'ClientRead' }),
      observation({ waitEvent: 'ClientRead' }),
      'more of the',
    ],
    [
      'rows in flight at the first observation have not arrived at the second',
      observation({ ...copyIn, copiedBytes: 100 }, { sentBytes: 200 }),
      observation({ ...copyIn, copiedBytes: 100 }, { sentBytes: 300 }),
      'rows that were sent',
    ],
    [
      'rows that were sent have not been received',
      observation({ command: 'COPY TO', copiedBytes: 10_000 }),
      observation({ command: 'COPY TO', copiedBytes: 1_000_000 }),
      'did not arrive',
    ],
  ])('%s', (_, first, second, sign) => {
    expect(judge(first, undefined)).toBe('doubtful');
    expect(judge(second, first)).toEqual({ sign: expect.stringContaining(sign) });
  });
});

describe('no sign of a dead connection', () => {
  test.each<[string, Observation]>([
    ['a session that computes', observation({})],
    ['a session that waits for a lock or a disk', observation({ waitEvent: null })],
    [
      'a session that waits for rows, all of which have arrived',
      observation({ waitEvent: 'ClientRead', copiedBytes: 9 }, { sentBytes: 9 }),
    ],
    ['a session that the role may not see', observation({ state: null })],
    ['a server that does not report the activity of sessions', observation({ state: 'disabled' })],
  ])('%s', (_, seen) => {
    expect(judge(seen, undefined)).toBe('alive');
    expect(judge(seen, { clientState: waiting, backend: null })).toBe('alive');
  });

  test('a COPY that has sent no more than its buffer holds', () => {
    const first = observation({ command: 'COPY TO', copiedBytes: 10_000 });
    expect(judge(first, undefined)).toBe('doubtful');
    expect(judge(observation({ command: 'COPY TO', copiedBytes: 20_000 }), first)).toBe('alive');
  });

  test('rows sent after the first observation may still be in transit', () => {
    const first = observation({ waitEvent: 'ClientRead', copiedBytes: 50 }, { sentBytes: 100 });
    expect(judge(first, undefined)).toBe('doubtful');
    expect(judge(observation({ waitEvent: 'ClientRead', copiedBytes: 100 }, { sentBytes: 200 }), first)).toBe('alive');
  });
});
