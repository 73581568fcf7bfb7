/**
 * Sealing across crashes, on a PostgreSQL of its own whose writers do not wait for the disk: after a crash, their last
 * commits are lost, and the sequence assigns the same ids again. METERFOLD_SEED=<seed> runs one of the random
 * interleavings alone.
 */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { openPool, type Pool } from '../../src/postgres/pool.js';
import { type CrashingPostgres, startCrashingPostgres } from '../support/crashing-postgres.js';
import { Draws, Writers } from '../support/interleavings.js';
import { openRun, positionOf, Sealings } from '../support/sealings.js';

const ONE_SEED = process.env.METERFOLD_SEED === undefined ? undefined : Number(process.env.METERFOLD_SEED);
const INTERLEAVINGS = 40;
const STEPS = 24;

const settings = {
  // A commit is durable only if its transaction sets synchronous_commit.
  synchronous_commit: 'off',
  wal_writer_delay: '10s',
  // Only the server crashes, not the machine, so what the operating system has received is kept.
  fsync: 'off',
  max_prepared_transactions: '16',
  shared_buffers: '64MB',
  autovacuum: 'off',
};

let server: CrashingPostgres;
let pool: Pool;

beforeAll(async () => {
  server = await startCrashingPostgres('meterfold', settings);
  pool = await openPool(server.url, { applicationName: 'sealing', connectionsMax: 2 });
});
afterAll(async () => {
  await pool.end();
  await server.stop();
});
beforeEach(async () => {
  const { rows } = await pool.query<{ gid: string }>('select gid from pg_prepared_xacts');
  for (const { gid } of rows) await pool.query(`rollback prepared '${gid}'`);
  await pool.query('set meterfold.log_guard = off; truncate public.api_logs, meterfold.seals, meterfold.runs cascade');
  await pool.query('set meterfold.log_guard = off; truncate public.api_logs, meterfold.runs restart identity cascade');
  await openRun(pool);
  await flush();
});

async function openSession(): Promise<pg.Client> {
  const session = new pg.Client({ connectionString: server.url, application_name: 'writer' });
  session.on('error', () => {});
  await session.connect();
  onTestFinished(() => session.end().catch(() => {}));
  return session;
}

async function insert(session: pg.Client): Promise<bigint> {
  const { rows } = await session.query<{ id: string }>(
    `insert into public.api_logs (user_id, usage, called_at) values ('user-1', 1, now()) returning id`,
  );
  return BigInt(rows[0]!.id);
}

async function flush(): Promise<void> {
  await pool.query(
    `begin; set local synchronous_commit = on; create table public.flushed (); drop table public.flushed; commit`,
  );
}

describe('a crash after which the sequence assigns the same ids again', () => {
  test('does not repeat an id that was sealed', async () => {
    await flush();
    const lost = await insert(await openSession());
    await server.crash();
    // The case that sealing must handle.
    expect(await insert(await openSession())).toBe(lost);

    const sealings = new Sealings(pool, 0n);
    const sealed = await insert(await openSession());
    expect(await sealings.seal()).toMatchObject({ sealedEnd: sealed, blockedBy: [] });
    await server.crash();
    expect(await insert(await openSession())).toBeGreaterThan(sealed);
    expect(await sealings.changes()).toEqual([]);
  });

  test('is harmless between any two statements of a seal', { timeout: 120_000 }, async () => {
    let repeated = 0;
    for (let statements = 0, over = false; !over; statements++) {
      const sealings = new Sealings(pool, await positionOf(pool));
      await sealings.seal();
      const before = await insert(await openSession());
      await sealings.start();
      for (let step = 0; step < statements; step++) over = (await sealings.next()) !== undefined;
      await server.crash();
      sealings.crashed();
      const session = await openSession();
      await session.query('begin');
      if ((await insert(session)) <= before) repeated += 1;
      await sealings.finish();
      await session.query('commit');
      expect({ statements, changes: await sealings.changes() }).toEqual({ statements, changes: [] });
    }
    expect(repeated).toBeGreaterThan(0);
  });
});

describe('a prepared transaction', () => {
  test.each([
    ['before the seal that it blocks', true],
    ['after the seal that it blocks', false],
  ])('prepared %s still blocks it after a crash, and no other transaction does', async (_when, preparedFirst) => {
    const sealings = new Sealings(pool, 0n);
    const session = await openSession();
    await session.query('begin');
    const id = await insert(session);
    const other = await openSession();
    await insert(other);
    if (preparedFirst) await session.query("prepare transaction 'stays'");
    const [holder] = (await sealings.seal())!.blockedBy;
    expect(holder).toMatchObject(preparedFirst ? { pid: null, gid: 'stays' } : { application: 'writer', gid: null });
    if (!preparedFirst) await session.query("prepare transaction 'stays'");
    await server.crash();

    const writer = await openSession();
    await writer.query('begin');
    await insert(writer);
    const held = await sealings.seal();
    expect(held).toMatchObject({
      sealedEnd: 0n,
      blockedBy: expect.arrayContaining([
        expect.objectContaining({
          pid: null,
          gid: 'stays',
          user: 'meterfold',
          transaction: expect.stringMatching(/^-1\/\d+$/),
        }),
      ]),
    });
    await writer.query('rollback');
    await pool.query("commit prepared 'stays'");
    // The first seal does not wait for a transaction that was prepared later.
    await writer.query('begin');
    const later = await insert(writer);
    await writer.query("prepare transaction 'later'");
    const rest = await sealings.seal();
    expect(rest!.sealedEnd).toBeGreaterThanOrEqual(id);
    expect(rest).toMatchObject({ blockedBy: [{ gid: 'later' }] });
    await pool.query("commit prepared 'later'");
    expect(await sealings.seal()).toMatchObject({ sealedEnd: later, blockedBy: [] });
    expect(await sealings.changes()).toEqual([]);
  });
});

describe('interleavings with crashes', () => {
  test('seals cover only calls that stay', { timeout: 300_000 }, async () => {
    const writers = new Writers({ databaseUrl: server.url, sessions: 3, tables: ['public.api_logs'] });
    onTestFinished(() => writers.close());
    await writers.connect();
    const sealings = new Sealings(pool, 0n);
    for (const seed of ONE_SEED === undefined ? Array(INTERLEAVINGS).keys() : [ONE_SEED]) {
      const draws = new Draws(seed);
      const changes = await interleave(writers, sealings, draws).catch((error: Error) => {
        throw new Error(`seed ${seed}: ${error.message}`, { cause: error });
      });
      expect({ seed, changes }).toEqual({ seed, changes: [] });
    }
  });

  async function interleave(writers: Writers, sealings: Sealings, draws: Draws) {
    const crashAt = draws.below(STEPS);
    for (let step = 0; step < STEPS; step++) {
      if (step === crashAt) await crashDuring(writers, sealings, draws);
      else if (draws.below(3) === 0) await sealings.step(draws);
      else await writers.act(draws);
    }
    await writers.endAll(draws);
    await sealings.finish();
    expect(await sealings.seal()).toMatchObject({ sealedEnd: await positionOf(pool), blockedBy: [] });
    return sealings.changes();
  }

  /** Crashes the server between two statements of a seal in progress, or in the middle of one. */
  async function crashDuring(writers: Writers, sealings: Sealings, draws: Draws): Promise<void> {
    sealings.crashed();
    const inFlight = draws.below(2) === 0 ? sealings.step(draws) : Promise.resolve();
    sealings.crashed();
    await server.crash();
    await inFlight;
    await writers.connect();
  }
});
