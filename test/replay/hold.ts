/** Holds a run in a phase by locking a table that the phase writes to. Nothing depends on timing. */
import type pg from 'pg';
import { eventually } from '../support/eventually.js';
import type { RunHandle } from '../support/runs.js';
import type { Stack } from '../support/stack.js';

/**
 * Plan inserts into `tasks`, map copies into `segments`, reduce into `records`. Discard deletes from all tables;
 * publish deletes from `segments` and updates `runs`. A backup of a map creates a table like `quarantine`, which no map
 * without bad calls uses.
 */
export type HeldTable = 'tasks' | 'segments' | 'records' | 'quarantine' | 'runs';
type Statement = 'insert' | 'copy' | 'delete' | 'create' | 'select' | 'alter' | 'with';

export interface Hold {
  /** Waits until `sessions` sessions wait for the table with a statement that begins with this word. */
  waitFor(statement: Statement, sessions: number): Promise<void>;
  release(): Promise<void>;
}

/** Locks a table against all sessions, or only against those that write to it. */
export async function hold(stack: Stack, table: HeldTable, against: 'all' | 'writers' = 'all'): Promise<Hold> {
  const mode = against === 'all' ? 'access exclusive' : 'share';
  const end = await openTransaction(stack, `lock table meterfold.${table} in ${mode} mode`);
  return {
    release: () => end('rollback'),
    waitFor: (statement, sessions) => waitForSessions(stack.pool, `meterfold.${table}`, statement, sessions),
  };
}

/** Starts a run, and holds it after its proof in the statement (`with …`) by which publish deletes segments. */
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
  /** Resolves when the map waits. */
  waitFor(): Promise<void>;
  release(): Promise<void>;
  /** Lets the map fail with an error that is not retried, and each later one until `fix`. */
  fail(): Promise<void>;
  fix(): Promise<void>;
}

/**
 * Holds the first attempt at the map of partition 3 when it stores segments. A backup is not held, because it writes to
 * a temporary table.
 */
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
    fix: async () => void (await stack.pool.query('update public.held_map set fails = false')),
  };
}

/**
 * Fails the first two attempts to store partition 3 with an error that is retried. Returns a function that removes the
 * trigger.
 */
export async function failMapTwice(stack: Stack): Promise<() => Promise<void>> {
  await stack.pool.query(`
    create sequence public.attempts_made;
    create function public.fail_twice() returns trigger language plpgsql as $$
      begin
        if nextval('public.attempts_made') <= 2 then
          raise exception 'no memory is left' using errcode = 'out_of_memory';
        end if;
        return new;
      end $$;
    create trigger fail_twice before insert on meterfold.segments
      for each row when (new.partition = 3) execute function public.fail_twice()`);
  return async () =>
    void (await stack.pool.query('drop function public.fail_twice cascade; drop sequence public.attempts_made'));
}

/**
 * Lets a publish that is held by holdInSweep() commit, and fails it, without a retry, when it then reads the published
 * figures: a column is renamed right after the commit, and renamed back right after the read has failed. Each statement
 * queues for the table in time.
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

/**
 * Runs a statement in a transaction that stays open. Returns a function that ends it with the given SQL; later calls do
 * nothing.
 */
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
