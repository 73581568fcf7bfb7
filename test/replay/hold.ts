/**
 * Holds a run in a phase for as long as it takes: with a table locked, all that write to it wait, and nothing depends on who
 * is faster.
 */
import type pg from 'pg';
import { eventually } from '../support/eventually.js';
import type { RunHandle } from '../support/runs.js';
import type { Stack } from '../support/stack.js';

/**
 * Plan inserts into `tasks`, map into `segments`; reduce copies into `records`. Discard deletes from all, publish sweeps `segments`
 * and flips a row of `runs`. A backup of a map creates a table like `quarantine`, which no map without bad calls touches.
 */
export type HeldTable = 'tasks' | 'segments' | 'records' | 'quarantine' | 'runs';
type Statement = 'insert' | 'copy' | 'delete' | 'create' | 'select' | 'alter' | 'with';

export interface Hold {
  /** Waits until so many sessions wait for the table, by a statement that begins with this word. */
  waitFor(statement: Statement, sessions: number): Promise<void>;
  release(): Promise<void>;
}

/** Locks a table against writers; where its readers may go on, only against these. */
export async function hold(
  stack: Stack,
  table: HeldTable,
  against: 'everybody' | 'writers' = 'everybody',
): Promise<Hold> {
  const mode = against === 'everybody' ? 'access exclusive' : 'share';
  const end = await openTransaction(stack, `lock table meterfold.${table} in ${mode} mode`);
  return {
    release: () => end('rollback'),
    waitFor: (statement, sessions) => waitForSessions(stack.pool, `meterfold.${table}`, statement, sessions),
  };
}

/** Starts a run that has proved all and waits in publish's sweep (one statement, `with …`), in the transaction that will publish it. */
export async function holdInSweep(
  stack: Stack,
  reduces: number,
  start: () => Promise<RunHandle>,
): Promise<{ run: RunHandle; held: Hold }> {
  const heldInReduce = await hold(stack, 'records');
  const run = await start();
  await heldInReduce.waitFor('copy', reduces);
  const held = await hold(stack, 'segments', 'writers');
  await heldInReduce.release();
  await held.waitFor('with', 1);
  return { run, held };
}

export interface HeldMap {
  /** Waits until the map waits. */
  waitFor(): Promise<void>;
  release(): Promise<void>;
  /** Ends the map by an error that no other try can mend; so does each later one until `mend`. */
  fail(): Promise<void>;
  mend(): Promise<void>;
}

/** Holds the first attempt at the map of partition 3, and nothing else, when its work is done: not a backup, which does not copy into `segments`. */
export async function holdOneMap(stack: Stack): Promise<HeldMap> {
  await stack.pool.query(`
    create table if not exists public.held_map (fails boolean not null);
    insert into public.held_map select false where not exists (select from public.held_map);
    create or replace function public.wait_for_held_map() returns trigger language plpgsql as $$
      begin
        if ltrim(current_query(), E' \\n') ilike 'copy%' and (select fails from public.held_map for share) then
          raise exception 'partition 3 is not to be stored' using errcode = '22000';
        end if;
        return new;
      end $$;
    create or replace trigger wait_for_held_map before insert on meterfold.segments
      for each row when (new.partition = 3) execute function public.wait_for_held_map()`);
  const end = await openTransaction(stack, 'select from public.held_map for update');
  return {
    waitFor: () =>
      eventually('a map waits', async () => {
        const { rowCount } = await stack.pool.query(
          `select from pg_stat_activity
            where wait_event_type = 'Lock' and ltrim(query, E' \\n') ilike 'copy segments%'`,
        );
        return rowCount === 1;
      }).then(() => {}),
    release: () => end('rollback'),
    fail: () => end('update public.held_map set fails = true; commit'),
    mend: async () => void (await stack.pool.query('update public.held_map set fails = false')),
  };
}

/** Fails the first two tries to store partition 3, by an error that another try may mend. Answers with what takes that away. */
export async function failMapTwice(stack: Stack): Promise<() => Promise<void>> {
  await stack.pool.query(`
    create sequence public.tries;
    create function public.fail_twice() returns trigger language plpgsql as $$
      begin
        if nextval('public.tries') <= 2 then
          raise exception 'no memory is left' using errcode = 'out_of_memory';
        end if;
        return new;
      end $$;
    create trigger fail_twice before insert on meterfold.segments
      for each row when (new.partition = 3) execute function public.fail_twice()`);
  return async () =>
    void (await stack.pool.query('drop function public.fail_twice cascade; drop sequence public.tries'));
}

/**
 * Lets a publish that is held in its sweep commit, and fails it for good when it then reads back the figures: a column is renamed
 * the moment it has committed, and named as before the moment that the reader has failed of it. Each queues for the table in time.
 */
export async function failAfterCommit(stack: Stack, heldInSweep: Hold): Promise<void> {
  const waitFor = (statement: Statement) => waitForSessions(stack.pool, 'meterfold.runs', statement, 1);
  const rename = 'alter table meterfold.runs rename column';
  const renamed = openTransaction(stack, `${rename} proof to proof_away`);
  await waitFor('alter');
  await heldInSweep.release();
  const end = await renamed;
  await waitFor('select');
  const renamedBack = stack.pool.query(`${rename} proof_away to proof`);
  await waitFor('alter');
  await end('commit');
  await renamedBack;
}

/** Leaves a transaction open after a statement; answers with what ends it, by the first word that comes. */
async function openTransaction(stack: Stack, sql: string): Promise<(by: string) => Promise<void>> {
  const client = await stack.pool.connect();
  let over = false;
  const end = async (by: string) => {
    if (over) return;
    over = true;
    await client.query(by);
    client.release();
  };
  stack.onClose(() => end('rollback'));
  await client.query('begin');
  await client.query(sql);
  return end;
}

async function waitForSessions(pool: pg.Pool, table: string, statement: Statement, sessions: number): Promise<void> {
  await eventually(`${sessions} sessions wait to ${statement}, held by a lock of ${table}`, async () => {
    const { rowCount } = await pool.query(
      `select distinct waiting.pid
         from pg_locks waiting
         join pg_stat_activity session on session.pid = waiting.pid
        where not waiting.granted
          and waiting.relation = $1::regclass
          and ltrim(session.query, E' \\n') ilike $2 || '%'`,
      [table, statement],
    );
    return rowCount === sessions;
  });
}
