import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact, failureOf, reset, runRows, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await startWorker(stack, { env: { SEAL_WAIT_SECONDS: '0' } });
});
afterAll(() => stack.close());
beforeEach(() => reset(stack));

/** Starts a run, which must fail at once; returns its message. */
async function refusal(): Promise<string> {
  const failure = await failureOf(await startRun(stack));
  expect(failure).toMatchObject({ type: 'LogSequenceError', nonRetryable: true });
  expect((await runRows(stack)).at(-1)).toMatchObject({ state: 'discarded', reason: failure.message });
  return failure.message;
}

/** The faults of the log that `meterfold doctor` finds. */
async function foundByDoctor(): Promise<string[]> {
  const { checks } = JSON.parse((await meterfold(stack, ['doctor', '--json'])).stdout);
  return checks
    .filter((check: { name: string; ok: boolean }) => check.name === 'log' && !check.ok)
    .map((check: { found: string; fix: string }) => `${check.found}: ${check.fix}`);
}

const sequence = 'public\\.api_logs_id_seq';

describe('a log that sealing cannot rely on stops the run, is named, and leaves no active run:', () => {
  test.each([
    [
      'truncated with restart',
      'truncate public.api_logs restart identity',
      `^sequence ${sequence} stands at 0, before the watermark 100: .* select setval\\('${sequence}', 100\\);$`,
    ],
    [
      'a sequence set back',
      "select setval('public.api_logs_id_seq', 50)",
      `^sequence ${sequence} stands at 50, before the watermark 100: `,
    ],
    [
      'ids beyond the sequence',
      "insert into public.api_logs (id, user_id, usage, called_at) values (5000, 'by hand', 1, now())",
      `^call 5000 lies beyond sequence ${sequence}, which stands at 100 .* select setval\\('${sequence}', 5000\\);$`,
    ],
    [
      'a sequence with a cache',
      'alter sequence public.api_logs_id_seq cache 20',
      `^sequence ${sequence} assigns ids in blocks of 20 \\(CACHE\\), out of order: alter sequence `,
    ],
    [
      'a sequence that starts over',
      'alter sequence public.api_logs_id_seq cycle',
      `^sequence ${sequence} starts over at its end \\(CYCLE\\): alter sequence `,
    ],
    [
      'a sequence that descends',
      'alter sequence public.api_logs_id_seq increment -1 maxvalue 9223372036854775807',
      `^sequence ${sequence} counts by -1: alter sequence `,
    ],
    [
      'a sequence that a crash sets back',
      'alter sequence public.api_logs_id_seq set unlogged',
      `^sequence ${sequence} is unlogged, so a crash resets it to its start: alter sequence `,
    ],
  ])('%s', async (_title, sql, message) => {
    onTestFinished(async () => {
      await stack.pool.query('alter sequence public.api_logs_id_seq increment 1 no cycle cache 1');
      await stack.pool.query('alter sequence public.api_logs_id_seq set logged');
    });
    await logs.uniform(stack.pool, { calls: 100 });
    const before = await bill(stack);
    await stack.pool.query(sql);
    expect(await refusal()).toMatch(new RegExp(message));
    expect(await runRows(stack)).toMatchObject([{ runId: before.runId, state: 'published' }, { state: 'discarded' }]);
  });

  test('a sequence set back to before a position that was sealed while a transaction was writing', async () => {
    const writer = await stack.pool.connect();
    await writer.query('begin');
    await writer.query(
      "insert into public.api_logs (user_id, usage, called_at) select 'long', n, now() from generate_series(1, 10) n",
    );
    await logs.rolledBack(stack.pool, { calls: 90 });
    expect(await bill(stack)).toMatchObject({ calls: '0', blockedBy: [{ application: 'test' }] });
    await writer.query('commit');
    writer.release();
    await logs.restartIds(stack.pool, 51n);
    expect(await refusal()).toMatch(
      new RegExp(`^sequence ${sequence} stands at 50, before 100, up to which the log was sealed: `),
    );
    await stack.pool.query("select setval('public.api_logs_id_seq', 100)");
    await logs.uniform(stack.pool, { calls: 5, seed: 2 });
    const result = await bill(stack);
    expect(result).toMatchObject({ calls: '15', range: { after: '0', to: '105' } });
    await expectExact(stack, result);
  });

  test('billing continues after the fix that the message gives', async () => {
    await logs.uniform(stack.pool, { calls: 100 });
    await bill(stack);
    await stack.pool.query('truncate public.api_logs restart identity');
    const [fix] = /select setval\(.*\);$/.exec(await refusal())!;
    await stack.pool.query(fix);
    await logs.uniform(stack.pool, { calls: 105, seed: 2 });
    expect(await bill(stack)).toMatchObject({ calls: '105', range: { after: '100', to: '205' } });
  });
});

