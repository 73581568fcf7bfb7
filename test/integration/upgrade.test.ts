/** A database that an earlier release has billed, with every table in use, is migrated and bills on. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verify } from '../../src/audit/verify.js';
import { migrate } from '../../src/schema/migrate.js';
import { BASELINE_END, readMigrations } from '../../src/schema/migration-files.js';
import { RUN_TABLES } from '../../src/schema/tables.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, rowsOfRun, runRows } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';
import { BASELINE_PATH } from '../upgrade/baseline.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack({ bare: true });
  const client = await stack.pool.connect();
  await client.query('drop schema public cascade; create schema public');
  await client.query(await readFile(BASELINE_PATH, 'utf8'));
  client.release(true);
});
afterAll(() => stack.close());

async function expectNoDifference(): Promise<void> {
  expect((await verify(stack.pool, { differencesMax: 5 })).differences).toEqual([]);
}

test('a database of the baseline with runs in every state gets the migrations that it lacks, bills on exactly, and is verified', async () => {
  const later = (await readMigrations()).slice(BASELINE_END).map(({ name }) => name);
  expect((await migrate(stack.pool)).applied).toEqual(later);
  const before = await runRows(stack);
  expect(new Set(before.map(({ state }) => state))).toEqual(new Set(['published', 'discarded', 'reverted']));
  for (const { runId, state } of before) {
    const allowed = RUN_TABLES.filter(({ states }) => states.some((name) => name === state)).map(({ name }) => name);
    expect(allowed).toEqual(expect.arrayContaining(Object.keys(await rowsOfRun(stack, runId))));
  }
  for (const table of ['repacked_records', 'repacks', 'quarantine', 'retentions', 'retained_open_cycles', 'chain']) {
    const { rowCount } = await stack.pool.query(`select from meterfold.${table} limit 1`);
    expect({ table, rowCount }).toEqual({ table, rowCount: 1 });
  }
  await expectNoDifference();

  await startWorker(stack, { env: { BAD_CALLS: 'quarantine' } });
  await logs.skewed(stack.pool, { calls: 200, seed: 9 });
  await logs.uniform(stack.pool, { calls: 24, users: 4, seed: 10 });
  const reverted = await bill(stack);
  expect(await meterfold(stack, ['revert', reverted.runId, '--yes', '--reason', 'test'])).toMatchObject({ code: 0 });
  await bill(stack, { partitions: 2, shards: 2 });
  await logs.uniform(stack.pool, { calls: 24, users: 4, seed: 11 });
  const last = await bill(stack);
  expect(await meterfold(stack, ['repack'])).toMatchObject({ code: 0 });
  expect(await meterfold(stack, ['retain', '--until', reverted.range.to])).toMatchObject({ code: 0 });
  await expectExact(stack, last);
  await expectNoDifference();
});
