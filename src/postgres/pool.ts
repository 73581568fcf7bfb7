/**
 * Connection pools and transactions. A process has one pool for each server. session.ts applies the same settings to
 * each session, so text read from the database has one format everywhere. bigint and numeric are read as strings, so
 * they stay exact.
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
/** Something that runs queries: a pool, or a client inside a transaction. */
export type Queryable = Pick<pg.Pool, 'query'>;

export interface PoolOptions {
  applicationName: string;
  connectionsMax: number;
  keepsConnections?: boolean;
}

/**
 * Opens a pool for a libpq URL (database-url.ts). Throws DatabaseUrlError. It does not connect, except with
 * sslmode=prefer or allow, where it probes whether the server supports TLS.
 */
export async function openPool(databaseUrl: string, options: PoolOptions): Promise<Pool> {
  const given = await clientConfig(databaseUrl);
  const config: pg.PoolConfig = {
    ...given,
    application_name: options.applicationName,
    max: options.connectionsMax,
    connectionTimeoutMillis: given.connectionTimeoutMillis ?? CONNECT_MS,
    // A worker keeps its connections open, because opening one costs as much as a small activity.
    idleTimeoutMillis: options.keepsConnections === true ? 0 : 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_IDLE_MS,
    // The pool returns a new connection only after this has succeeded.
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
  // One probe for each pool is enough: a pooler has one mode for a database and a role.
  let probing: Promise<void> | undefined;
  if (config.ssl === undefined || config.ssl === false) config.stream = createReadSocket;
  const watch = new ConnectionWatch({ ...config });
  const pool = new ContextPool(config);
  // A connection that breaks while idle is replaced at its next use. Without a listener its error would end the
  // process.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** A pool whose callbacks run in the caller's asynchronous context, not in that of the releasing caller. */
class ContextPool extends pg.Pool {
  // biome-ignore lint/suspicious/noExplicitAny: pg's overloads, with a callback and without
  override connect(callback?: any): any {
    return super.connect(callback && AsyncResource.bind(callback));
  }
}

/** The limit on idle time within a transaction, so that the locks of a frozen client are released. */
export const IDLE_MS_MAX = 15_000;

export const READ_COMMITTED = 'isolation level read committed';

export interface TransactionOptions {
  /** The transaction mode in BEGIN. */
  mode?: string;
  /** The limit on the time between two statements of the transaction; 0 for no limit. */
  idleMsMax?: number;
}

/** Settings of one transaction, by name. Values must not contain quotes. */
export type TransactionSettings = Readonly<Record<string, string>>;

/**
 * Begins a transaction in one round trip, and checks that it runs in the server process whose session was set up.
 * Throws PoolModeError.
 */
export async function begin(client: Client, mode: string, settings: TransactionSettings = {}): Promise<void> {
  const set = Object.entries(settings).map(([name, value]) => `, pg_catalog.set_config('${name}', '${value}', true)`);
  // Several statements return an array of results, which pg's types do not declare.
  const begun = (await client.query(
    `begin ${mode}; select pg_catalog.pg_backend_pid() as pid${set.join('')}`,
  )) as unknown as pg.QueryResult<{ pid: number }>[];
  checkBackend(client, begun.at(-1)!.rows[0]!.pid);
}

/** Runs `work` in one short transaction on its own connection. A connection whose transaction failed is not reused. */
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

export interface AbortOptions {
  /** If it aborts, the connection is closed immediately, and a statement in progress on it fails. */
  signal: AbortSignal;
  onAbort?: () => void;
}

/** Runs `work` with a connection of the pool. A connection on which `work` failed is not reused. */
export async function withClient<T>(
  pool: Pool,
  { signal, onAbort = () => {} }: AbortOptions,
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
 * Returns a prepared statement, which a session parses once and plans only a few times. Use it for statements of every
 * run, but not if the best plan depends on the size of a table or on how much of it is read.
 */
export function prepared(text: string, values: readonly unknown[] = []): pg.QueryConfig {
  let name = names.get(text);
  if (name === undefined) {
    name = createHash('sha1').update(text).digest('hex');
    names.set(text, name);
  }
  return { name, text, values: [...values] };
}

/** Returns the row of a result that must have exactly one. */
export function one<Row extends pg.QueryResultRow>(result: pg.QueryResult<Row>): Row {
  const row = result.rows[0];
  if (row === undefined || result.rows.length > 1) throw new Error(`expected one row, got ${result.rows.length}`);
  return row;
}
