import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { camelCased } from '../support/documents.js';
import { holdMap } from '../support/holds.js';
import * as logs from '../support/logs.js';
import {
  type CommandOptions,
  type CommandResult,
  meterfold,
  runProgram,
  startCommand,
  startWorker,
} from '../support/processes.js';
import { repositoryDir } from '../support/repository.js';
import { bill, expectExact, published, reset, runRows } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await startWorker(stack);
});
afterAll(() => stack.close());
beforeEach(() => reset(stack));

const run = (args: string[], options: CommandOptions = {}): Promise<CommandResult> => meterfold(stack, args, options);

/** Runs a command that must succeed; the JSON document on its standard output. */
async function json(args: string[], options: CommandOptions = {}) {
  const { code, stdout, stderr } = await run([...args, '--json'], options);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

test('`npx meterfold --version` works in the checkout', async () => {
  const { version } = JSON.parse((await runProgram(stack, 'cat', [`${repositoryDir}/package.json`])).stdout);
  const offline = { npm_config_offline: 'true', npm_config_update_notifier: 'false' };
  const result = await runProgram(stack, 'npx', ['meterfold', '--version'], { cwd: repositoryDir, env: offline });
  expect(result).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

test('an empty database is migrated by several processes at once, and again; with a worker, doctor finds no fault', async () => {
  const bare = await freshStack({ bare: true });
  try {
    const together = await Promise.all([1, 2, 3].map(() => meterfold(bare, ['migrate', '--json'])));
    expect(together.map(({ code, stderr }) => ({ code, stderr }))).toEqual(Array(3).fill({ code: 0, stderr: '' }));
    const results = together.map(({ stdout }) => JSON.parse(stdout));
    expect(results.flatMap(({ applied }) => applied).sort()).toEqual(results[0].current);

    const again = await meterfold(bare, ['migrate']);
    expect(again).toEqual({
      code: 0,
      stdout: `The log is guarded: public.api_logs takes inserts only.\nThe database is up to date at ${results[0].current.at(-1)}.\n`,
      stderr: '',
    });
    const alone = await meterfold(bare, ['doctor']);
    expect(alone.code).toBe(1);
    expect(alone.stdout).toMatch(/✗ workflow workers +none polls task queue "billing"\. Fix: meterfold worker/);

    // A run waits for a worker, and reports it.
    const waiting = startCommand(bare, ['run', '--json']);
    await waiting.noted('No worker polls the task queue "billing"');
    await startWorker(bare);
    const { code, stdout } = await waiting.result;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'published', calls: '0' });
    expect(await meterfold(bare, ['doctor'])).toMatchObject({ code: 0, stderr: '' });
  } finally {
    await bare.close();
  }
});

describe('generate', () => {
  const content = async () =>
    (
      await stack.pool.query(
        'select user_id, call_id, endpoint, method, status, usage, called_at from api_logs order by id',
      )
    ).rows;

  test('generates the same calls for the same options, and others for another seed', async () => {
    const options = ['generate', '--calls', '2000', '--users', '30', '--seed', '5'];
    const said = await run(options);
    expect(said).toMatchObject({ code: 0, stderr: '' });
    expect(said.stdout).toMatch(/^Appended 2,000 calls of up to 30 users to the log in .*\.\n$/);
    const first = await content();
    expect(first).toHaveLength(2000);
    await reset(stack);
    await run(options);
    expect(await content()).toEqual(first);
    await reset(stack);
    await run([...options.slice(0, -1), '6']);
    expect(await content()).not.toEqual(first);
  });

  test('generates a log that is billed exactly', async () => {
    await run(['generate', '--calls', '1_234', '--users', '20', '--skew', '1.5', '--start', '2026-11-01']);
    await expectExact(stack, await bill(stack));
  });
});

describe('run', () => {
  beforeEach(() => logs.skewed(stack.pool, { calls: 1203 }));

  test('--dry-run shows what the run then bills, and writes nothing', async () => {
    await bill(stack);
    await logs.skewed(stack.pool, { calls: 808, seed: 2 });
    const before = await written();
    const { status, active_run_id, ...dry } = await json(['run', '--dry-run']);
    expect({ status, active_run_id }).toEqual({ status: 'dry run', active_run_id: null });
    const text = await run(['run', '--dry-run']);
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout).toMatch(/808 calls of .*\nNothing was written\. Bill them with `meterfold run`\.\n$/s);
    expect(await written()).toEqual(before);

    const { frozen_calls_per_cycle: _, stops_at: __, bad_calls: ___, ...figures } = dry;
    expect(await json(['run'])).toMatchObject({ ...figures, calls: '808' });
  });

  test('--json prints the result with the seconds it took, as one document', async () => {
    const document = await json(['run', '--workflow-id', 'mine', '--partitions', '3']);
    const { workflowId, seconds, ...result } = camelCased(document);
    expect(document.workflow_id).toBe('mine');
    expect(workflowId).toBe('mine');
    expect(seconds).toBeGreaterThan(0);
    expect(result.activities).toMatchObject({ retried: 0 });
    expect(result).toEqual(await stack.temporal.workflow.getHandle('mine').result());
    await expectExact(stack, published(result));
  });

  test('prints the result in lines, and the progress on standard error', async () => {
    const { code, stdout, stderr } = await run(['run']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^run +1, published\nbilled +1,203 calls of 4\d users, log positions after 0 up to 1,203\n/);
    expect(stdout).toMatch(/\nactivities +\d of \d completed, 0 retried\ntook +\d+\.\d\d s by Temporal's clock\n$/);
    for (const line of stderr.trimEnd().split('\n')) expect(line).toMatch(/^(run \d+: )?[a-z]+(, .*)?$|^$/);
  });

  test('--detach returns at once, and the run continues', async () => {
    const map = await holdMap(stack);
    const { workflow_id: workflowId, first_execution_run_id: firstExecutionRunId } = await json(['run', '--detach']);
    await map.waiting();
    const [active] = await json(['runs']);
    expect(active).toMatchObject({ state: 'active', workflow_id: workflowId });
    expect((await run(['status', active.run_id])).stdout).toMatch(/^Run 1: active\n/);

    // Another run is skipped meanwhile.
    const beside = await run(['run']);
    expect(beside).toMatchObject({
      code: 0,
      stdout: 'skipped: run 1 in progress; nothing was billed. See `meterfold status 1`.\n',
    });
    await map.release();
    const handle = stack.temporal.workflow.getHandle(workflowId, firstExecutionRunId);
    await expectExact(stack, published(await handle.result()));
  });

  test('takes price and currency from its own environment', async () => {
    const env = { PRICE_PER_UNIT: '0.25', CURRENCY: 'CHF' };
    const result = await json(['run'], { env });
    expect(result).toMatchObject({ price_per_unit: '0.25', currency: 'CHF' });
    await expectExact(stack, published(camelCased(result)), { pricePerUnit: '0.25', currency: 'CHF' });
  });

  test('refuses another number of calls per cycle than the first run had, and starts nothing', async () => {
    await json(['run'], { env: { CALLS_PER_CYCLE: '5' } });
    const before = await written();
    const started = async () => (await stack.temporal.workflow.count()).count;
    const startedBefore = await started();
    for (const args of [['run'], ['run', '--dry-run'], ['run', '--detach']]) {
      expect(await run(args, { env: { CALLS_PER_CYCLE: '6' } })).toEqual({
        code: 2,
        stdout: '',
        stderr:
          'meterfold: CALLS_PER_CYCLE is 6, but the first run has frozen it at 5: set CALLS_PER_CYCLE=5, or unset it.\n',
      });
    }
    expect(await written()).toEqual(before);
    expect(await started()).toBe(startedBefore);
  });

  test('is refused in one sentence if Temporal is unreachable or a setting is wrong', async () => {
    const unreachable = await run(['run'], { env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } });
    expect(unreachable).toMatchObject({ code: 1, stdout: '' });
    expect(unreachable.stderr).toMatch(/^meterfold: Temporal is not reachable at 127\.0\.0\.1:1.*\n$/);
    const wrong = await run(['run'], { env: { PRICE_PER_UNIT: '-1', CALLS_PER_CYCLE: 'five', SPILL_CALLS: '0' } });
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toMatch(
      /^meterfold: Wrong settings:\n {2}PRICE_PER_UNIT .*\n {2}CALLS_PER_CYCLE .*\n {2}SPILL_CALLS .*\n$/,
    );
    expect(await run(['run', '--partitions', '0'])).toMatchObject({ code: 2, stdout: '' });
    expect(await runRows(stack)).toEqual([]);
  });
});

