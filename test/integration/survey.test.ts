/** The survey of a range of the log before plan divides it into partitions. */
import { afterAll, beforeEach, expect, test } from 'vitest';
import { totalWidth } from '../../src/engine/cuts.js';
import { surveyRange } from '../../src/log/survey.js';
import { reset } from '../support/runs.js';
import { freshStack } from '../support/stack.js';

const stack = await freshStack();
afterAll(() => stack.close());
beforeEach(() => reset(stack));

const CALLS = 120_000;
const ALL = { first: 1n, last: 2n ** 62n };

/** Appends calls whose ids are an expression of g = 1, 2, 3 … */
async function callsAt(id: string): Promise<void> {
  await stack.pool.query(
    `insert into public.api_logs (id, user_id, usage, called_at) overriding system value
     select ${id}, 'alice', 1, now() from generate_series(1, ${CALLS}) g`,
  );
}

test('a range without gaps is one occupied range, and its calls are known', async () => {
  await callsAt('g + 7');
  const whole = { first: 8n, last: BigInt(CALLS + 7) };
  expect(await surveyRange(stack.pool, ALL)).toEqual({ occupied: [whole], calls: CALLS });
});

test('a range without calls has no occupied range', async () => {
  expect(await surveyRange(stack.pool, ALL)).toEqual({ occupied: [], calls: 0 });
});

test('a gap of any size is excluded', async () => {
  await callsAt('case when g <= 30000 then g else g + 1000000000000 end');
  const { occupied, calls } = await surveyRange(stack.pool, ALL);
  expect(Number(totalWidth(occupied))).toBeLessThan(1.1 * CALLS);
  expect(calls).toBeGreaterThan(0.9 * CALLS);
  expect(calls).toBeLessThan(1.1 * CALLS);
});

test('the estimate is near the number of calls if every tenth position has one', async () => {
  await callsAt('10 * g');
  const { calls } = await surveyRange(stack.pool, ALL);
  expect(calls).toBeGreaterThan(0.9 * CALLS);
  expect(calls).toBeLessThan(1.1 * CALLS);
});

test('the estimate is positive even if no sampled position has a call', async () => {
  await callsAt('1000000::bigint * g + 300');
  const { occupied, calls } = await surveyRange(stack.pool, ALL);
  expect(occupied.at(-1)!.last).toBe(1_000_000n * BigInt(CALLS) + 300n);
  expect(calls).toBeGreaterThan(0);
});
