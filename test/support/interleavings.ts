/**
 * Random interleavings of writers' transactions and a seal, statement by statement. Which session acts next is drawn
 * from a seed, also while a seal is between two of its statements. The same seed gives the same interleaving.
 */
import pg from 'pg';
import { copyIn } from '../../src/postgres/copy/copy-in.js';
import type { Pool } from '../../src/postgres/pool.js';
import { mulberry32 } from './random.js';

/** Random draws from a seed. */
export class Draws {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = mulberry32(seed);
  }

  /** A number from 0 to `end` - 1. */
  below(end: number): number {
    return this.#next() % end;
  }

  oneOf<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }
}

/** Runs work on a pool whose statements wait until the test lets each of them run. */
export class Steps {
  /** Passes each statement to the real pool when its turn comes. */
  readonly pool: Pool;
  #waiting: (() => void) | undefined;
  #arrived: () => void = () => {};
  #over = false;

  constructor(pool: Pool) {
    const stepped = async (...statement: unknown[]) => {
      await new Promise<void>((go) => {
        this.#waiting = go;
        this.#arrived();
      });
      return (pool.query as (...statement: unknown[]) => Promise<unknown>)(...statement);
    };
    this.pool = new Proxy(pool, {
      get: (target, name) => (name === 'query' ? stepped : Reflect.get(target, name)),
    });
  }

  /** Runs `work` up to its first statement. */
  async start<Result>(work: (pool: Pool) => Promise<Result>): Promise<{ result: Promise<Result> }> {
    const result = work(this.pool).finally(() => {
      this.#over = true;
      this.#arrived();
    });
    result.catch(() => {});
    await this.#nextOrEnd();
    return { result };
  }

  get over(): boolean {
    return this.#over;
  }

  /** Runs one statement, and returns when the next one waits for its turn or the work has ended. */
  async step(): Promise<void> {
    const go = this.#waiting;
    this.#waiting = undefined;
    go?.();
    await this.#nextOrEnd();
  }

  async #nextOrEnd(): Promise<void> {
    while (!this.#over && this.#waiting === undefined) {
      await new Promise<void>((arrived) => {
        this.#arrived = arrived;
      });
    }
  }
}

interface Session {
  client: pg.Client;
  transaction: 'none' | 'open' | 'failed';
  /** An id that the transaction has taken from the sequence and not used yet. */
  taken: string | undefined;
}

export interface WritersOptions {
  databaseUrl: string;
  sessions: number;
  /** The log, and those of its partitions that accept any id. */
  tables: readonly string[];
}

const BATCH_ROWS = 4;
const COPY_ROWS = 3;
const nextId = `nextval('public.api_logs_id_seq')`;

/** Sessions of other applications that insert into the log in every way PostgreSQL offers. */
export class Writers {
  readonly #options: WritersOptions;
  #sessions: Session[] = [];
  readonly #prepared = new Set<string>();
  #transactions = 0;

  constructor(options: WritersOptions) {
    this.#options = options;
  }

