/** What a roll-out and `helm rollback` need: a worker of the previous build starts and bills on the schema of this one. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as logs from '../support/logs.js';
import { type PreviousBuild, previousBuild } from '../support/previous-build.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;
let previous: PreviousBuild;

beforeAll(async () => {
  [stack, previous] = await Promise.all([freshStack(), previousBuild()]);
});
afterAll(async () => {
  await stack.close();
  await previous.remove();
});

test('the previous build starts on the schema of this one, bills exactly, and this one goes on from there', async ({
  annotate,
}) => {
  await annotate(`previous build: ${previous.origin}`);
  const { program } = previous;
  await logs.skewed(stack.pool, { calls: 1003 });
  const migrated = await meterfold(stack, ['migrate', '--json'], { program });
  expect(migrated).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(migrated.stdout)).toMatchObject({ applied: [] });

  const old = await startWorker(stack, { program });
  await expectExact(stack, await bill(stack));
  await logs.skewed(stack.pool, { calls: 1501 });
  await expectExact(stack, await bill(stack, { partitions: 3, shards: 3 }));
  await old.stop();

  await startWorker(stack);
  await logs.skewed(stack.pool, { calls: 997 });
  await expectExact(stack, await bill(stack));
  const verified = await meterfold(stack, ['verify']);
  expect(verified).toMatchObject({ code: 0 });
});