describe('a log in which a call may get an id from elsewhere than the sequence stops the run with the same message as doctor:', () => {
  const belowWatermark = `
    create function public.move() returns trigger language plpgsql as
      'begin new.id = (select coalesce(max(id), 0) + 1 from public.api_logs where id < 50); return new; end'`;

  test.each([
    [
      'a trigger that moves ids below the watermark',
      `${belowWatermark}; create trigger "Move ids" before insert on public.api_logs for each row execute function public.move()`,
      'trigger "Move ids" on public.api_logs runs before each insert and may change the id of a call, on whose order billing relies',
      'drop trigger "Move ids" on public.api_logs; drop function public.move()',
    ],
    [
      'a trigger that is always on',
      `${belowWatermark}; create trigger t before insert or update on public.api_logs for each row execute function public.move();
       alter table public.api_logs enable always trigger t`,
      'trigger t on public.api_logs runs before each insert and may change the id of a call, on whose order billing relies',
      'drop trigger t on public.api_logs; drop function public.move()',
    ],
    [
      'a rule for inserts',
      `create table public.elsewhere (like public.api_logs);
       create rule r as on insert to public.api_logs do instead insert into public.elsewhere values (new.*)`,
      'rule r on public.api_logs rewrites inserts, so calls may be lost or get other ids',
      'drop rule r on public.api_logs; drop table public.elsewhere',
    ],
    [
      'a child table',
      `create table public."Old calls" () inherits (public.api_logs)`,
      `table public."Old calls" inherits from public.api_logs: its calls count as the log's, but nothing keeps their ids unique`,
      'drop table public."Old calls"',
    ],
    [
      'a child of a table that was one',
      `create table public.old () inherits (public.api_logs); create table public.older () inherits (public.old);
       alter table public.old no inherit public.api_logs; alter table public.older inherit public.api_logs`,
      `table public.older inherits from public.api_logs: its calls count as the log's, but nothing keeps their ids unique`,
      'drop table public.old cascade',
    ],
  ])('%s', async (_title, damage, what, cleanUp) => {
    onTestFinished(async () => {
      await stack.pool.query(cleanUp);
    });
    await logs.uniform(stack.pool, { calls: 100 });
    await bill(stack);
    await stack.pool.query(damage);
    await logs.uniform(stack.pool, { calls: 0 });
    const message = await refusal();
    expect(message.slice(0, what.length)).toBe(what);
    const found = await foundByDoctor();
    expect(found).toEqual([message]);
    const fix = message.slice(what.length + ': '.length);
    expect(fix).toMatch(/;$/);
    await stack.pool.query(fix);
    expect(await foundByDoctor()).toEqual([]);
    expect(await bill(stack)).toMatchObject({ calls: '0' });
  });

  test('a child table that holds calls of the log: the fix refuses to drop them', async () => {
    onTestFinished(async () => {
      await stack.pool.query('drop table public.old');
    });
    await stack.pool.query('create table public.old () inherits (public.api_logs)');
    await stack.pool.query(
      "insert into public.old (id, user_id, usage, called_at) values (nextval('public.api_logs_id_seq'), 'user-1', 1, now())",
    );
    const fix = (await refusal()).replace(/^[^:]*: [^:]*: /, '');
    await expect(stack.pool.query(fix)).rejects.toThrow('public.old holds calls: insert them into public.api_logs');
    await stack.pool.query('insert into public.api_logs select * from public.old; truncate public.old');
    await stack.pool.query(fix);
    const result = await bill(stack);
    expect(result).toMatchObject({ calls: '1' });
    await expectExact(stack, result);
  });

  test('but a trigger after an insert, or a disabled one, does not', async () => {
    await stack.pool.query(`${belowWatermark};
      create trigger later after insert on public.api_logs for each row execute function public.move();
      create trigger off before insert on public.api_logs for each row execute function public.move();
      alter table public.api_logs disable trigger off`);
    onTestFinished(async () => {
      await stack.pool.query('drop function public.move() cascade');
    });
    await logs.uniform(stack.pool, { calls: 5 });
    const result = await bill(stack);
    expect(result).toMatchObject({ calls: '5' });
    await expectExact(stack, result);
  });
});

