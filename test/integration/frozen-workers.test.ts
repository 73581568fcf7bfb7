import { describe, expect, type TestContext, test } from 'vitest';
import { contents } from '../support/contents.js';
import { holdMap, holdReduce } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { startWorker } from '../support/processes.js';
import { expectExact, published, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const TIMEOUT_MS = 120_000;
const env = { SPILL_CALLS: '400' };

/** Each test has its own stack, so that they wait for the heartbeat timeout at the same time. */
async function stackWithCalls({ onTestFinished }: TestContext): Promise<Stack> {
  const stack = await freshStack();
  onTestFinished(() => stack.close());
  await logs.skewed(stack.pool, { calls: 2003 });
  return stack;
}

describe.concurrent.each([
  { stage: 'map', holdStage: holdMap },
  { stage: 'reduce', holdStage: holdReduce },
])('a worker that is frozen in $stage', ({ holdStage }) => {
  test('delays no other worker, and changes nothing when it wakes up', { timeout: TIMEOUT_MS }, async (context) => {
    const stack = await stackWithCalls(context);
    const workers = [await startWorker(stack, { env }), await startWorker(stack, { env })];
    const hold = await holdStage(stack);
    const run = await startRun(stack, [{ partitions: 1, shards: 1 }]);
    const [waiting] = await hold.waiting();
    const frozen = workers.find(({ name }) => waiting!.application.endsWith(name))!;
    const other = workers.find((worker) => worker !== frozen)!;
    frozen.kill('SIGSTOP');
    await hold.waiting({ application: other.name });
    // The other worker's attempt has ended the server process of the frozen one.
    expect((await hold.waiting()).map((session) => session.pid)).not.toContain(waiting!.pid);
    await hold.release();
    const result = published(await run.result());
    await expectExact(stack, result);
    expect(result.activities.retried).toBeGreaterThanOrEqual(1);

    const before = await contents(stack);
    frozen.kill('SIGCONT');
    // It reports the end of its activity, and drains.
    expect(await frozen.stop()).toEqual({ code: 0, signal: null });
    expect(await contents(stack)).toEqual(before);
    await expectExact(stack, result);
  });
});
