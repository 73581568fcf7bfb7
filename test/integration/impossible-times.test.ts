/** Impossible times in the log: measurements exclude them, and report how many. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { readLag } from '../../src/log/lag.js';
import { type DebianPostgres, debianPostgresFault, startMigratedPostgres } from '../support/debian-postgres.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill } from '../support/runs.js';
import { say } from '../support/say.js';
import { freshStack, type Stack } from '../support/stack.js';

const TEMPLATE = 'template_of_15';
const IMPOSSIBLE = ['infinity', '-infinity', '294276-12-31 23:59:59Z', '4713-11-24 00:00:00Z BC', '2999-01-01Z'];
const DAY = 86_400;

const fault15 = await debianPostgresFault();
if (fault15 !== undefined) say(fault15);
const versions = fault15 === undefined || process.env.CI !== undefined ? ['18', '15'] : ['18'];

describe.each(versions)('on PostgreSQL %s', (version) => {
  let server: DebianPostgres | undefined;
  let stack: Stack;

  beforeAll(async () => {
    if (version === '15') server = await startMigratedPostgres(TEMPLATE);
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    const shared = inject('servers');
    stack = await freshStack({
      servers: server === undefined ? shared : { ...shared, postgresUrl: server.url, templateDatabase: TEMPLATE },
    });
    const { rows } = await stack.pool.query('show server_version');
    expect(rows[0].server_version.startsWith(version)).toBe(true);
  });
  afterEach(() => stack.close());

  const insert = (receivedAt: string | null, calledAt = '2 days', user = 'one') =>
    stack.pool.query(
      `insert into public.api_logs (user_id, usage, called_at, received_at) values ($1, 1, now() - $2::interval, $3)`,
      [user, calledAt, receivedAt],
    );

  test.each(IMPOSSIBLE)('a call received at %s is measured from called_at', async (time) => {
    await insert(time);
    await insert('2026-01-01Z', '1 hour');
    const { calls, seconds } = await readLag(stack.pool);
    expect(calls).toBe(2);
    expect(seconds).toBeGreaterThanOrEqual(2 * DAY);
    expect(seconds).toBeLessThan(3 * DAY);
  });

  test('calls without a usable time are measured from the next call that has one, or from the last run', async () => {
    await startWorker(stack);
    await bill(stack);
    await stack.pool.query(`update meterfold.runs set published_at = now() - interval '5 hours'`);
    for (const time of IMPOSSIBLE) await insert(time, '-7 days');
    const sinceRun = (await readLag(stack.pool)).seconds;
    expect(sinceRun).toBeGreaterThanOrEqual(5 * 3600);
    expect(sinceRun).toBeLessThan(6 * 3600);
    await stack.pool.query(`insert into public.api_logs (user_id, usage, called_at, received_at)
                            values ('one', 1, now(), now() - interval '1 hour')`);
    const sinceCall = (await readLag(stack.pool)).seconds;
    expect(sinceCall).toBeGreaterThanOrEqual(3600);
    expect(sinceCall).toBeLessThan(2 * 3600);
  });

  test('calls without a usable time before the first run are measured from the first migration', async () => {
    await stack.pool.query(`update meterfold.migrations set applied_at = now() - interval '3 hours'`);
    await insert('infinity', '-7 days');
    const { seconds } = await readLag(stack.pool);
    expect(seconds).toBeGreaterThanOrEqual(3 * 3600);
    expect(seconds).toBeLessThan(4 * 3600);
  });

  test('the lag is 0 if no call is waiting', async () => {
    expect(await readLag(stack.pool)).toMatchObject({ calls: 0, seconds: 0 });
  });

  test('status measures the other cycles, and reports how many it excludes', async () => {
    await startWorker(stack);
    for (const [number, time] of [...IMPOSSIBLE, '2026-01-01Z'].entries()) {
      for (let call = 0; call < 5; call++) await insert(time, '2 days', `user ${number}`);
    }
    await bill(stack);
    const json = await meterfold(stack, ['status', '1', '--json']);
    expect(json).toMatchObject({ code: 0, stderr: '' });
    const { cycle_latency: latency } = JSON.parse(json.stdout);
    expect(latency).toMatchObject({ cycles: 1, cycles_ignored: IMPOSSIBLE.length });
    expect(latency.max_seconds).toBeGreaterThan(300 * DAY);
    expect(latency.mean_seconds).toBe(latency.max_seconds);
    const { stdout } = await meterfold(stack, ['status', '1']);
    expect(stdout).toMatch(
      /cycle latency +\d+ d \d+ h from a cycle's .*, longest \d+ d \d+ h; excluding 5 cycles whose last call has an impossible received_at\n/,
    );
  });

  test('status reports that nothing was measured if no time is usable', async () => {
    await startWorker(stack);
    for (let call = 0; call < 5; call++) await insert('-infinity');
    await bill(stack);
    expect((await meterfold(stack, ['status', '1'])).stdout).toMatch(
      /cycle latency +not measured; excluding 1 cycle whose last call has an impossible received_at\n/,
    );
    const { cycle_latency: latency } = JSON.parse((await meterfold(stack, ['status', '1', '--json'])).stdout);
    expect(latency).toEqual({
      mean_seconds: null,
      p99_seconds: null,
      max_seconds: null,
      cycles: 0,
      cycles_ignored: 1,
    });
  });
});