describe('is billed, because sealing can rely on it:', () => {
  test('an empty log, several times, whether or not its sequence has assigned ids', async () => {
    expect(await bill(stack)).toMatchObject({ calls: '0', range: { after: '0', to: '0' } });
    await logs.rolledBack(stack.pool, { calls: 7 });
    expect(await bill(stack)).toMatchObject({ calls: '0', range: { after: '0', to: '7' } });
    const result = await bill(stack);
    expect(result).toMatchObject({ calls: '0', range: { after: '7', to: '7' } });
    await expectExact(stack, result);
  });

  test('a log truncated without restart: its bills stay, and only later calls are billed', async () => {
    await logs.uniform(stack.pool, { calls: 100 });
    const before = await bill(stack);
    await stack.pool.query('truncate public.api_logs');
    expect(await bill(stack)).toMatchObject({ calls: '0', range: { after: '100', to: '100' } });
    await logs.uniform(stack.pool, { calls: 55, seed: 2 });
    expect(await bill(stack)).toMatchObject({
      calls: '55',
      range: { after: '100', to: '155' },
      carriedIn: before.carriedOut,
    });
  });

  test('a sequence set forward, whether or not that number counts as assigned', async () => {
    await logs.uniform(stack.pool, { calls: 10 });
    await stack.pool.query("select setval('public.api_logs_id_seq', 1000, true)");
    expect(await bill(stack)).toMatchObject({ calls: '10', range: { to: '1000' } });
    await stack.pool.query("select setval('public.api_logs_id_seq', 2000, false)");
    expect(await bill(stack)).toMatchObject({ calls: '0', range: { to: '1999' } });
    await logs.uniform(stack.pool, { calls: 10, seed: 2 });
    const result = await bill(stack);
    expect(result).toMatchObject({ calls: '10', range: { after: '1999', to: '2009' } });
    await expectExact(stack, result);
  });

  test('ids written by hand that the sequence has passed', async () => {
    await logs.rolledBack(stack.pool, { calls: 50 });
    await stack.pool.query(
      "insert into public.api_logs (id, user_id, usage, called_at) select id, 'by hand', id, now() from generate_series(50, 1, -1) id",
    );
    const result = await bill(stack);
    expect(result).toMatchObject({ calls: '50', range: { to: '50' } });
    await expectExact(stack, result);
  });
});

describe('a log that a subscription fills', () => {
  const name = 'of the "other" region';

  /** Another database's log; what is written there comes here, once the subscription is made. */
  async function subscribe(to: Stack, table = 'public.api_logs') {
    await to.pool.query(`create publication calls for table ${table}`);
    const slot = `slot_${to.databaseName}`;
    // Made beforehand: between two databases of one server the subscription would wait for itself.
    await to.pool.query(`select pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    const quoted = `"${name.replaceAll('"', '""')}"`;
    await stack.pool.query(
      `create subscription ${quoted} connection '${to.databaseUrl}' publication calls
         with (create_slot = false, slot_name = '${slot}')`,
    );
    let dropped = false;
    const drop = async () => {
      if (!dropped) await stack.pool.query(`drop subscription ${quoted}`);
      dropped = true;
    };
    onTestFinished(drop);
    return { drop, quoted };
  }

  const callsHere = async () => Number((await stack.pool.query('select count(*) from api_logs')).rows[0].count);

  test('is named by the refusal of the run and by doctor, although nothing else shows it', async () => {
    const publisher = await freshStack();
    onTestFinished(() => publisher.close());
    const { drop } = await subscribe(publisher);
    await logs.uniform(publisher.pool, { calls: 100 });
    await eventually('the calls arrive', async () => (await callsHere()) === 100);
    // Far ahead of all ids that arrive.
    await stack.pool.query("select setval('public.api_logs_id_seq', 1000000)");

    const message = await refusal();
    expect(message).toMatch(
      /^subscription "of the ""other"" region" fills public.api_logs with calls of another server/,
    );
    expect(message).toMatch(/: alter subscription "of the ""other"" region" refresh publication;$/);
    expect(await foundByDoctor()).toEqual([message]);

    await drop();
    expect(await foundByDoctor()).toEqual([]);
    const result = await bill(stack);
    expect(result).toMatchObject({ calls: '100', range: { to: '1000000' } });
    await expectExact(stack, result);
  });

  test('is billed after the fix that the message gives: out of the publication, and the subscription refreshed', async () => {
    const publisher = await freshStack();
    onTestFinished(() => publisher.close());
    const { quoted } = await subscribe(publisher);
    await logs.uniform(publisher.pool, { calls: 3 });
    await eventually('the calls arrive', async () => (await callsHere()) === 3);
    expect(await foundByDoctor()).toMatchObject([
      expect.stringContaining('call 3 lies beyond sequence'),
      expect.stringContaining('fills public.api_logs'),
    ]);
    await publisher.pool.query('alter publication calls drop table public.api_logs');
    const [fix] = /alter subscription .*;$/.exec((await foundByDoctor())[1]!)!;
    expect(fix).toBe(`alter subscription ${quoted} refresh publication;`);
    await stack.pool.query(fix);
    expect(await refusal()).toContain('call 3 lies beyond sequence');
    await stack.pool.query("select setval('public.api_logs_id_seq', 3)");
    expect(await bill(stack)).toMatchObject({ calls: '3' });
  });
});
