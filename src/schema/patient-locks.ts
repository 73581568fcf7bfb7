/**
 * Changes to tables that other programs write to at the same time.
 *
 * A statement that changes a table waits for every transaction that uses the table, and later statements wait behind
 * it: one long transaction and one waiting `alter table` block all writers. So a change waits at most LOCK_WAIT_MS for
 * its lock. Then its transaction ends, the queued writers continue, and the change is tried again after a pause. Each
 * time, it reports the transactions that blocked it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Client, one, type Pool, type Queryable, transaction } from '../postgres/pool.js';
import { MigrationError } from './migration-error.js';

/** The longest time for which a waiting change blocks writers. */
const LOCK_WAIT_MS = 500;
/** Time between two tries, in which writers are not blocked. */
const PAUSE_MS = 1_000;
const WATCH_MS = 100;
const PATIENCE_MS = 300_000;

export interface Patience {
  /** Total time after which it fails with a MigrationError that names the blocking transactions. */
  patienceMs?: number;
  /** Receives the blocking transactions after each failed try. */
  onBlocked?: (blockedBy: string) => void;
}

/**
 * Runs `work` in a transaction, and repeats it while locks are unavailable. It must have no effect outside the
 * transaction.
 */
export async function patiently<T>(
  pool: Pool,
  work: (client: Client) => Promise<T>,
  { patienceMs = PATIENCE_MS, onBlocked = () => {} }: Patience = {},
): Promise<T> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const watch = new BlockerWatch(pool);
    try {
      return await transaction(pool, async (client) => {
        await client.query(`set local lock_timeout = ${LOCK_WAIT_MS}`);
        await watch.begin(client);
        return work(client);
      });
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      const blockedBy = (await watch.end()) ?? 'another transaction';
      if (Date.now() >= deadline) {
        throw new MigrationError(
          `A table could not be changed because it is in use by ${blockedBy}: wait until that transaction has ended, or end ` +
            'it by pg_terminate_backend(), then try again.',
          { cause: error },
        );
      }
      onBlocked(blockedBy);
    } finally {
      await watch.end();
    }
    await delay(PAUSE_MS);
  }
}

/**
 * Locks the log and all its partitions. PostgreSQL locks them one after the other, and each lock could wait for
 * LOCK_WAIT_MS while earlier ones are held; so the whole statement is limited to that time.
 */
export async function lockLog(client: Client): Promise<void> {
  await client.query(`set local statement_timeout = ${LOCK_WAIT_MS}`);
  try {
    await client.query('lock table public.api_logs in share row exclusive mode');
  } catch (error) {
    throw (error as { code?: string }).code === '57014' ? Object.assign(error as Error, { code: LOCK_TIMEOUT }) : error;
  }
  await client.query('set local statement_timeout to default');
}

const LOCK_TIMEOUT = '55P03';

function isLockTimeout(error: unknown): boolean {
  return (error as { code?: string }).code === LOCK_TIMEOUT;
}

/** Polls, on another connection, which transactions block a session. */
class BlockerWatch {
  readonly #pool: Pool;
  readonly #over = new AbortController();
  #found: string | undefined;
  #watching: Promise<void> = Promise.resolve();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async begin(client: Client): Promise<void> {
    const { pid } = one(await client.query<{ pid: number }>('select pg_backend_pid() as pid'));
    this.#watching = this.#watch(pid).catch(() => {}); // The result is only informative.
  }

  /** Stops polling. Returns the transactions that blocked the session last; undefined if none did. */
  async end(): Promise<string | undefined> {
    this.#over.abort();
    await this.#watching;
    return this.#found;
  }

  async #watch(pid: number): Promise<void> {
    const { signal } = this.#over;
    for (;;) {
      await delay(WATCH_MS, undefined, { signal });
      this.#found = (await blockersOf(this.#pool, pid)) ?? this.#found;
    }
  }
}

/**
 * "pid 123 (role app, application psql, transaction since 2026-11-30T10:00:00Z, last statement since
 * 2026-11-30T10:05:00Z)"
 */
async function blockersOf(db: Queryable, pid: number): Promise<string | undefined> {
  const { rows } = await db.query<{ who: string }>(
    `select case when blocker = 0
                 then format('prepared transaction %s', (select string_agg(quote_literal(gid), ', ' order by prepared)
                                                           from pg_prepared_xacts where database = current_database()))
                 else format('pid %s (role %s, application %s, transaction since %s, last statement since %s)', blocker, usename,
                             coalesce(nullif(application_name, ''), 'unnamed'), coalesce(begun, 'a time not visible to this role'),
                             coalesce(asked, 'a time not visible to this role')) end as who
       from unnest(pg_blocking_pids($1)) blocker
       left join (select pid, usename, application_name,
                         to_char(xact_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as begun,
                         to_char(query_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as asked
                    from pg_stat_activity) activity on activity.pid = blocker
      order by begun, blocker`,
    [pid],
  );
  return rows.length === 0 ? undefined : rows.map(({ who }) => who).join(' and ');
}
