/** Locks that hold a run at a chosen point. If PostgreSQL is killed meanwhile, the lock is released. */
import pg from 'pg';
import { eventually } from '../support/eventually.js';
import { insist } from './insist.js';
import type { ChaosStack } from './stack.js';

const IDLE_WAIT_MS = 30_000;
/** `insist` ends the wait earlier. */
const INSIST_MS = 120_000;

/** A session of a worker that waits for a lock, or is in the middle of a COPY. */
export interface Session {
  pid: number;
  /** The start of the server process, because process ids are reused. */
  startedAt: string;
  /** "meterfold worker <host>:<pid>" */
  application: string;
  /** The client's port, as seen by the server. */
  port: number;
  query: string;
}

/** Starts runs, and gives them calls to bill. */
export interface RunStarter {
  /** Starts several runs at the same moment. */
  startRuns: () => Promise<void>;
  /** Writes enough calls that every kind of COPY has rows. */
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

  /** Takes the lock of the statement `sql`, in its own transaction. */
  static async take(stack: ChaosStack, sql: string): Promise<Lock> {
    const lock = new Lock(stack, sql);
    await lock.#client.connect();
    stack.onClose(() => lock.release());
    await lock.#begin();
    const { rows } = await lock.#client.query<{ pid: number }>('select pg_backend_pid() as pid');
    lock.#pid = rows[0]!.pid;
    return lock;
  }

  /** Like `take`, while no run is active, so that the next run starts from its beginning and waits for this lock. */
  static async takeBetweenRuns(stack: ChaosStack, sql: string): Promise<Lock> {
    const lock = await Lock.take(stack, sql);
    await lock.#keepBetweenRuns();
    return lock;
  }

  /** Waits until a worker's session waits for this lock in a statement that contains `query`. */
  waiting(query: string): Promise<Session> {
    return eventually(`a worker waits for ${this.#sql} in ${query}`, async () => {
      const waiting = await this.#waiting();
      return waiting.find((session) => session.query.includes(query));
    });
  }

  /**
   * Like `waiting`, for a lock that was taken between runs: `startRuns` starts runs until one waits here. A run that
   * has nothing to bill would wait at another statement forever, so it is released, and `moreCalls` gives the next one
   * calls to bill.
   */
  async bringHere(query: string, { startRuns, moreCalls }: RunStarter): Promise<Session> {
    return insist(startRuns, (signal) =>
      eventually(
        `a run waits for ${this.#sql} in ${query}`,
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

  /** Returns the workers' sessions that wait for this lock. */
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
      if (Date.now() > deadline) throw new Error(`there was always an active run for ${IDLE_WAIT_MS / 1000} s`);
      // The run may need this lock.
      await this.#client.query('rollback');
      await eventually('no run is active', async () => {
        const rows = await this.#stack.ask(`select from meterfold.runs where state = 'active'`);
        return rows.length === 0;
      });
      await this.#begin();
    }
  }

  /** Runs a statement in the locking transaction, and rolls its changes back. */
  async writeAndRollBack(sql: string): Promise<void> {
    await this.#client.query('savepoint nothing');
    await this.#client.query(sql);
    await this.#client.query('rollback to savepoint nothing');
  }

  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    // If the server has ended, the lock is released too.
    await this.#client.end().catch(() => {});
  }

  async #begin(): Promise<void> {
    await this.#client.query('begin');
    await this.#client.query(this.#sql);
  }
}
