/** Locks by which a run is held at a chosen point. PostgreSQL may be killed meanwhile; then the lock is gone, and that is all. */
import pg from 'pg';
import { eventually } from '../support/eventually.js';
import { insist } from './insist.js';
import type { ChaosStack } from './stack.js';

const IDLE_WAIT_MS = 30_000;
/** `insist` ends it before. */
const INSIST_MS = 120_000;

/** A session of a worker that waits for a lock, or is in the middle of a COPY. */
export interface Session {
  pid: number;
  /** When the server process began: pids are given again. */
  startedAt: string;
  /** "meterfold worker <host>:<pid>" */
  application: string;
  /** Its port as the server sees it. */
  port: number;
  query: string;
}

/** What brings runs about, and gives them something to bill. */
export interface RunStarter {
  /** Starts runs, by several hands at once. */
  startRuns: () => Promise<void>;
  /** Writes calls, enough for every kind of COPY to have something to carry. */
  moreCalls: () => Promise<void>;
}

export const SESSION_COLUMNS = `session.pid, session.backend_start::text as "startedAt", session.application_name as application,
  session.client_port as port, session.query`;

export class Lock {
  readonly #stack: ChaosStack;
  readonly #client: pg.Client;
  readonly #sql: string;
  #pid = 0;
  #released = false;

  private constructor(stack: ChaosStack, sql: string) {
    this.#stack = stack;
    this.#sql = sql;
    this.#client = new pg.Client({ connectionString: stack.databaseUrl, application_name: 'chaos lock' });
    this.#client.on('error', () => {});
  }

  /** Takes what `sql` locks, in a transaction of its own. */
  static async take(stack: ChaosStack, sql: string): Promise<Lock> {
    const lock = new Lock(stack, sql);
    await lock.#client.connect();
    stack.onClose(() => lock.release());
    await lock.#begin();
    const { rows } = await lock.#client.query<{ pid: number }>('select pg_backend_pid() as pid');
    lock.#pid = rows[0]!.pid;
    return lock;
  }

  /** The same, at a moment when no run is active: the next one comes from its beginning, and waits here. */
  static async takeBetweenRuns(stack: ChaosStack, sql: string): Promise<Lock> {
    const lock = await Lock.take(stack, sql);
    await lock.#keepBetweenRuns();
    return lock;
  }

  /** Waits until a worker's session waits for this lock, by a statement that contains `query`. */
  waiting(query: string): Promise<Session> {
    return eventually(`a worker waits for ${this.#sql} by ${query}`, async () => {
      const waiting = await this.#waiting();
      return waiting.find((session) => session.query.includes(query));
    });
  }

  /**
   * The same of a lock that was taken between runs; `startRuns` brings one here. A run that has nothing to bill waits elsewhere, and
   * would for ever: it is let pass, and `moreCalls` gives the next one something.
   */
  async bringHere(query: string, { startRuns, moreCalls }: RunStarter): Promise<Session> {
    return insist(startRuns, (signal) =>
      eventually(
        `a run waits for ${this.#sql} by ${query}`,
        async () => {
          signal.throwIfAborted();
          const waiting = await this.#waiting();
          const here = waiting.find((session) => session.query.includes(query));
          if (here === undefined && waiting.length > 0) {
            await this.#client.query('rollback');
            await moreCalls();
            await this.#begin();
            await this.#keepBetweenRuns();
          }
          return here;
        },
        INSIST_MS,
      ),
    ).catch(async (error: unknown) => {
      await this.release();
      throw error;
    });
  }

  /** The workers' sessions that wait for this lock. */
  #waiting(): Promise<Session[]> {
    return this.#stack.ask<Session>(
      `select ${SESSION_COLUMNS} from pg_stat_activity session
        where $1 = any (pg_blocking_pids(session.pid)) and session.application_name like 'meterfold worker%'
        order by session.query_start`,
      [this.#pid],
    );
  }

  async #keepBetweenRuns(): Promise<void> {
    for (const deadline = Date.now() + IDLE_WAIT_MS; ; ) {
      const { rowCount } = await this.#client.query(`select from meterfold.runs where state = 'active'`);
      if (rowCount === 0) return;
      if (Date.now() > deadline) throw new Error(`no moment without an active run in ${IDLE_WAIT_MS / 1000} s`);
      // The run may need what is locked.
      await this.#client.query('rollback');
      await eventually('no run is active', async () => {
        const rows = await this.#stack.ask(`select from meterfold.runs where state = 'active'`);
        return rows.length === 0;
      });
      await this.#begin();
    }
  }

  /** Runs a statement in the locking transaction; of what it writes nothing stays. */
  async writeForNothing(sql: string): Promise<void> {
    await this.#client.query('savepoint nothing');
    await this.#client.query(sql);
    await this.#client.query('rollback to savepoint nothing');
  }

  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    // Where the server is gone, so is the lock.
    await this.#client.end().catch(() => {});
  }

  async #begin(): Promise<void> {
    await this.#client.query('begin');
    await this.#client.query(this.#sql);
  }
}
