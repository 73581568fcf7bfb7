import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BillingRunInput } from '../../src/contract/billing-run.js';
import { PartitionMap } from '../../src/engine/map.js';
import { billedContents } from '../support/contents.js';
import { eventually } from '../support/eventually.js';
import { hold, holdMap } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { startHeld, startPaused } from '../support/phases.js';
import { startWorker } from '../support/processes.js';
import { backUp } from '../support/restore.js';
import {
  bill,
  expectExact,
  failureOf,
  inPhase,
  published,
  type RunHandle,
  reset,
  rowsOfRun,
  runRows,
  startRun,
} from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';
import { feed, takeSpill } from '../unit/engine/pipeline.js';

let stack: Stack;

beforeAll(async () => {
  stack = await freshStack();
  await startWorker(stack, { env: { SPILL_CALLS: '300' } });
});
afterAll(() => stack.close());
beforeEach(async () => {
  await reset(stack);
  await logs.skewed(stack.pool, { calls: 1003 });
});

const input: BillingRunInput = { partitions: 2, shards: 2 };
/** Calls per spill: a partition of 502 calls, with memory for 300, is mapped in two spills. */
const SPILL_CALLS = 251;
const start = () => startRun(stack, [input]);
/** Starts a run that has mapped everything and waits before reduce. */
const startMapped = () => startPaused(stack, 'mapping', 'reducing', start);
/** Starts a run that is planned and waits before map. */
const startPlanned = () => startPaused(stack, 'planning', 'mapping', start);

/** Expects that the run fails with this message and leaves no rows, and that the next run bills everything. */
async function expectCaught(run: RunHandle, type: string, message: RegExp): Promise<void> {
  const failure = await failureOf(run);
  expect(failure).toMatchObject({ type, nonRetryable: true });
  expect(failure.message).toMatch(message);
  const discarded = (await runRows(stack)).at(-1)!;
  expect(discarded).toMatchObject({ state: 'discarded', reason: failure.message });
  expect(await rowsOfRun(stack, discarded.runId)).toEqual({});
  await expectExact(stack, await bill(stack));
}

describe('between map and reduce', () => {
  test.each([
    [
      'a segment is corrupted',
      'update meterfold.segments set data = set_byte(data, 40, get_byte(data, 40) # 1) where partition = 1 and spill = 0',
      'SegmentError',
      /^segment of partition 1, spill 0, bucket \d+: the checksum differs from the one map stored$/,
    ],
    [
      'a segment is truncated',
      `update meterfold.segments set data = substring(data for 400) where partition = 1 and spill = 0`,
      'SegmentError',
      /^segment of partition 1, spill 0: \d+ bytes where \d+ were written$/,
    ],
    [
      'a segment is deleted',
      'delete from meterfold.segments where partition = 0 and spill = 1',
      'SegmentError',
      /^segment of partition 0, spill 1: 0 bytes where \d+ were written$/,
    ],
    [
      'a spill is deleted',
      'delete from meterfold.spills where partition = 0 and spill = 1',
      'ProofError',
      /^run 1 does not add up: calls read by map is 1003, calls folded by reduce is 752: a difference of 251; usage read by map is \d+, /,
    ],
    [
      'a spill is duplicated',
      `with pages as (
         insert into meterfold.segments
         select run_id, partition, 9, page, data from meterfold.segments where partition = 1 and spill = 0)
       insert into meterfold.spills
       select run_id, partition, 9, base_position, bucket_index from meterfold.spills where partition = 1 and spill = 0`,
      'ProofError',
      /^run 1 does not add up: calls read by map is 1003, calls folded by reduce is 1254: a difference of -251; /,
    ],
  ])('%s: the run fails and names it', async (_title, damage, type, message) => {
    const run = await startMapped();
    expect((await stack.pool.query(damage)).rowCount).toBeGreaterThan(0);
    await run.executeUpdate('resume');
    await expectCaught(run, type, message);
  });

  test('usages of two users are swapped in a valid segment: only the digest detects it', async () => {
    const run = await startMapped();
    await swapUsages();
    await run.executeUpdate('resume');
    await expectCaught(
      run,
      'ProofError',
      /^run 1 does not add up: digest of the calls read by map is [0-9a-f]{16}, of those folded by reduce [0-9a-f]{16}$/,
    );
  });

  /** Packs the first spill of the first partition again, with the usages of two calls of different users swapped. */
  async function swapUsages(): Promise<void> {
    const { rows: calls } = await stack.pool.query<{ id: string; user: Buffer; usage: string; at: string }>(
      `select id, convert_to(user_id, 'UTF8') as user, usage,
              (extract(epoch from called_at - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint as at
         from public.api_logs order by id limit ${SPILL_CALLS}`,
    );
    const [first] = calls;
    const other = calls.find((call) => !call.user.equals(first!.user) && call.usage !== first!.usage)!;
    [first!.usage, other.usage] = [other.usage, first!.usage];
    const map = new PartitionMap(300);
    map.reset(1n);
    for (const { id, user, usage, at } of calls) {
      feed(map, { id: BigInt(id), user: user.toString('latin1'), usage: BigInt(usage), calledAt: BigInt(at) });
    }
    const { data, bucketIndex } = takeSpill(map);
    // So few calls have one page.
    const repacked = await stack.pool.query(
      'update meterfold.segments set data = $1 where partition = 0 and spill = 0 and page = 0 and data <> $1',
      [data],
    );
    expect(repacked.rowCount).toBe(1);
    const indexed = await stack.pool.query(
      `update meterfold.spills set bucket_index = $1
        where partition = 0 and spill = 0 and base_position = 1 and length(bucket_index) = length($1::bytea)`,
      [bucketIndex],
    );
    expect(indexed.rowCount).toBe(1);
  }
});

