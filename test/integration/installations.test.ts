/** Two installations with their own databases in one Temporal namespace. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readInstallation } from '../../src/schema/installation.js';
import { camelCased } from '../support/documents.js';
import { eventually } from '../support/eventually.js';
import { holdMap } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { type CommandResult, meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, failureOf, published, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

/** Both use the namespace of the first. */
let first: Stack;
let second: Stack;
let env: Record<string, string>;
let ids: { first: string; second: string };

beforeEach(async () => {
  [first, second] = await Promise.all([freshStack(), freshStack()]);
  env = { TEMPORAL_NAMESPACE: first.namespace };
  await Promise.all([
    logs.skewed(first.pool, { calls: 503 }),
    logs.skewed(second.pool, { calls: 707, seed: 2 }),
    // Both databases are clones of one template, so they have the same installation id.
    second.pool.query('update meterfold.installation set installation_id = gen_random_uuid()'),
  ]);
  ids = { first: await readInstallation(first.pool), second: await readInstallation(second.pool) };
});
afterEach(async () => {
  await second.close();
  await first.close();
});

const own = (stack: Stack) => meterfold(stack, ['run', '--json'], { env });
const refusal = (asked: string, worker: string) =>
  `the run bills the database of installation ${asked}, and this worker's DATABASE_URL is that of installation ${worker}: ` +
  'give the workers, schedule and commands of each installation a TEMPORAL_TASK_QUEUE of its own';

function expectRefused({ code, stderr }: CommandResult, asked: string, worker: string): void {
  expect(code).toBe(1);
  expect(stderr).toContain(refusal(asked, worker));
}

test('with their own task queues bill at the same time', async () => {
  const other = { ...env, TEMPORAL_TASK_QUEUE: 'billing-second' };
  await startWorker(first, { env });
  await startWorker(second, { env: other });
  const results = await Promise.all([own(first), meterfold(second, ['run', '--json'], { env: other })]);
  for (const result of results)
    expect(result).toMatchObject({ code: 0, stderr: expect.not.stringContaining('No worker') });
  await expectExact(first, published(camelCased(JSON.parse(results[0]!.stdout))));
  await expectExact(second, published(camelCased(JSON.parse(results[1]!.stdout))));
  const doctor = await meterfold(second, ['doctor'], { env: other });
  expect(doctor.stdout).toContain('polling task queue "billing-second"');
});

describe("on one task queue a run is refused by the other installation's worker", () => {
  test('when it is planned, before anything is written', async () => {
    await startWorker(second, { env });
    expectRefused(await own(first), ids.first, ids.second);
    expect(await runRows(first)).toEqual([]);
    expect(await runRows(second)).toEqual([]);
  });

  test('while mapping, even if only its plan names the installation; the next run of its own installation discards it, and bills', async () => {
    const planner = await startWorker(first, { env });
    const held = await holdMap(first);
    const run = await startRun(first, [{ partitions: 2, shards: 2 }]);
    await held.waiting();
    const other = await startWorker(second, { env });
    planner.kill('SIGKILL');
    expect(await failureOf(run)).toMatchObject({
      type: 'OtherInstallationError',
      nonRetryable: true,
      message: refusal(ids.first, ids.second),
    });
    await held.release();
    await other.stop();
    await startWorker(first, { env });
    await expectExact(first, await bill(first));
    expect((await runRows(first)).map(({ state }) => state)).toEqual(['discarded', 'published']);
    expect(await runRows(second)).toEqual([]);
  });
});

describe('a schedule', () => {
  const schedule = (stack: Stack, args: string[], more: Record<string, string> = {}) =>
    meterfold(stack, ['schedule', ...args], { env: { ...env, ...more } });

  test('of one installation is neither changed nor removed by another', async () => {
    expect(await schedule(first, ['set', '--every', '1d'])).toMatchObject({ code: 0, stderr: '' });
    for (const args of [['set', '--every', '5m'], ['pause'], ['resume'], ['trigger'], ['remove']]) {
      expect(await schedule(second, args)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(
          `Schedule meterfold-billing in namespace "${first.namespace}" bills the database of installation ${ids.first}, and DATABASE_URL is that of ` +
            `installation ${ids.second}: give this one a TEMPORAL_TASK_QUEUE of its own`,
        ),
      });
    }
    expect((await schedule(first, ['show', '--json'])).stdout).toContain('"every 1d"');
    expect(await schedule(first, ['set', '--every', '2d'])).toMatchObject({ code: 0, stderr: '' });
    expect(await schedule(first, ['remove'])).toMatchObject({ code: 0, stderr: '' });
  });

  test('is named after the task queue, so that each installation has its own', async () => {
    const other = { TEMPORAL_TASK_QUEUE: 'billing-second' };
    expect(await schedule(first, ['set', '--every', '1d'])).toMatchObject({ code: 0 });
    expect(await schedule(second, ['set', '--every', '1d'], other)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Created schedule meterfold-billing-billing-second.'),
    });
    await startWorker(second, { env: { ...env, ...other } });
    await schedule(second, ['trigger'], other);
    await eventually('the scheduled run of the second one is published', async () => {
      const [run] = await runRows(second);
      return run?.state === 'published' && run.workflowId.startsWith('meterfold-billing-scheduled-billing-second-');
    });
    expect(await runRows(first)).toEqual([]);
  });

  test('can be paused while the database is unavailable; the command reports that the owner was not checked', async () => {
    await schedule(first, ['set', '--every', '1d']);
    const url = new URL(first.databaseUrl);
    url.port = '1';
    const paused = await schedule(first, ['pause'], { DATABASE_URL: url.toString() });
    expect(paused).toMatchObject({ code: 0, stdout: expect.stringContaining('Paused schedule meterfold-billing') });
    expect(paused.stderr).toContain(
      'Whether schedule meterfold-billing belongs to this installation was not checked: ',
    );
  });
});
