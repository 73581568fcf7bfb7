/**
 * Connections. One pool a process; every session speaks UTC and ISO dates, so that text read from the database means
 * the same everywhere. bigint and numeric arrive as strings and stay exact.
 */
import { createHash } from 'node:crypto';
import pg from 'pg';
import { parseIntoClientConfig } from 'pg-connection-string';
import { createReadSocket } from './read-socket.js';

export type Pool = pg.Pool;
export type Client = pg.PoolClient;
/** What runs a query: a pool, or one client inside a transaction. */
export type Queryable = Pick<pg.Pool, 'query'>;

export interface PoolOptions {
  applicationName: string;
  connectionsMax: number;
  keepsConnections?: boolean;
}

const SESSION_OPTIONS = '-c timezone=UTC -c datestyle=ISO';

/**
 * Opens a pool on a libpq URL. sslmode means what libpq says it means, sockets included (?host=/var/run/postgresql).
 * Nothing is connected yet, except for sslmode=prefer, which has to ask the server whether it speaks TLS.
 */
export async function openPool(databaseUrl: string, options: PoolOptions): Promise<Pool> {
  const given = await clientConfig(databaseUrl);
  const config: pg.PoolConfig = {
    ...given,
    options: [given.options, SESSION_OPTIONS].filter(Boolean).join(' '),
    application_name: options.applicationName,
    max: options.connectionsMax,
    connectionTimeoutMillis: 10_000,
    // A worker's connections stay open: opening one costs as much as a small activity.
    idleTimeoutMillis: options.keepsConnections === true ? 0 : 30_000,
    keepAlive: true,
  };
  if (config.ssl === undefined || config.ssl === false) config.stream = createReadSocket;
  const pool = new pg.Pool(config);
  // A connection that breaks while idle is replaced at its next use; without a listener it would end the process.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

async function clientConfig(databaseUrl: string): Promise<pg.ClientConfig> {
  const sslmode = parametersOf(databaseUrl).parameters.get('sslmode');
  const libpq = (url: string) => parseIntoClientConfig(withParameter(url, 'uselibpqcompat', 'true')) as pg.ClientConfig;
  const plain = () => libpq(withParameter(databaseUrl, 'sslmode', 'disable'));
  if (sslmode === null) return libpq(databaseUrl);
  if (sslmode === 'allow') return plain();
  if (sslmode !== 'prefer') return libpq(databaseUrl);

  const encrypted = libpq(databaseUrl);
  const probe = new pg.Client({ ...encrypted, connectionTimeoutMillis: 10_000 });
  try {
    await probe.connect();
    return encrypted;
  } catch (error) {
    if ((error as Error).message.includes('does not support SSL')) return plain();
    return encrypted;
  } finally {
    await probe.end().catch(() => {});
  }
}

function withParameter(databaseUrl: string, name: string, value: string): string {
  const { place, parameters } = parametersOf(databaseUrl);
  parameters.set(name, value);
  return `${place}?${parameters}`;
}

/** libpq takes URLs that are none by the standard, like postgres://user@/database?host=/var/run/postgresql. */
function parametersOf(databaseUrl: string): { place: string; parameters: URLSearchParams } {
  const [place = '', query = ''] = databaseUrl.split('?', 2);
  return { place, parameters: new URLSearchParams(query) };
}

/** A client that is frozen in the middle of a transaction must not keep its locks from everybody else. */
export const IDLE_MS_MAX = 15_000;

/** Runs `work` in one short transaction on a connection of its own. A connection whose transaction failed is not used again. */
export async function transaction<T>(pool: Pool, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query(`begin; set local idle_in_transaction_session_timeout = ${IDLE_MS_MAX}`);
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