describe('before the recount', () => {
  test.each([
    [
      'a call is deleted',
      'delete from public.api_logs where id = 500',
      /^run 1 does not add up: calls counted by SQL is 1001, calls read by map is 1002: a difference of -1; usage summed by SQL is /,
    ],
    [
      'a call is inserted into a gap',
      `insert into public.api_logs (id, user_id, usage, called_at) values (13, 'user-1', 5, now())`,
      /^run 1 does not add up: calls counted by SQL is 1003, calls read by map is 1002: a difference of 1; usage summed by SQL is .* a difference of 5$/,
    ],
    [
      'a usage is changed',
      'update public.api_logs set usage = usage + 3 where id = 500',
      /^run 1 does not add up: usage summed by SQL is \d+, usage read by map is \d+: a difference of 3$/,
    ],
  ])('%s: the run fails and names it', async (_title, damage, message) => {
    await stack.pool.query('delete from public.api_logs where id = 13');
    const { run, held } = await startHeld(stack, 'recounting', start);
    await stack.pool.query(damage);
    await held.release();
    await expectCaught(run, 'ProofError', message);
  });
});

describe('before publish, a stored outcome is changed: the run fails and names it:', () => {
  test.each([
    ['map', 'usage'],
    ['map', 'digest'],
    ['reduce', 'cycles'],
    ['reduce', 'billedUsage'],
    ['reduce', 'carriedOutCalls'],
    ['recount', 'calls'],
  ])('%s, %s', async (kind, figure) => {
    const { run, held } = await startHeld(stack, 'publishing', start);
    await stack.pool.query(
      `update meterfold.tasks set outcome = jsonb_set(outcome, array[$2], '"77"') where kind = $1 and number = 0`,
      [kind, figure],
    );
    await held.release();
    const message = new RegExp(
      `^run 1, ${kind} task 0: stored is .*"${figure}":"77".*, the workflow carries .*; the database was restored, or a stored outcome changed$`,
    );
    await expectCaught(run, 'ProofError', message);
  });

  test('a missing task', async () => {
    const { run, held } = await startHeld(stack, 'publishing', start);
    await stack.pool.query(`delete from meterfold.tasks where kind = 'map' and number = 1`);
    await held.release();
    await expectCaught(run, 'ProofError', /^run 1: 1 map tasks are stored, the workflow carries 2$/);
  });
});

test('a run that carries in more than the previous run carried out fails and says so', async () => {
  await logs.everyUserOneCall(stack.pool, { calls: 10 });
  await bill(stack);
  await logs.everyUserOneCall(stack.pool, { calls: 10 });
  const addUsage = (usage: string) =>
    stack.pool.query(`update meterfold.open_cycles set usage = usage + $1 where user_id = 'user-1-7'`, [usage]);
  await addUsage('1000000000000');
  const failure = await failureOf(await start());
  expect(failure.message).toMatch(
    /^run 2 does not add up: reduce carried in 10 calls of usage 10\d{11}, more than the \d+ of usage \d+ that the previous run carried out$/,
  );
  expect(await runRows(stack)).toMatchObject([{ state: 'published' }, { state: 'discarded' }]);
  await addUsage('-1000000000000');
  await expectExact(stack, await bill(stack));
});

