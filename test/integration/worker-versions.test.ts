import { isGrpcServiceError } from '@temporalio/client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { holdMap } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { meterfold, runProgram, startWorker, type WorkerProcess } from '../support/processes.js';
import { bill, expectExact, published, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

/** A status code of gRPC. */
const NOT_FOUND = 5;

let stack: Stack;

beforeEach(async () => {
  stack = await freshStack();
  await logs.skewed(stack.pool, { calls: 1003 });
});
afterEach(() => stack.close());

/**
 * Starts a worker, and waits until Temporal knows the task queues of its version, which may be after the worker begins
 * to poll.
 */
async function startVersion(buildId: string, role: 'workflow' | 'all' = 'all'): Promise<WorkerProcess> {
  const worker = await startWorker(stack, {
    role,
    env: { TEMPORAL_DEPLOYMENT_NAME: 'billing', TEMPORAL_WORKER_BUILD_ID: buildId, SPILL_CALLS: '400' },
  });
  await eventually(`Temporal knows the task queues of version ${buildId}`, async () => {
    const known = await taskQueuesOf(buildId);
    return known.length === (role === 'all' ? 2 : 1);
  });
  return worker;
}

async function taskQueuesOf(buildId: string): Promise<unknown[]> {
  try {
    const { versionTaskQueues } = await stack.temporal.workflowService.describeWorkerDeploymentVersion({
      namespace: stack.namespace,
      deploymentVersion: { deploymentName: 'billing', buildId },
    });
    return versionTaskQueues ?? [];
  } catch (error) {
    if (isGrpcServiceError(error) && error.code === NOT_FOUND) return [];
    throw error;
  }
}

/** Runs a command of Temporal's CLI, as documented, without prompts. */
async function temporal(command: string): Promise<void> {
  const words = command.split(' ');
  expect(words.shift()).toBe('temporal');
  const { code, stderr } = await runProgram(stack, stack.temporalCli, [
    ...words,
    '--yes',
    '--address',
    stack.temporalAddress,
  ]);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
}

const setCurrent = (version: string) =>
  temporal(`temporal worker deployment set-current-version --deployment-name billing ${version}`);

interface Check {
  name: string;
  ok: boolean;
  warning?: true;
  found: string;
  fix?: string;
}

async function doctor(): Promise<Check> {
  const { stdout } = await meterfold(stack, ['doctor', '--json']);
  return JSON.parse(stdout).checks.find(({ name }: Check) => name === 'worker versions');
}

test('a versioned worker gets no work until its version is current; doctor reports that with the fix', async () => {
  const worker = await startVersion('1');
  const run = await startRun(stack);
  const check = await doctor();
  expect(check).toMatchObject({
    ok: false,
    found: 'no version is current: workers of "1" of deployment "billing" receive no work',
  });
  await temporal(check.fix!);
  const result = published(await run.result());
  expect(result.workers.map((share) => share.worker)).toEqual([worker.name]);
  await expectExact(stack, result);
  expect(await doctor()).toEqual({
    name: 'worker versions',
    ok: true,
    found: '"1" of deployment "billing" is current',
  });
});

test('a run stays with the version that began it, and the next run gets the new version', async () => {
  const older = await startVersion('1');
  await setCurrent('--build-id 1');
  const hold = await holdMap(stack);
  const run = await startRun(stack, [{ partitions: 2, shards: 2 }]);
  await hold.waiting();
  const newer = await startVersion('2');
  await setCurrent('--build-id 2');
  await hold.release();
  const first = published(await run.result());
  expect(first.workers.map((share) => share.worker)).toEqual([older.name]);
  await logs.uniform(stack.pool, { calls: 503 });
  const second = await bill(stack);
  expect(second.workers.map((share) => share.worker)).toEqual([newer.name]);
  await expectExact(stack, second);
});

test('a current version without workers for activities is a fault; the fix sets a version that has them', async () => {
  const older = await startVersion('1');
  await setCurrent('--build-id 1');
  await startVersion('2', 'workflow');
  await setCurrent('--build-id 2 --ignore-missing-task-queues');
  const check = await doctor();
  expect(check).toMatchObject({ ok: false, found: '"2" of deployment "billing" is current, but lacks workers' });
  await temporal(check.fix!);
  const result = await bill(stack);
  expect(result.workers.map((share) => share.worker)).toEqual([older.name]);
});

test('beside workers without a version, a worker with a version gets no work, and doctor warns', async () => {
  const unversioned = await startWorker(stack);
  await startVersion('1');
  const result = await bill(stack);
  expect(result.workers.map((share) => share.worker)).toEqual([unversioned.name]);
  expect(await doctor()).toMatchObject({ ok: true, warning: true });
  await setCurrent('--build-id 1');
  await setCurrent('--unversioned');
  expect(await doctor()).toMatchObject({ ok: true, warning: true });
});
