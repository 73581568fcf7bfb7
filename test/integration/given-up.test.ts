import { randomUUID } from 'node:crypto';
import { CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { attempt } from '../../src/runs/attempts.js';
import { fence } from '../../src/runs/run.js';
import { hold, holdCommit, holdMap, holdReduce, waitingFor } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { startPaused } from '../support/phases.js';
import { meterfold, startWorker } from '../support/processes.js';
import {
  bill,
  expectExact,
  failureOf,
  published,
  type RunHandle,
  reset,
  rowsOfRun,
  runRows,
  startRun,
} from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await startWorker(stack, { env: { LEASE_SECONDS: '60' } });
});
afterAll(() => stack.close());
beforeEach(async () => {
  await reset(stack);
  await logs.uniform(stack.pool, { calls: 1003 });
});

const holds = [
  { stage: 'mapping', holdStage: holdMap },
  { stage: 'reducing', holdStage: holdReduce },
];

describe.each(holds)('while $stage', ({ holdStage }) => {
  test('a run cancelled by `meterfold cancel` leaves no row', async () => {
    const held = await holdStage(stack);
    const run = await startRun(stack);
    await held.waiting();
    const cancelling = meterfold(stack, ['cancel', '1']);
    const endedEarly = cancelling.then((result) => {
      throw new Error(`it did not wait for the lock: ${JSON.stringify(result)}`);
    });
    await Promise.race([held.waiting({ query: 'delete from' }), endedEarly]);
    await held.release();
    expect(await cancelling).toEqual({
      code: 0,
      stdout: 'Run 1 is cancelled; nothing of it remains.\n',
      stderr: '',
    });
    await expectCancelled(run);
    expect(await meterfold(stack, ['cancel', '1', '--json'])).toMatchObject({ code: 0, stderr: '' });
    await expectExact(stack, await bill(stack));
  });
});

test('a run that turns out to be published while it is taken over stays, and the next one bills the new calls', async () => {
  const first = await startRun(stack, [{ partitions: 0 }]);
  await failureOf(first);
  await stack.pool.query(
    `insert into meterfold.runs (temporal_address, temporal_namespace, workflow_id, first_execution_run_id,
                                 execution_run_id, watermark, calls_per_cycle, price_per_unit, currency)
     values ($1, $2, $3, $4, $4, 0, 5, 0.0004, 'USD')`,
    [stack.temporalAddress, stack.namespace, first.workflowId, first.firstExecutionRunId],
  );
  const publisher = await hold(stack, `select from meterfold.runs where state = 'active' for update`);
  const second = await startRun(stack);
  await publisher.waiting({ query: 'for update' });
  await publisher.commit(
    `update meterfold.runs
        set state = 'published', published_at = now(), sealed_end = 0, proof = '{}', calls = 0, users = 0, cycles = 0,
            usage = 0, billed_usage = 0, amount = 0,
            carried_in_calls = 0, carried_in_usage = 0, carried_out_calls = 0, carried_out_usage = 0
      where state = 'active'`,
  );
  const result = published(await second.result());
  await expectExact(stack, result);
  expect((await runRows(stack)).map((run) => run.state)).toEqual(['published', 'published']);
});

test('an attempt that begins while its run is being given up leaves no row', async () => {
  const run = await startPaused(stack, 'mapping', 'reducing');
  const discarding = await holdCommit(stack, { on: 'update on meterfold.runs', when: `new.state = 'discarded'` });
  await run.cancel();
  const [discarder] = await discarding.waiting();
  const late = attempt(
    stack.pool,
    { runId: 1n, activityId: '9', target: { kind: 'reduce', number: 0 } },
    {},
    new AbortController().signal,
    (client) => fence(client, 1n),
  );
  const told = expect(late).rejects.toThrow('run 1 is discarded');
  await waitingFor(stack, discarder!.pid, 'the run');
  await discarding.over();
  await told;
  await expectCancelled(run);
});

test('a published run is not cancelled', async () => {
  const result = await bill(stack);
  expect(await meterfold(stack, ['cancel', '1'])).toEqual({
    code: 1,
    stdout: '',
    stderr: 'meterfold: Run 1 is already published: its bills stand.\n',
  });
  await expectExact(stack, result);
});

describe('a run whose workflow Temporal has forgotten', () => {
  test.each([
    ['its own Temporal', () => stack.temporalAddress],
    ['a Temporal that is gone', () => '127.0.0.1:1'],
  ])('is left alone while its lease is fresh, and taken over when it is old: %s', async (_title, address) => {
    await stack.pool.query(
      `with abandoned as (
         insert into meterfold.runs (temporal_address, temporal_namespace, workflow_id, first_execution_run_id,
                                     execution_run_id, watermark, calls_per_cycle, price_per_unit, currency)
         values ($1, $2, 'forgotten', $3, $3, 0, 5, 0.0004, 'USD') returning run_id)
       insert into meterfold.leases (run_id) select run_id from abandoned`,
      [address(), stack.namespace, randomUUID()],
    );
    const skipped = await (await startRun(stack)).result();
    expect(skipped).toMatchObject({ status: 'skipped', message: 'skipped: run 1 in progress' });

    await stack.pool.query(`update meterfold.leases set renewed_at = now() - interval '1 hour'`);
    const result = await bill(stack);
    await expectExact(stack, result);
    const [abandoned] = await runRows(stack);
    expect(abandoned).toMatchObject({ runId: '1', state: 'discarded' });
    expect(abandoned!.reason).toMatch(
      /^taken over by run-.*: Temporal does not know its workflow forgotten, and its lease is 36\d\d s old$/,
    );
  });
});

async function expectCancelled(run: RunHandle): Promise<void> {
  await expect(run.result()).rejects.toMatchObject({ cause: expect.any(CancelledFailure) });
  expect((await run.describe()).status.name).toBe('CANCELLED');
  expect(await runRows(stack)).toMatchObject([{ runId: '1', state: 'discarded', reason: 'cancelled' }]);
  expect(await rowsOfRun(stack, '1')).toEqual({});
}
