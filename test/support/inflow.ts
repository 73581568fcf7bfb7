/**
 * Connections that write to the log continuously and independently: transactions of any length, with single rows,
 * batches, COPY and savepoints, committed or rolled back. The seed determines what each connection writes, but not how
 * they interleave.
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { copyIn } from '../../src/postgres/copy/copy-in.js';
import { Draws } from './interleavings.js';
import type { Stack } from './stack.js';

export interface InflowOptions {
  connections: number;
  seed: number;
}

const USERS = 200;
const USAGES = 1000;
const BATCH_CALLS_MAX = 20;
const STATEMENTS_MAX = 5;
/** The pause of the application between two statements, and between two transactions. */
const WORK_MS_MAX = 40;
const PAUSE_MS_MAX = 200;
/** How long a transaction is open that a run does not wait for. */
const LONG_ONE_IN = 300;
const LONG_MS_MAX = 3000;
const ROLLED_BACK_ONE_IN = 6;

export class Inflow {
  readonly #stack: Stack;
  readonly #writers: Promise<void>[];
  readonly #stopping = new AbortController();
  #calls = 0;

  constructor(stack: Stack, { connections, seed }: InflowOptions) {
    this.#stack = stack;
    this.#writers = Array.from({ length: connections }, (_, number) =>
      this.#write(new Draws(seed * connections + number)),
    );
    for (const writer of this.#writers) writer.catch(() => {});
    stack.onClose(() => this.stop().catch(() => {}));
  }

  /** How many calls are committed. */
  get calls(): number {
    return this.#calls;
  }

  /** Lets each connection end its transaction. Throws the error of a connection that has failed. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#writers);
  }

  async #write(draws: Draws): Promise<void> {
    const client = new pg.Client({ connectionString: this.#stack.databaseUrl, application_name: 'inflow' });
    await client.connect();
    try {
      while (!this.#stopping.signal.aborted) {
        const calls = await this.#transaction(client, draws);
        this.#calls += calls;
        await this.#pass(draws.below(PAUSE_MS_MAX));
      }
    } finally {
      await client.end();
    }
  }

  /** The number of calls committed. */
  async #transaction(client: pg.Client, draws: Draws): Promise<number> {
    const statements = 1 + draws.below(STATEMENTS_MAX);
    const openMs = draws.below(LONG_ONE_IN) === 0 ? draws.below(LONG_MS_MAX) : draws.below(WORK_MS_MAX);
    await client.query('begin');
    let calls = 0;
    for (let statement = 0; statement < statements; statement++) {
      calls += await draws.oneOf(kinds)(client, draws);
      await this.#pass(openMs / statements);
    }
    if (draws.below(ROLLED_BACK_ONE_IN) === 0) {
      await client.query('rollback');
      return 0;
    }
    await client.query('commit');
    return calls;
  }

  /** Waits; returns early when the inflow is stopped. */
  async #pass(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }
}

/** Ways to write calls in an open transaction. Each returns how many calls stay if it commits. */
const kinds: readonly ((client: pg.Client, draws: Draws) => Promise<number>)[] = [
  (client, draws) => insert(client, draws, 1),
  (client, draws) => insert(client, draws, 1 + draws.below(BATCH_CALLS_MAX)),
  copy,
  async (client, draws) => {
    await client.query('savepoint here');
    await insert(client, draws, 1 + draws.below(BATCH_CALLS_MAX));
    await client.query('rollback to savepoint here');
    return 0;
  },
  async (client, draws) => {
    await client.query('savepoint here');
    const calls = await insert(client, draws, 1 + draws.below(BATCH_CALLS_MAX));
    await client.query('release savepoint here');
    return calls;
  },
];

async function insert(client: pg.Client, draws: Draws, calls: number): Promise<number> {
  const made = makeCalls(draws, calls);
  await client.query(
    `insert into public.api_logs (user_id, usage, called_at)
     select made.user_id, made.usage, clock_timestamp() from unnest($1::text[], $2::bigint[]) as made (user_id, usage)`,
    [made.map(({ user }) => user), made.map(({ usage }) => usage)],
  );
  return calls;
}

async function copy(client: pg.Client, draws: Draws): Promise<number> {
  const lines = makeCalls(draws, 1 + draws.below(BATCH_CALLS_MAX)).map(
    ({ user, usage }) => `${user}\t${usage}\t2026-10-01T00:00:00Z\n`,
  );
  const copying = await copyIn(client, 'copy public.api_logs (user_id, usage, called_at) from stdin');
  await copying.write(Buffer.from(lines.join('')));
  return copying.finish();
}

function makeCalls(draws: Draws, calls: number): { user: string; usage: number }[] {
  return Array.from({ length: calls }, () => ({ user: `user-${draws.below(USERS)}`, usage: draws.below(USAGES) }));
}
