import { afterAll, beforeAll, expect, test } from 'vitest';
import { readLag } from '../../src/log/lag.js';
import { eventually } from '../support/eventually.js';
import { holdMap } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { metricsPort } from '../support/metrics.js';
import { expressions, metricsIn } from '../support/monitoring.js';
import { startHeld, startPaused } from '../support/phases.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, failureOf, fannedOut, published, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;
let port: Awaited<ReturnType<typeof metricsPort>>;

beforeAll(async () => {
  stack = await freshStack();
  port = await metricsPort();
  await logs.skewed(stack.pool, { calls: 1003 });
  await startWorker(stack, { env: { ...port.env, SPILL_CALLS: '400' } });
});
afterAll(() => stack.close());

test('counters begin at 0, and the lag shows calls that are not billed', async () => {
  const waiting = await eventually('the lag is read', async () => {
    const metrics = await port.read();
    return metrics.value('meterfold_log_lag_calls') !== undefined && metrics;
  });
  expect(waiting.value('meterfold_log_lag_calls')).toBe(1003);
  expect(waiting.value('meterfold_log_lag_seconds')).toBeGreaterThan(0);
  expect(waiting.value('meterfold_last_published_timestamp_seconds')).toBeUndefined();
  for (const outcome of ['published', 'skipped', 'cancelled', 'failed']) {
    expect({ outcome, runs: waiting.value('meterfold_runs_total', { outcome }) }).toEqual({ outcome, runs: 0 });
  }
  for (const name of ['proof_failures', 'calls_billed', 'cycles_closed']) {
    expect({ name, value: waiting.value(`meterfold_${name}_total`) }).toEqual({ name, value: 0 });
  }
});

test('a published run is counted: its calls, cycles and amount, its phases and its retries', async () => {
  const hold = await holdMap(stack);
  const run = await startRun(stack, [{ partitions: 1, shards: 1 }]);
  const [waiting] = await hold.waiting();
  await stack.pool.query('select pg_terminate_backend($1)', [waiting!.pid]);
  await hold.release();
  const { calls, cycles, amount } = published(await run.result());
  const second = await bill(stack, { ...fannedOut, currency: 'EUR' });
  expect(second.calls).toBe('0');

  const metrics = await port.read();
  expect(metrics.value('meterfold_calls_billed_total')).toBe(Number(calls));
  expect(metrics.value('meterfold_cycles_closed_total')).toBe(Number(cycles));
  expect(metrics.value('meterfold_run_amount_sum', { currency: 'USD' })).toBeCloseTo(Number(amount), 6);
  expect(metrics.value('meterfold_run_amount_sum', { currency: 'EUR' })).toBe(0);
  expect(metrics.value('meterfold_runs_total', { outcome: 'published' })).toBe(2);
  expect(metrics.value('meterfold_activity_retries_total')).toBe(1);
  for (const phase of ['planning', 'mapping', 'reducing', 'publishing']) {
    const recorded = metrics.value('meterfold_phase_duration_seconds_count', { phase });
    expect({ phase, recorded }).toEqual({ phase, recorded: 2 });
  }
  // A metric of Core: how long activities ran.
  expect(metrics.names).toContain('temporal_activity_execution_latency_seconds_bucket');
  const caughtUp = await eventually('the log is billed', async () => {
    const looked = await port.read();
    return looked.value('meterfold_log_lag_calls') === 0 && looked;
  });
  expect(caughtUp.value('meterfold_log_lag_seconds')).toBe(0);
  const { rows } = await stack.pool.query(
    'select extract(epoch from max(published_at))::float8 at from meterfold.runs',
  );
  expect(caughtUp.value('meterfold_last_published_timestamp_seconds')).toBeCloseTo(rows[0].at, 3);
});

test('a small run is counted once', async () => {
  await logs.skewed(stack.pool, { calls: 53 });
  const before = await port.read();
  const { calls, cycles } = await bill(stack);
  expect(calls).toBe('53');
  const after = await port.read();
  const more = (name: string) => after.value(name)! - before.value(name)!;
  expect(more('meterfold_calls_billed_total')).toBe(53);
  expect(more('meterfold_cycles_closed_total')).toBe(Number(cycles));
});

test('a run whose figures do not agree counts as failed and as a proof failure', async () => {
  await logs.skewed(stack.pool, { calls: 103 });
  const before = await port.read();
  const { run, held } = await startHeld(stack, 'publishing');
  await stack.pool.query(
    `update meterfold.tasks set outcome = jsonb_set(outcome, '{usage}', '"77"') where kind = 'map'`,
  );
  const skipped = await startRun(stack);
  expect(await skipped.result()).toMatchObject({ status: 'skipped' });
  await held.release();
  expect(await failureOf(run)).toMatchObject({ type: 'ProofError' });

  const metrics = await port.read();
  expect(metrics.value('meterfold_runs_total', { outcome: 'failed' })).toBe(1);
  expect(metrics.value('meterfold_runs_total', { outcome: 'skipped' })).toBe(1);
  expect(metrics.value('meterfold_proof_failures_total')).toBe(1);
  for (const name of ['calls_billed', 'cycles_closed']) {
    expect(metrics.value(`meterfold_${name}_total`)).toBe(before.value(`meterfold_${name}_total`));
  }
});

test('a run that is cancelled counts as cancelled', async () => {
  const run = await startPaused(stack, 'planning', 'mapping');
  await run.executeUpdate('cancel');
  expect(await run.result()).toMatchObject({ status: 'cancelled' });
  expect((await port.read()).value('meterfold_runs_total', { outcome: 'cancelled' })).toBe(1);
});

test('after these runs every metric that the rules and the dashboard read exists', async () => {
  const { names } = await port.read();
  for (const { location, promql } of expressions) {
    for (const metric of metricsIn(promql)) expect(names, location).toContain(metric);
  }
});

test('the lag is read by indexes alone, also if the log has no received_at', async () => {
  await logs.skewed(stack.pool, { calls: 5000 });
  await bill(stack);
  await stack.pool.query(
    `insert into public.api_logs (user_id, usage, called_at, received_at) values
       ('late', 1, now() - interval '2 days', now() - interval '1 hour'), ('later', 1, now(), now())`,
  );
  const client = await stack.pool.connect();
  await client.query('begin; analyze public.api_logs');
  const statistics = `select seq_scan::int as scans from pg_stat_xact_user_tables where relid = 'public.api_logs'::regclass`;
  const before = (await client.query(statistics)).rows[0].scans;
  const lag = await readLag(client);
  expect((await client.query(statistics)).rows[0].scans).toBe(before);
  expect(lag.calls).toBe(2);
  expect(lag.seconds).toBeGreaterThanOrEqual(3600);
  expect(lag.seconds).toBeLessThan(86_400);
  await client.query('alter table public.api_logs drop column received_at');
  expect((await readLag(client)).seconds).toBeGreaterThanOrEqual(2 * 86_400);
  await client.query('rollback');
  client.release();
});

test('a port that is taken is a wrong setting', async () => {
  const second = await meterfold(stack, ['worker'], { env: port.env });
  expect(second).toMatchObject({ code: 2, stdout: '' });
  expect(second.stderr).toMatch(
    /^meterfold: Wrong setting: cannot listen on METRICS_HOST and METRICS_PORT: .*in use.*\n$/,
  );
});
