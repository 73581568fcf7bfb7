/**
 * Holds a run at a chosen point without sleeping: the test takes a lock that the run needs, waits until PostgreSQL's
 * views show that a worker waits for it, acts, and releases the lock.
 */
import { eventually } from './eventually.js';
import type { Stack } from './stack.js';

export interface Waiting {
  /** The server process. */
  pid: number;
  /** "meterfold worker <host>:<pid>" */
  application: string;
  query: string;
}

export interface WaitingFor {
  /** Only sessions whose statement contains it. */
  query?: string;
  /** Only sessions whose application name contains it. */
  application?: string;
  notPid?: number;
}

export interface Hold {
  /** Waits until a session waits for this lock; returns all sessions that do. */
  waiting(which?: WaitingFor): Promise<Waiting[]>;
  release(): Promise<void>;
  /** Runs a last statement in the holding transaction, and commits. */
  commit(sql: string): Promise<void>;
}

/**
 * Waits until sessions wait for a lock of the server process `pid`, and returns them; `what` names the lock in errors.
 */
export function waitingFor(
  stack: Stack,
  pid: number,
  what: string,
  { query = '', application = '', notPid = 0 }: WaitingFor = {},
): Promise<Waiting[]> {
  return eventually(`a session (${application} ${query}) waits for a lock of: ${what}`, async () => {
    const waiting = await stack.pool.query<Waiting>(
      `select pid, application_name as application, query from pg_stat_activity
        where $1 = any (pg_blocking_pids(pid))
          and strpos(query, $2) > 0 and strpos(application_name, $3) > 0 and pid <> $4
        order by pid`,
      [pid, query, application, notPid],
    );
    return waiting.rows.length > 0 && waiting.rows;
  });
}

const held = new WeakMap<Stack, Set<() => Promise<void>>>();

/** Releases all holds that a failed test has left. */
export async function releaseHolds(stack: Stack): Promise<void> {
  for (const release of held.get(stack) ?? []) await release();
}

/** Holds map when it stores its first spill, and reduce after its records, before its open cycles. */
export const holdMap = (stack: Stack) => hold(stack, 'lock table meterfold.segments in access exclusive mode');
export const holdReduce = (stack: Stack) => hold(stack, 'lock table meterfold.open_cycles in access exclusive mode');

/** Runs `sql`, which takes a lock, in a transaction that stays open. */
export async function hold(stack: Stack, sql: string, values: unknown[] = []): Promise<Hold> {
  const client = await stack.pool.connect();
  await client.query('begin');
  await client.query(sql, values);
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const { pid } = rows[0]!;
  let released = false;
  const release = async (end = 'rollback') => {
    if (released) return;
    released = true;
    held.get(stack)?.delete(release);
    try {
      await client.query(end);
    } finally {
      client.release();
    }
  };
  if (!held.has(stack)) {
    held.set(stack, new Set());
    stack.onClose(() => releaseHolds(stack));
  }
  held.get(stack)!.add(release);
  return {
    waiting: (which) => waitingFor(stack, pid, sql, which),
    release: () => release(),
    async commit(last) {
      await client.query(last);
      await release('commit');
    },
  };
}

/** A change whose commit waits: the event, such as `update on meterfold.tasks`, and a condition on the row. */
export interface LateCommit {
  on: string;
  when: string;
}

export interface CommitHold extends Hold {
  /** Lets the waiting commits continue, and returns when none is in progress. */
  finish(): Promise<void>;
  /** Like finish, and drops the trigger. No other session may hold a lock on the table. */
  over(): Promise<void>;
}

/** Makes the next commits of such a change wait inside the server, which completes them without a client. */
export async function holdCommit(stack: Stack, { on, when }: LateCommit): Promise<CommitHold> {
  await stack.pool.query(`
    create function public.commit_late() returns trigger language plpgsql as
      $$ begin perform pg_advisory_xact_lock(77); return null; end $$;
    create constraint trigger commit_late after ${on}
      deferrable initially deferred for each row when (${when}) execute function public.commit_late()`);
  const held = await hold(stack, 'select pg_advisory_xact_lock(77)');
  const finish = async () => {
    await held.release();
    await eventually('the commit is complete', async () => {
      const locks = `select from pg_locks join pg_database on pg_database.oid = database
                      where locktype = 'advisory' and objid = 77 and datname = current_database()`;
      return (await stack.pool.query(locks)).rows.length === 0;
    });
  };
  return {
    ...held,
    finish,
    async over() {
      await finish();
      await stack.pool.query('drop function public.commit_late() cascade');
    },
  };
}
