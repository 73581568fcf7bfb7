/** The chain: triggers append a link at each ending of a run, whichever process and role ends it. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { verify } from '../../src/audit/verify.js';
import { openPool, type Pool } from '../../src/postgres/pool.js';
import { hold } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, failureOf, published, reset, startRun } from '../support/runs.js';
import { freshStack, type Stack, urlOf } from '../support/stack.js';

const ROLE = { name: `test_${randomBytes(6).toString('hex')}`, password: 'x' };

let stack: Stack;
let pool: Pool;

/** The role of the worker has no right to write to the chain. */
beforeAll(async () => {
  stack = await freshStack();
  await logs.dropChecks(stack.pool);
  await stack.pool.query(`
    create role ${ROLE.name} login password 'x';
    grant usage on schema meterfold to ${ROLE.name};
    grant select on all tables in schema public to ${ROLE.name};
    grant select, insert, update, delete on all tables in schema meterfold to ${ROLE.name};
    revoke all on meterfold.chain, meterfold.chain_head from ${ROLE.name};
    grant select on sequence public.api_logs_id_seq to ${ROLE.name}`);
  const DATABASE_URL = urlOf(inject('servers'), stack.databaseName, ROLE);
  await startWorker(stack, { env: { DATABASE_URL } });
  pool = await openPool(stack.databaseUrl, { applicationName: 'verify', connectionsMax: 3 });
});
afterAll(async () => {
  await pool?.end();
  await stack?.pool.query(`drop owned by ${ROLE.name}; drop role ${ROLE.name}`);
  await stack?.close();
});
beforeEach(() => reset(stack));

const revert = (run: string) => meterfold(stack, ['revert', run, '--yes', '--reason', 'wrong price']);

async function links(): Promise<string[]> {
  const { rows } = await stack.pool.query<{ link: string }>(
    `select concat_ws(' ', number, event, run_id) as link from meterfold.chain order by number`,
  );
  return rows.map(({ link }) => link);
}

async function expectNoDifference(): Promise<void> {
  expect((await verify(pool, { differencesMax: 5 })).differences).toEqual([]);
}

/** A run that is published, one that fails, one that is reverted. */
async function endRuns(): Promise<void> {
  await logs.skewed(stack.pool, { calls: 100 });
  await bill(stack);
  await stack.pool.query(`insert into public.api_logs (user_id, usage, called_at) values ('bad', -8, now())`);
  await failureOf(await startRun(stack));
  await bill(stack, { badCalls: 'quarantine' });
  expect(await revert('3')).toMatchObject({ code: 0 });
}

test('a role without a right to write to the chain ends runs, and each ending appends a link', async () => {
  await endRuns();
  expect(await links()).toEqual(['1 published 1', '2 discarded 2', '3 published 3', '4 reverted 3']);
  await expectNoDifference();
});

test.each([
  `insert into meterfold.chain values (1, 'discarded', 1, 0, sha256(''))`,
  'update meterfold.chain_head set number = 7',
  'delete from meterfold.chain',
  `select meterfold.append_link('discarded', 1, 0)`,
])('that role may not run: %s', async (sql) => {
  const other = await openPool(urlOf(inject('servers'), stack.databaseName, ROLE), {
    applicationName: 'test',
    connectionsMax: 1,
  });
  await expect(other.query(sql)).rejects.toMatchObject({ code: '42501' });
  await other.end();
});

test('the row of an ended run cannot be deleted by accident', async () => {
  await endRuns();
  await expect(stack.pool.query('delete from meterfold.runs where run_id = 2')).rejects.toMatchObject({
    code: '23503',
  });
});

test.each([
  ['deleted', 'delete from meterfold.chain_head'],
  ['set back', 'update meterfold.chain_head set number = 1'],
])('if the head was %s, runs still end, and verify keeps reporting it', async (_title, damage) => {
  await endRuns();
  await stack.pool.query(damage);
  published(await (await startRun(stack, [{ badCalls: 'quarantine' }])).result());
  expect((await links()).at(-1)).toBe('5 published 4');
  expect((await verify(pool, { differencesMax: 5 })).differences).toMatchObject([{ check: 'chain', column: 'hash' }]);
});

test('a revert, its retry and ten concurrent starts produce one chain', async () => {
  await logs.skewed(stack.pool, { calls: 500 });
  await bill(stack);
  await logs.skewed(stack.pool, { calls: 500, seed: 2 });
  await bill(stack);
  const held = await hold(stack, 'select from meterfold.chain_head for update');
  const reverting = [revert('2'), revert('2')];
  await held.waiting({ query: 'update meterfold.runs' });
  const runs = await Promise.all(Array.from({ length: 10 }, () => startRun(stack)));
  await held.release();
  expect((await Promise.all(reverting)).map(({ code }) => code).sort()).toEqual([0, 1]);
  await Promise.all(runs.map((run) => run.result()));
  await expectNoDifference();
});