describe('the database is restored', () => {
  /** Lets a paused run map everything, and pauses it again before reduce. */
  async function mapAll(run: RunHandle): Promise<void> {
    const held = await holdMap(stack);
    await run.executeUpdate('resume');
    await held.waiting();
    await run.executeUpdate('pause');
    await held.release();
    await inPhase(run, 'reducing');
  }

  test('to the middle of a run: the run fails and says so, and the next one bills everything', async () => {
    const run = await startPlanned();
    const backup = await backUp(stack);
    await mapAll(run);
    await backup.restore();
    await run.executeUpdate('resume');
    await expectCaught(
      run,
      'ProofError',
      /^run 1, map task 0: stored is null, the workflow carries .*; the database was restored, /,
    );
  });

  test('to before the run: the run fails and says so, and the next one bills everything', async () => {
    const backup = await backUp(stack);
    const run = await startMapped();
    await backup.restore();
    await run.executeUpdate('resume');
    expect(await failureOf(run)).toMatchObject({ type: 'RunGoneError', message: 'run 1 is unknown to this database' });
    expect(await runRows(stack)).toEqual([]);
    await expectExact(stack, await bill(stack));
  });

  test('to before the run, and another run gets its number: the first run does not change it', async () => {
    const backup = await backUp(stack);
    const run = await startMapped();
    await backup.restore();
    const { run: second, held } = await startHeld(stack, 'planning', start);
    await held.release();
    const result = published(await second.result());
    expect(result.runId).toBe('1');
    const before = await billedContents(stack);
    await run.executeUpdate('resume');
    expect(await failureOf(run)).toMatchObject({ type: 'RunGoneError', message: 'run 1 is published' });
    expect(await billedContents(stack)).toEqual(before);
    await expectExact(stack, result);
  });

  test('to before the run, and another run that gets its number is in progress: every call is billed once', async () => {
    const backup = await backUp(stack);
    const run = await startMapped();
    await backup.restore();
    const { run: second, held } = await startHeld(stack, 'mapping', start);
    await run.executeUpdate('resume');
    await held.release();
    await Promise.allSettled([run.result(), second.result()]);
    const next = await bill(stack);
    await expectExact(stack, next);
  });

  test('or fails over to before the seal position of a run that waits for writers: the run seals again, and no call is lost', async () => {
    const own = await freshStack();
    try {
      await logs.skewed(own.pool, { calls: 1003 });
      await startWorker(own, { env: { SEAL_WAIT_SECONDS: '600' } });
      const { run, held } = await startHeld(own, 'sealing');
      // The row and the sequence as on a standby that did not receive the last commits: 1004 is assigned again.
      await own.pool.query('update meterfold.runs set seal_position = null');
      await own.pool.query(`select setval('public.api_logs_id_seq', 1003)`);
      const write = `insert into public.api_logs (user_id, usage, called_at) values ('user-1', 77, now())`;
      const writing = hold(own, write);
      await held.waiting({ query: 'insert into public.api_logs' });
      await held.release();
      const writer = await writing;
      await eventually('it seals again', async () => {
        const { rows } = await own.pool.query('select seal_position, sealed_end from meterfold.runs');
        expect(rows[0].sealed_end).toBeNull();
        return rows[0].seal_position === '1004';
      });
      await writer.commit(write);
      const result = published(await run.result());
      expect(result).toMatchObject({ calls: '1004', range: { to: '1004' } });
      await expectExact(own, result);
      await expectExact(own, await bill(own));
    } finally {
      await own.close();
    }
  });

  test('to the middle of a published run: the next run discards it, and bills everything', async () => {
    const run = await startPlanned();
    const backup = await backUp(stack);
    await run.executeUpdate('resume');
    published(await run.result());
    await backup.restore();
    await expectExact(stack, await bill(stack));
    expect(await runRows(stack)).toMatchObject([{ state: 'discarded' }, { runId: '2', state: 'published' }]);
  });
});
