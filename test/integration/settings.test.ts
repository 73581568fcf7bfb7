/** What a role, a database and a server set for their sessions does not reach a run. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, reset } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
});
afterAll(() => stack.close());
beforeEach(() => reset(stack));

describe('a whole run bills exactly, and nothing is tried twice, although the database sets', () => {
  afterEach(() => stack.pool.query(`alter database ${stack.databaseName} reset all`));

  test.each([
    ['statement_timeout', '5ms'],
    ['transaction_timeout', '50ms'],
  ])('%s to %s', async (name, value) => {
    await logs.uniform(stack.pool, { calls: 20_000 });
    await stack.pool.query(`alter database ${stack.databaseName} set ${name} = '${value}'`);
    const worker = await startWorker(stack);
    const run = await meterfold(stack, ['run', '--json']);
    expect(run.code).toBe(0);
    await expectExact(stack, await bill(stack));
    await worker.stop();
  });
});
