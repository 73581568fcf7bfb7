/** A real PgBouncer: session mode works with default settings; the other modes are refused in one sentence. */
import { afterEach, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest';
import { begin, openPool, READ_COMMITTED } from '../../src/postgres/pool.js';
import { camelCased } from '../support/documents.js';
import * as logs from '../support/logs.js';
import { type PgBouncer, startPgBouncer } from '../support/pgbouncer.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, runRows } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const CALLS = 3000;
const REFUSAL =
  'connection pooler in transaction or statement mode is in front of PostgreSQL, and meterfold needs sessions: ' +
  'set pool_mode = session for this database in PgBouncer, or connect to PostgreSQL directly (DATABASE_URL, LOG_REPLICA_URL)';

let stack: Stack;
beforeEach(async () => {
  stack = await freshStack();
  await logs.uniform(stack.pool, { calls: CALLS });
});
afterEach(() => stack.close());

/** Starts a pooler, and returns the stack's environment with connections through it. The pooler stops with the test. */
async function through(settings: Record<string, string>): Promise<{ pooler: PgBouncer; env: Record<string, string> }> {
  const pooler = await startPgBouncer(inject('servers'), settings);
  stack.onClose(() => pooler.stop());
  return { pooler, env: { DATABASE_URL: pooler.urlOf(stack.databaseName) } };
}

describe('behind PgBouncer in session mode', () => {
  test('every command works, and runs bill exactly without retries', async () => {
    const { env } = await through({ pool_mode: 'session' });
    expect(await meterfold(stack, ['migrate'], { env })).toMatchObject({ code: 0 });
    await startWorker(stack, { env });
    const result = await bill(stack, { partitions: 3, shards: 3 });
    expect(result.activities).toMatchObject({ retried: 0 });
    await expectExact(stack, result);
    await logs.uniform(stack.pool, { calls: CALLS, seed: 2 });
    const run = await meterfold(stack, ['run', '--json'], { env });
    expect(run).toMatchObject({ code: 0 });
    await expectExact(stack, camelCased(JSON.parse(run.stdout)));
    for (const args of [
      ['verify'],
      ['runs'],
      ['status', '1'],
      ['export', '--run', '1'],
      ['run', '--dry-run'],
      ['doctor'],
    ]) {
      expect({ args, ...(await meterfold(stack, args, { env })) }).toMatchObject({ args, code: 0 });
    }
  });

  test('with too few server connections, a command fails with an explanation instead of waiting forever', async () => {
    const { env } = await through({ pool_mode: 'session', default_pool_size: '1' });
    const { code, stderr } = await meterfold(stack, ['verify'], { env });
    expect(code).toBe(1);
    expect(stderr).toContain('default_pool_size');
  });

  test('the error names a start-up parameter of the URL that it refuses', async () => {
    const { env } = await through({ pool_mode: 'session' });
    const url = new URL(env.DATABASE_URL!);
    url.searchParams.set('options', '-c geqo=off');
    const { code, stderr } = await meterfold(stack, ['runs'], { env: { DATABASE_URL: url.toString() } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^meterfold: The pooler refuses the start-up parameter options, .*\n$/);
  });
});

describe.each(['transaction', 'statement'])('behind PgBouncer in %s mode', (poolMode) => {
  test('every command and a worker refuse, with one sentence that names the fix', async () => {
    const { env } = await through({ pool_mode: poolMode });
    for (const args of [
      ['migrate'],
      ['runs'],
      ['run', '--dry-run'],
      ['verify'],
      ['export', '--run', '1'],
      ['worker'],
    ]) {
      const { code, stderr } = await meterfold(stack, args, { env });
      expect({ args, code, stderr: stderr.split('\n').find((line) => line.includes('pooler')) }).toMatchObject({
        args,
        code: 1,
        stderr: expect.stringContaining(REFUSAL),
      });
    }
    const doctor = await meterfold(stack, ['doctor'], { env });
    expect(doctor).toMatchObject({ code: 1, stdout: expect.stringContaining(REFUSAL) });
    expect(await runRows(stack)).toEqual([]);
  });
});

test('a session that gets another server process, as from a busy pooler in transaction mode, begins no transaction', async () => {
  const { pooler, env } = await through({ pool_mode: 'session' });
  const pool = await openPool(env.DATABASE_URL!, { applicationName: 'test', connectionsMax: 2 });
  onTestFinished(() => pool.end());
  const [first, second] = [await pool.connect(), await pool.connect()];
  await begin(first, READ_COMMITTED);
  await first.query('rollback');
  await pooler.admin(`set pool_mode = 'transaction'`);
  // Each returns its server process to the pooler; the next statement gets the last one returned.
  await first.query('select');
  await second.query('select');
  await expect(begin(first, READ_COMMITTED)).rejects.toThrow(REFUSAL);
  first.release(new Error('done'));
  second.release(new Error('done'));
});
