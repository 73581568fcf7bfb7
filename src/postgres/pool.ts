/**
 * Connections. One pool a process and server; src/postgres/session.ts sets up each session, so that text read from the database means
 * the same everywhere. bigint and numeric arrive as strings and stay exact.
 */
import { AsyncResource } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import pg from 'pg';
import { clientConfig } from './connection.js';
import { createReadSocket } from './copy/read-socket.js';
import { probePoolMode } from './pooler.js';
import { checkBackend, setUpSession } from './session.js';
import { ConnectionWatch } from './watch/connection-watch.js';
import { CONNECT_MS, KEEPALIVE_IDLE_MS } from './watch/liveness.js';
import { attributeStatements } from './watch/work.js';

export type Pool = pg.Pool;
export type Client = pg.PoolClient;
/** What runs a query: a pool, or one client inside a transaction. */
export type Queryable = Pick<pg.Pool, 'query'>;

export interface PoolOptions {
  applicationName: string;
  connectionsMax: number;
  keepsConnections?: boolean;
}

/**
 * Opens a pool on a libpq URL (database-url.ts). Throws DatabaseUrlError. Nothing is connected yet, except for sslmode=prefer and allow,
 * which have to ask the server whether it speaks TLS.
 */
export async function openPool(databaseUrl: string, options: PoolOptions): Promise<Pool> {
  const given = await clientConfig(databaseUrl);
  const config: pg.PoolConfig = {
    ...given,
    application_name: options.applicationName,
    max: options.connectionsMax,
    connectionTimeoutMillis: given.connectionTimeoutMillis ?? CONNECT_MS,
    // A worker's connections stay open: opening one costs as much as a small activity.
    idleTimeoutMillis: options.keepsConnections === true ? 0 : 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_IDLE_MS,
    // Nobody is given a connection before this has succeeded.
    onConnect: async (client) => {
      attributeStatements(client);
      const session = await setUpSession(client);
      watch.begin(client, session);
      if (!session.isPooled) return;
      probing ??= probePoolMode(config, session).catch((error) => {
        probing = undefined;
        throw error;
      });
      await probing;
    },
  };
  // Once a pool is enough: a pooler has one mode for a database and a role.
  let probing: Promise<void> | undefined;
  if (config.ssl === undefined || config.ssl === false) config.stream = createReadSocket;
  const watch = new ConnectionWatch({ ...config });
  const pool = new ContextPool(config);
  // A connection that breaks while idle is replaced at its next use; without a listener it would end the process.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** A pool whose callbacks run in the caller's asynchronous context, not in the context of whoever released the connection. */
class ContextPool extends pg.Pool {
  // biome-ignore lint/suspicious/noExplicitAny: pg's overloads, with a callback and without
  override connect(callback?: any): any {
    return super.connect(callback && AsyncResource.bind(callback));
  }
}

/** A client that is frozen in the middle of a transaction must not keep its locks from everybody else. */
export const IDLE_MS_MAX = 15_000;

export const READ_COMMITTED = 'isolation level read committed';

export interface TransactionOptions {
  /** What BEGIN says of the transaction. */
  mode?: string;
  /** How long the transaction may wait for its client between two statements; 0 for as long as it takes. */
  idleMsMax?: number;
}

/** Settings of one transaction, by name; their values hold no quote. */
export type TransactionSettings = Readonly<Record<string, string>>;

/** Begins a transaction in the server process that was set up for the session, in one round trip. Throws PoolModeError. */
export async function begin(client: Client, mode: string, settings: TransactionSettings = {}): Promise<void> {
  const set = Object.entries(settings).map(([name, value]) => `, pg_catalog.set_config('${name}', '${value}', true)`);
  // Several statements have a result each, of which pg's types know one.
  const begun = (await client.query(
    `begin ${mode}; select pg_catalog.pg_backend_pid() as pid${set.join('')}`,
  )) as unknown as pg.QueryResult<{ pid: number }>[];
  checkBackend(client, begun.at(-1)!.rows[0]!.pid);
}

/** Runs `work` in one short transaction on a connection of its own. A connection whose transaction failed is not used again. */
export async function transaction<T>(
  pool: Pool,
  work: (client: Client) => Promise<T>,
  { mode = READ_COMMITTED, idleMsMax = IDLE_MS_MAX }: TransactionOptions = {},
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await begin(client, mode, { idle_in_transaction_session_timeout: String(idleMsMax) });
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    broken = error as Error;
    throw error;
  } finally {
    client.release(broken);
  }
}

export interface Loan {
  /** If it aborts, the connection is closed at once, and what is under way on it fails. */
  signal: AbortSignal;
  onAbort?: () => void;
}

/** Lends a connection. One on which anything went wrong is not used again. */
export async function lend<T>(
  pool: Pool,
  { signal, onAbort = () => {} }: Loan,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const client = await pool.connect();
  let released = false;
  const release = (broken?: Error) => {
    if (!released) client.release(broken);
    released = true;
  };
  const stop = () => {
    release(new Error('aborted'));
    onAbort();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    const result = await work(client);
    release();
    return result;
  } catch (error) {
    release(error as Error);
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

const names = new Map<string, string>();

/**
 * A statement that a session parses once, and plans a few times, however often it is asked: for what every run asks. Not for one whose
 * best plan hangs on how large a table has grown, or how much of it is asked for.
 */
export function prepared(text: string, values: readonly unknown[] = []): pg.QueryConfig {
  let name = names.get(text);
  if (name === undefined) {
    name = createHash('sha1').update(text).digest('hex');
    names.set(text, name);
  }
  return { name, text, values: [...values] };
}

/** The only row of a result that has exactly one. */
export function one<Row extends pg.QueryResultRow>(result: pg.QueryResult<Row>): Row {
  const row = result.rows[0];
  if (row === undefined || result.rows.length > 1) throw new Error(`expected one row, got ${result.rows.length}`);
  return row;
}