describe('what was billed', () => {
  test('is the same in statement, export and the view', async () => {
    await logs.weirdUsers(stack.pool, { calls: 2000 });
    await bill(stack);
    await logs.weirdUsers(stack.pool, { calls: 2000, seed: 2 });
    await bill(stack, { pricePerUnit: '0.123456789012', currency: 'EUR' });
    const { rows } = await stack.pool.query(
      `select cycle_number, usage, trim_scale(amount) as amount, currency, first_call_id, last_call_id, run_id
         from billing_records where user_id = 'Zoë' order by cycle_number`,
    );
    const statement = await json(['statement', 'Zoë']);
    expect(
      statement.cycles.map((cycle: Record<string, string>) => ({
        cycle_number: cycle.cycle_number,
        usage: cycle.usage,
        amount: cycle.amount,
        currency: cycle.currency,
        first_call_id: cycle.first_call_id,
        last_call_id: cycle.last_call_id,
        run_id: cycle.run_id,
      })),
    ).toEqual(rows);
    expect(statement.totals.map((total: { currency: string }) => total.currency).sort()).toEqual(['EUR', 'USD']);

    const { records } = await json(['export', '--run', '2']);
    const sums = await stack.pool.query(
      `select count(*)::integer as count, sum(usage)::text as usage from billing_records where run_id = 2`,
    );
    const usage = records.reduce((sum: bigint, record: { usage: string }) => sum + BigInt(record.usage), 0n);
    expect({ count: records.length, usage: String(usage) }).toEqual(sums.rows[0]);
  });
});

