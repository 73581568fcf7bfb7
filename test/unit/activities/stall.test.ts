import { expect, test } from 'vitest';
import { Stall } from '../../../src/activities/heartbeat.js';
import { HEARTBEAT_MS, STALLED_MS } from '../../../src/contract/timeouts.js';

const TICKS = STALLED_MS / HEARTBEAT_MS;

function ticks(stall: Stall, count: number): boolean[] {
  return Array.from({ length: count }, () => stall.tick());
}

test('an attempt is stalled after STALLED_MS without progress, not earlier', () => {
  const stall = new Stall(() => false, { calls: 0 });
  expect(ticks(stall, TICKS - 1)).not.toContain(true);
  expect([stall.tick(), stall.isNew]).toEqual([true, true]);
  expect([stall.tick(), stall.isNew]).toEqual([true, false]);
});

test('progress on a connection ends a stall', () => {
  let progressed = false;
  const stall = new Stall(() => progressed, { calls: 0 });
  expect(ticks(stall, TICKS).at(-1)).toBe(true);
  progressed = true;
  expect(stall.tick()).toBe(false);
  progressed = false;
  expect(ticks(stall, TICKS - 1)).not.toContain(true);
});

test('calls that were counted are progress', () => {
  const progress = { calls: 0 };
  const stall = new Stall(() => false, progress);
  ticks(stall, TICKS - 1);
  progress.calls++;
  expect(ticks(stall, TICKS)).not.toContain(true);
  expect(stall.tick()).toBe(true);
});
