/**
 * Verify finds no difference in a correct history, and every kind of damage. Each kind is applied to a separate copy of
 * the database, without constraints and triggers.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { verify } from '../../src/audit/verify.js';
import { repack } from '../../src/ledger/repack.js';
import { openPool } from '../../src/postgres/pool.js';
import { type Column, changeOf, columnsOf, DamagedCopies, HISTORY_TABLES } from '../support/damage.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, failureOf, startRun } from '../support/runs.js';
import { freshStack, type Stack, urlOf } from '../support/stack.js';

/** Nothing is released in this history; test/integration/retain.test.ts damages one with released calls. */
const TABLES = HISTORY_TABLES.filter((table) => !table.includes('retain') && !table.includes('retention'));
/** The row of each table to damage, in the middle of its history. */
const ROW: Record<string, string> = {
  'public.api_logs': 'id = 333',
  'meterfold.runs': 'run_id = 2',
  'meterfold.tasks': "run_id = 2 and kind = 'map'",
  'meterfold.records': 'run_id = 2',
  'meterfold.repacked_records': 'true',
  'meterfold.open_cycles': 'run_id = 4',
  'meterfold.quarantine': 'true',
  'meterfold.chain': 'run_id = 2',
  'meterfold.chain_head': 'true',
};

let stack: Stack;
let copies: DamagedCopies;
let columns: Column[];

/** Three published runs, a reverted and a discarded one, and one quarantined call. */
beforeAll(async () => {
  stack = await freshStack();
  await stack.pool.query('alter table public.api_logs drop constraint api_logs_billable');
  const worker = await startWorker(stack, { env: { BAD_CALLS: 'quarantine' } });
  await logs.skewed(stack.pool, { calls: 301 });
  await bill(stack);
  await stack.pool.query(`insert into public.api_logs (user_id, usage, called_at) values ('bad', -7, now())`);
  await logs.uniform(stack.pool, { calls: 200, seed: 2 });
  await bill(stack);
  await logs.weirdUsers(stack.pool, { calls: 300 });
  await bill(stack);
  expect(await meterfold(stack, ['revert', '3', '--yes', '--reason', 'wrong price'])).toMatchObject({ code: 0 });
  await bill(stack, { pricePerUnit: '0.0005' });
  await repackFirstRun();
  await stack.pool.query(`insert into public.api_logs (user_id, usage, called_at) values ('bad', -8, now())`);
  await failureOf(await startRun(stack, [{ badCalls: 'stop' }]));
  columns = await columnsOf(stack, TABLES);
  await worker.stop();
  copies = new DamagedCopies(stack, inject('servers'));
  await copies.open();
});
afterAll(async () => {
  await copies?.close();
  await stack?.close();
});

/** Splits each row of the first run into rows of one cycle, as many runs would write them, and repacks them. */
async function repackFirstRun(): Promise<void> {
  const numbers = ['usages', 'first_call_ids', 'last_call_ids', 'first_called_micros', 'last_called_micros'];
  await stack.pool.query(
    `with taken as (delete from only meterfold.records where run_id = 1 returning *)
     insert into meterfold.records (run_id, first_cycle, user_id, ${numbers})
     select run_id, first_cycle + index - 1, user_id, ${numbers.map((name) => `substring(${name}, 64 * index - 63, 64)`)}
       from taken, generate_series(1, length(usages) / 64) as index`,
  );
  expect((await repack(stack.pool, { until: { run: '1' } })).rowsAfter).toBeGreaterThan(1);
}

/** The differences that verify finds in a damaged copy of the database. */
const differencesAfter = (...damage: string[]) => copies.differencesAfter(damage);