describe('worker', () => {
  test('reports in one sentence why it cannot start', async () => {
    const noTemporal = await run(['worker'], { env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } });
    expect(noTemporal).toMatchObject({ code: 1, stdout: '' });
    expect(noTemporal.stderr).toMatch(/^meterfold: Temporal is not reachable at 127\.0\.0\.1:1.*\n$/);
    const noNamespace = await run(['worker'], { env: { TEMPORAL_NAMESPACE: 'nowhere' } });
    expect(noNamespace).toMatchObject({ code: 1, stdout: '' });
    expect(noNamespace.stderr).toMatch(/^meterfold: Temporal at .* has no namespace "nowhere": create it .*\n$/);
    expect(await run(['worker', '--role', 'boss'])).toMatchObject({ code: 2, stdout: '' });
  });

  test('stops at once at a second signal, and the run continues without it', async () => {
    const own = await freshStack();
    try {
      await logs.uniform(own.pool, { calls: 500 });
      const worker = await startWorker(own);
      const map = await holdMap(own);
      const handle = await own.temporal.workflow.start('billingRun', {
        taskQueue: 'billing',
        workflowId: 'held',
        args: [],
      });
      await map.waiting();
      worker.kill('SIGINT');
      await worker.logged('"stopping"');
      worker.kill('SIGINT');
      expect(await worker.ended).toEqual({ code: 1, signal: null });
      expect((await handle.describe()).status.name).toBe('RUNNING');
      expect(await runRows(own)).toMatchObject([{ state: 'active' }]);
    } finally {
      await own.close();
    }
  });
});

test('doctor finds a sequence that assigns ids in blocks', async () => {
  await stack.pool.query('alter sequence public.api_logs_id_seq cache 20');
  try {
    const { code, stdout } = await run(['doctor']);
    expect(code).toBe(1);
    expect(stdout).toContain('✗ log');
    expect(stdout).toContain('Fix: alter sequence public.api_logs_id_seq cache 1');
  } finally {
    await stack.pool.query('alter sequence public.api_logs_id_seq cache 1');
  }
  expect(await run(['doctor'])).toMatchObject({ code: 0, stderr: '' });
});

/** What a command that writes nothing must not change. */
async function written() {
  const { rows } = await stack.pool.query(
    `select (select count(*) from meterfold.runs) as runs, (select count(*) from meterfold.seals) as seals,
            (select count(*) from meterfold.records) as records, (select count(*) from meterfold.open_cycles) as "openCycles",
            (select last_value from meterfold.runs_run_id_seq) as "lastRun"`,
  );
  return rows[0];
}