  /** Opens the sessions, also again after a crash, which has rolled back what they had not prepared. */
  async connect(): Promise<void> {
    await this.close();
    const numbers = [...Array(this.#options.sessions).keys()];
    this.#sessions = await Promise.all(
      numbers.map(async (number): Promise<Session> => {
        const connectionString = this.#options.databaseUrl;
        const client = new pg.Client({ connectionString, application_name: `writer ${number}` });
        client.on('error', () => {});
        await client.connect();
        return { client, transaction: 'none', taken: undefined };
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#sessions.map(({ client }) => client.end().catch(() => {})));
    this.#sessions = [];
  }

  /** Lets one session do one thing that is possible in its state. */
  async act(draws: Draws): Promise<void> {
    const session = draws.oneOf(this.#sessions);
    const table = draws.oneOf(this.#options.tables);
    if (session.transaction === 'none') await draws.oneOf(this.#outside(session, table))();
    else if (session.transaction === 'open') await draws.oneOf(this.#inside(session, table))();
    else await this.#end(session, draws.oneOf(['commit', 'rollback']));
  }

  /** Commits or rolls back every transaction. */
  async endAll(draws: Draws): Promise<void> {
    for (const session of this.#sessions) {
      if (session.transaction !== 'none') await this.#end(session, draws.oneOf(['commit', 'rollback']));
    }
    for (const name of this.#prepared) {
      await this.#endPrepared(this.#sessions[0]!, name, draws.oneOf(['commit', 'rollback']));
    }
  }

  #outside(session: Session, table: string): (() => Promise<unknown>)[] {
    const begin = () => this.#begin(session);
    const prepared = [...this.#prepared].flatMap((name) => [
      () => this.#endPrepared(session, name, 'commit'),
      () => this.#endPrepared(session, name, 'rollback'),
    ]);
    return [...inserts(session.client, table), begin, begin, begin, begin, ...prepared];
  }

  #inside(session: Session, table: string): (() => Promise<unknown>)[] {
    const { client } = session;
    const savepoint = (end: string) => () => client.query(`savepoint here; ${insert(table, 1)}; ${end} savepoint here`);
    const { taken } = session;
    return [
      ...inserts(client, table),
      savepoint('rollback to'),
      savepoint('release'),
      taken === undefined ? () => takeId(session) : () => useId(session, table, taken),
      () => this.#fail(session, table),
      () => this.#prepare(session),
      () => this.#end(session, 'commit'),
      () => this.#end(session, 'commit'),
      () => this.#end(session, 'rollback'),
    ];
  }

  async #begin(session: Session): Promise<void> {
    await session.client.query('begin');
    session.transaction = 'open';
  }

  async #end(session: Session, how: 'commit' | 'rollback'): Promise<void> {
    await session.client.query(how);
    session.transaction = 'none';
    session.taken = undefined;
  }

  /** Runs an insert that takes an id and is refused. */
  async #fail(session: Session, table: string): Promise<void> {
    await session.client.query(insert(table, 1, -1)).catch(() => {});
    session.transaction = 'failed';
  }

  async #prepare(session: Session): Promise<void> {
    this.#transactions += 1;
    const name = `${new URL(this.#options.databaseUrl).pathname.slice(1)}-${this.#transactions}`;
    await session.client.query(`prepare transaction '${name}'`);
    session.transaction = 'none';
    session.taken = undefined;
    this.#prepared.add(name);
  }

  async #endPrepared({ client }: Session, name: string, how: 'commit' | 'rollback'): Promise<void> {
    await client.query(`${how} prepared '${name}'`);
    this.#prepared.delete(name);
  }
}

function inserts(client: pg.Client, table: string): (() => Promise<unknown>)[] {
  return [() => client.query(insert(table, 1)), () => client.query(insert(table, BATCH_ROWS)), () => copyRows(client)];
}

function insert(table: string, rows: number, usage = 1): string {
  return `insert into ${table} (id, user_id, usage, called_at)
          select ${nextId}, 'somebody', ${usage}, now() from generate_series(1, ${rows})`;
}

async function takeId(session: Session): Promise<void> {
  const { rows } = await session.client.query<{ id: string }>(`select ${nextId} as id`);
  session.taken = rows[0]!.id;
}

async function useId(session: Session, table: string, id: string): Promise<void> {
  session.taken = undefined;
  await session.client.query(
    `insert into ${table} (id, user_id, usage, called_at) values (${id}, 'by hand', 1, now())`,
  );
}

async function copyRows(client: pg.Client): Promise<void> {
  const copy = await copyIn(client, 'copy public.api_logs (user_id, usage, called_at) from stdin');
  await copy.write(Buffer.from('somebody\t1\t2026-10-01\n'.repeat(COPY_ROWS)));
  await copy.finish();
}