test('a correct history has no difference, whether all of it or one run is verified', async () => {
  expect(await differencesAfter()).toEqual([]);
  const { code, stdout } = await meterfold(stack, ['verify', '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ differences: [], checked: { runs: '5' } });
  for (const run of ['1', '2', '4', '5']) expect(await meterfold(stack, ['verify', run])).toMatchObject({ code: 0 });
});

test('a change of any column of any table with history is found', async () => {
  const unnoticed: string[] = [];
  for (const column of columns) {
    const { table, name } = column;
    if ((await differencesAfter(changeOf(column, ROW[table]!))).length === 0) unnoticed.push(`${table}.${name}`);
  }
  expect(columns.length).toBeGreaterThan(60);
  expect(unnoticed).toEqual([]);
}, 180_000);

describe('a row of', () => {
  test.each(TABLES)('%s that is missing is found', async (table) => {
    const row = `ctid = (select min(ctid) from only ${table} where ${ROW[table]})`;
    expect(await differencesAfter(`delete from only ${table} where ${row}`)).not.toEqual([]);
  });

  test.each(TABLES)('%s that is duplicated is found', async (table) => {
    const row = `ctid = (select min(ctid) from only ${table} where ${ROW[table]})`;
    expect(await differencesAfter(`insert into ${table} select * from only ${table} where ${row}`)).not.toEqual([]);
  });
});

test.each([
  [
    'a call of a new user before the watermark',
    `insert into public.api_logs (id, user_id, usage, called_at) values (0, 'late', 1, now())`,
  ],
  [
    'a call whose id has two bits flipped, 32 bits apart',
    'update public.api_logs set id = id # ((1::bigint << 32) + 1) where id = 333',
  ],
  [
    'calls of two users swapped',
    `update public.api_logs set user_id = (select user_id from public.api_logs where id = 337) where id = 333`,
  ],
  ['remaining segments of a published run', `insert into meterfold.segments values (2, 0, 0, 0, '')`],
  ['remaining spills of a published run', `insert into meterfold.spills values (2, 0, 0, 1, '')`],
  [
    'a record with a bit string that is longer than the others',
    'update meterfold.records set last_call_ids = last_call_ids || last_call_ids where run_id = 2',
  ],
  [
    'a record with a bit string that lacks a bit',
    'update meterfold.records set usages = substring(usages, 1, length(usages) - 1) where run_id = 2',
  ],
  ['a record with an empty bit string', `update meterfold.records set first_called_micros = B'' where run_id = 2`],
  [
    'a repacked row that also exists where its run wrote it',
    `insert into meterfold.records select run_id, first_cycle, user_id, usages, first_call_ids, last_call_ids, first_called_micros,
            last_called_micros from meterfold.repacked_records limit 1`,
  ],
  [
    'a repacked row with a run that has another price',
    'update meterfold.repacked_records set run_ids = run_ids || 4::bigint::bit(64), run_id = 4',
  ],
  ['a repacked row that names no run', `update meterfold.repacked_records set run_ids = B'', run_id = 1`],
  ['records of a reverted run', 'update meterfold.records set run_id = 3 where run_id = 4'],
])('%s: found', async (_title, damage) => {
  expect(await differencesAfter(damage)).not.toEqual([]);
});

/** Deletes everything that a run has written, including its links in the chain and its own row. */
const withoutRun = (run: number) => [
  ...['records', 'open_cycles', 'quarantine', 'tasks', 'chain', 'runs'].map(
    (table) => `delete from meterfold.${table} where run_id = ${run}`,
  ),
];

describe('deletions of runs are found:', () => {
  test.each([
    ['the newest published run with everything that it wrote', withoutRun(4)],
    ['the reverted run and its links', withoutRun(3)],
    ['the row of the reverted run', ['delete from meterfold.runs where run_id = 3']],
    ['the row of the discarded run', ['delete from meterfold.runs where run_id = 5']],
    ['the discarded run and its link', withoutRun(5)],
    [
      'the newest runs and their links, with the head set back',
      [...withoutRun(5), ...withoutRun(4), 'update meterfold.chain_head set number = number - 2, newest_run_id = 3'],
    ],
    ['all runs and the whole chain except its head', [1, 2, 3, 4, 5].flatMap(withoutRun)],
    [
      'all runs, the whole chain and its head',
      [...[1, 2, 3, 4, 5].flatMap(withoutRun), 'delete from meterfold.chain_head'],
    ],
    ['the row of the head', ['delete from meterfold.chain_head']],
    ['a link in the middle', ['delete from meterfold.chain where number = 2']],
  ])('%s', async (_title, damage) => {
    expect(await differencesAfter(...damage)).not.toEqual([]);
  });

  test('the numbering of runs is set back, so that the next run would get a number for the second time', async () => {
    expect(await differencesAfter(`select setval('meterfold.runs_run_id_seq', 4)`)).toEqual([
      expect.stringContaining('at least 5'),
    ]);
  });

  test('an owner who recomputes the head is detected by a head that was noted before', async () => {
    const damage = [
      ...withoutRun(5),
      `update meterfold.chain_head set newest_run_id = 4, (number, hash)
         = (select number, hash from meterfold.chain order by number desc limit 1)`,
      `select setval('meterfold.runs_run_id_seq', 4)`,
    ];
    expect(await differencesAfter(...damage)).toEqual([]);
    const { head } = JSON.parse((await meterfold(stack, ['verify', '--json'])).stdout);
    const [number, hash] = head.split(':');
    expect(await copies.differencesAfter(damage, { notedHead: { number, hash } })).toEqual([
      expect.stringContaining(`"column":"hash of link ${number}"`),
    ]);
    expect(await copies.differencesAfter([], { notedHead: { number, hash } })).toEqual([]);
  });
});

test('--head accepts an earlier head of the same chain, reports another head, and refuses other text with exit code 2', async () => {
  const { rows } = await stack.pool.query<{ head: string }>(
    `select number || ':' || encode(hash, 'hex') as head from meterfold.chain order by number`,
  );
  expect(rows.length).toBe(6);
  for (const { head } of rows) expect(await meterfold(stack, ['verify', '--head', head])).toMatchObject({ code: 0 });
  const { stdout } = await meterfold(stack, ['verify']);
  expect(stdout).toContain(rows.at(-1)!.head);
  const other = rows[0]!.head.replace('1:', '2:');
  expect(await meterfold(stack, ['verify', '--head', other])).toMatchObject({ code: 1 });
  expect(await meterfold(stack, ['verify', '--head', '2'])).toMatchObject({ code: 2, stdout: '' });
});

test('a read-only role verifies everything except the numbering of runs, and says so', async ({ onTestFinished }) => {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await stack.pool.query(`
    create role ${name} login password 'x';
    grant usage on schema meterfold to ${name};
    grant select on all tables in schema public, meterfold to ${name}`);
  onTestFinished(async () => {
    await stack.pool.query(`drop owned by ${name}; drop role ${name}`);
  });
  const pool = await openPool(urlOf(inject('servers'), stack.databaseName, { name, password: 'x' }), {
    applicationName: 'test',
    connectionsMax: 3,
  });
  const { differences, notes } = await verify(pool, { differencesMax: 5 }).finally(() => pool.end());
  expect(differences).toEqual([]);
  expect(notes).toEqual([expect.stringContaining('may not read the sequence meterfold.runs_run_id_seq')]);
});

test('the command lists the differences and exits with 1', async () => {
  await stack.pool.query('update public.api_logs set usage = usage + 1 where id = 333');
  const { code, stdout } = await meterfold(stack, ['verify']);
  await stack.pool.query('update public.api_logs set usage = usage - 1 where id = 333');
  expect(code).toBe(1);
  expect(stdout).toContain('333');
});
