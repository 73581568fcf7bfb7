/**
 * Records test/upgrade/baseline.sql: `npm run baseline`. It is a dump of a database that the build of the baseline has
 * billed, which test/integration/upgrade.test.ts restores and migrates. Record it when the baseline is released, and
 * never again: a later build would write a later schema.
 *
 * The database lies on Debian's PostgreSQL 15, whose pg_dump writes SQL that every supported version reads.
 */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runFile } from '../../src/embedded/child.js';
import { DEBIAN_BINARIES, type DebianPostgres, startMigratedPostgres } from '../support/debian-postgres.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, failureOf, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';
import { BASELINE_PATH } from './baseline.js';

const DATABASE = 'baseline';

let server: DebianPostgres;
let stack: Stack;

beforeAll(async () => {
  server = await startMigratedPostgres(DATABASE);
  const servers = { ...inject('servers'), postgresUrl: server.url, templateDatabase: DATABASE };
  stack = await freshStack({ servers });
  await startWorker(stack, { env: { BAD_CALLS: 'quarantine' } });
});
afterAll(async () => {
  await stack?.close();
  await server?.stop();
});

async function succeeds(...args: string[]): Promise<void> {
  expect(await meterfold(stack, args)).toMatchObject({ code: 0 });
}

test('records a database with runs in every state, quarantined calls, repacked records and released calls', async () => {
  await logs.dropChecks(stack.pool);
  await logs.skewed(stack.pool, { calls: 300 });
  await stack.pool.query('update public.api_logs set usage = -id where id % 100 = 7');
  await expect(failureOf(await startRun(stack, [{ badCalls: 'stop' }]))).resolves.toMatchObject({
    type: 'BadCallError',
  });
  const released = await bill(stack);
  for (let seed = 2; seed < 8; seed++) {
    await logs.uniform(stack.pool, { calls: 24, users: 4, seed });
    await bill(stack, { partitions: 2, shards: 2 });
  }
  await logs.weirdUsers(stack.pool, { calls: 60 });
  const { runId } = await bill(stack, { pricePerUnit: '0.7' });
  await succeeds('revert', runId, '--yes', '--reason', 'wrong price');
  await bill(stack);
  await succeeds('repack');
  await succeeds('retain', '--until', released.range.to);

  const { stdout } = await runFile(`${DEBIAN_BINARIES}/pg_dump`, [
    ...['--dbname', stack.databaseUrl, '--no-owner', '--inserts', '--rows-per-insert=100'],
  ]);
  // psql's own commands, and what differs from one dump to the next.
  const sql = stdout.split('\n').filter((line) => !/^(\\|--|$)/.test(line));
  writeFileSync(BASELINE_PATH, `${sql.join('\n')}\n`);
});
