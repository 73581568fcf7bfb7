import { describe, expect, test } from 'vitest';
import {
  defaultStart,
  type GeneratedCall,
  type GenerateOptions,
  generateCalls,
} from '../../../src/embedded/generate.js';

const options: GenerateOptions = { calls: 20_000, users: 1000, skew: 3, seed: 1, start: defaultStart };
const callsOf = (changed: Partial<GenerateOptions> = {}): GeneratedCall[] => [
  ...generateCalls({ ...options, ...changed }),
];

/** Returns the id of the user with this number. */
const userOf = (number: number) => `user-${String(number).padStart(7, '0')}`;

/** Returns the share of the calls that the first users make. */
function shareOf(calls: GeneratedCall[], users: number): number {
  return calls.filter((call) => call.userId < userOf(users)).length / calls.length;
}

describe('generated calls', () => {
  test('are the same for the same options, to the last field', () => {
    expect(callsOf()).toEqual(callsOf());
  });

  test('do not change between versions, so that measurements can be repeated', () => {
    expect(callsOf({ calls: 3 })).toEqual([
      {
        userId: 'user-0000102',
        callId: '1-0',
        endpoint: '/v1/search',
        method: 'GET',
        status: 200,
        usage: 42,
        calledAt: new Date('2026-10-01T00:00:00.000Z'),
      },
      {
        userId: 'user-0000105',
        callId: '1-1',
        endpoint: '/v1/chat/completions',
        method: 'POST',
        status: 200,
        usage: 97,
        calledAt: new Date('2026-10-01T00:00:00.025Z'),
      },
      {
        userId: 'user-0000004',
        callId: '1-2',
        endpoint: '/v1/chat/completions',
        method: 'POST',
        status: 200,
        usage: 19,
        calledAt: new Date('2026-10-01T00:00:00.050Z'),
      },
    ]);
  });

  test('start with the same calls for any number of calls', () => {
    expect(callsOf({ calls: 100 })).toEqual(callsOf().slice(0, 100));
  });

  test.each([2, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER])('differ for seed %i', (seed) => {
    const others = callsOf({ seed });
    expect(others.map(({ userId }) => userId)).not.toEqual(callsOf().map(({ userId }) => userId));
    expect(others[0]!.callId).not.toBe(callsOf({ calls: 1 })[0]!.callId);
  });

  test('have unique call ids', () => {
    expect(new Set(callsOf().map(({ callId }) => callId)).size).toBe(options.calls);
  });

  test('satisfy the limits of the log', () => {
    const fits = ({ userId, callId, endpoint, method, usage }: GeneratedCall) =>
      /^user-\d{7}$/.test(userId) &&
      userId < userOf(options.users) &&
      /^[-\w/]+$/.test(`${callId}${endpoint}${method}`) &&
      Number.isInteger(usage) &&
      usage >= 0 &&
      usage <= 100;
    expect(callsOf().filter((call) => !fits(call))).toEqual([]);
  });

  test('have usage exactly if they were not refused', () => {
    const calls = callsOf();
    expect(calls.filter(({ status, usage }) => usage > 0 !== (status === 200))).toEqual([]);
    const refused = calls.filter(({ status }) => status !== 200).length / calls.length;
    expect(refused).toBeCloseTo(1 / 40, 2);
  });

  test('have usages that are uniform from 1 to 100', () => {
    const usages = callsOf()
      .filter(({ status }) => status === 200)
      .map(({ usage }) => usage);
    expect(Math.min(...usages)).toBe(1);
    expect(Math.max(...usages)).toBe(100);
    expect(usages.reduce((sum, usage) => sum + usage, 0) / usages.length).toBeCloseTo(50.5, -0.5);
  });

  test('are 25 ms apart from the start, except late ones, which are logged up to ten minutes late', () => {
    const start = new Date('2027-01-01T00:00:00Z');
    const late = callsOf({ start }).map(({ calledAt }, number) => start.getTime() + number * 25 - calledAt.getTime());
    expect(Math.min(...late)).toBe(0);
    expect(Math.max(...late)).toBeLessThan(600_000);
    expect(late.filter((ms) => ms > 0).length / late.length).toBeCloseTo(1 / 50, 2);
    expect(callsOf({ start }).every(({ calledAt }) => calledAt >= start)).toBe(true);
  });
});

describe('the skew', () => {
  test('1 gives all users the same share', () => {
    const calls = callsOf({ skew: 1 });
    expect(shareOf(calls, 100)).toBeCloseTo(0.1, 1);
    expect(new Set(calls.map(({ userId }) => userId)).size).toBe(options.users);
  });

  // A user's number is below users × x if the draw is below x^(1/skew).
  test.each([2, 3, 4.5])('%d gives a tenth of the users a share of 0.1^(1/skew)', (skew) => {
    expect(shareOf(callsOf({ skew }), 100)).toBeCloseTo(0.1 ** (1 / skew), 1);
  });

  test('has no effect with one user', () => {
    expect(new Set(callsOf({ users: 1 }).map(({ userId }) => userId))).toEqual(new Set(['user-0000000']));
  });
});
