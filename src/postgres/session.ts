/**
 * What a session of meterfold is: its settings, applied once on each new connection before anything else uses it, for every pool
 * (worker, CLI, replica).
 *
 * A role, a database and a server can each have their own defaults (`alter role … set`). No statement of meterfold depends on them:
 * whatever could change a result, hide a row, end a statement or lose a commit is set here. The settings are sent as a statement
 * and not as the start-up parameter `options`, which poolers and some managed servers refuse.
 */
import type { ClientBase, QueryConfig } from 'pg';
import { LIVENESS_SETTINGS, SET_UP_MS_MAX } from './watch/liveness.js';

/** What is known of a session once its settings are applied. */
export interface Session {
  /** The server process by pg_backend_pid(); behind a pooler it differs from the one that the connection was told at start-up. */
  backendPid: number;
  /** When that process started, as seconds since 1970: a process id can be used again. */
  startedAt: string;
  /** As server_version_num: 150013, 180004. */
  serverVersion: number;
  /** True if what answers the connection is not the server process itself: PgBouncer and others make up their own process id. */
  isPooled: boolean;
}

/** A setting that the server does not know is left out: transaction_timeout came with 17. */
const SESSION_SETTINGS: Readonly<Record<string, string>> = {
  // Nothing ends a statement but meterfold itself, which knows what it waits for.
  transaction_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  // A policy that hides rows makes a query fail, instead of billing what is left.
  row_security: 'off',
  // A function or operator of another role must not be found first.
  search_path: 'pg_catalog',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  // The text form of values, in both directions.
  timezone: 'UTC',
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  client_encoding: 'UTF8',
  standard_conforming_strings: 'on',
  quote_all_identifiers: 'off',
  array_nulls: 'on',
  // `x = null` means what SQL says.
  transform_null_equals: 'off',
  default_table_access_method: 'heap',
  ...LIVENESS_SETTINGS,
  // With `replica` no foreign key and no guard holds. Only a superuser may set it, also back; others are refused by name.
  session_replication_role: 'origin',
};

/** Those whose value may surprise somebody who has set another one for the role; initdb writes a time zone and formats down itself. */
export const OVERRIDDEN_SETTINGS = [...Object.keys(SESSION_SETTINGS), 'statement_timeout', 'synchronous_commit'].filter(
  (name) => !['timezone', 'datestyle', 'client_encoding'].includes(name),
);

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

/**
 * The first statement stops the clock that the role may have set for the second. A commit waits for the disk, and for more where the
 * role or the database asks for more.
 */
const SET_UP = `
  set statement_timeout = 0;
  select pg_catalog.pg_backend_pid() as pid,
         (select extract(epoch from backend_start)::pg_catalog.text
            from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())) as "startedAt",
         pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as version,
         pg_catalog.count(pg_catalog.set_config(name, value, false)) as settings
    from (values ${Object.entries(SESSION_SETTINGS)
      .map(([name, value]) => `(${literal(name)}, ${literal(value)})`)
      .join(', ')},
                 ('synchronous_commit',
                  case when pg_catalog.current_setting('synchronous_commit') operator(pg_catalog.=) 'remote_apply'
                       then 'remote_apply' else 'on' end)
         ) as setting (name, value)
   where pg_catalog.current_setting(name, true) operator(pg_catalog.<>) value`;

interface SetUpRow {
  pid: number;
  startedAt: string;
  version: number;
}

const sessions = new WeakMap<object, Session>();

/** The server refuses a setting that meterfold's sessions need. */
export class SessionSettingError extends Error {
  override name = 'SessionSettingError';
}

/** Nothing answers a new session: it is tried again, as a pooler's server processes may become free. */
export class NoServerProcessError extends Error {
  override name = 'NoServerProcessError';

  constructor() {
    super(
      `PostgreSQL accepted a connection, and no server process has answered it for ${SET_UP_MS_MAX / 1000} s: check the server; a ` +
        'pooler in session mode needs a server connection for each connection of all workers and commands (default_pool_size in PgBouncer)',
    );
  }
}

/** SQLSTATE classes of a setting that is refused: not supported, a wrong value, a missing right. */
const REFUSED_CLASSES = ['0A', '22', '42'];

/** Applies the settings, in one round trip. A connection for which this fails is closed by the pool. Throws SessionSettingError. */
export async function setUpSession(client: ClientBase): Promise<Session> {
  // Two statements have two results, of which pg's types know one.
  const query = { text: SET_UP, query_timeout: SET_UP_MS_MAX } as QueryConfig;
  const results = (await client.query(query).catch(refused)) as unknown as { rows: SetUpRow[] }[];
  const row = results[1]?.rows[0];
  if (row === undefined) throw new Error('the server did not answer the set-up of a session');
  const told = (client as unknown as { processID: number | null }).processID;
  const session = {
    backendPid: row.pid,
    startedAt: row.startedAt,
    serverVersion: row.version,
    isPooled: told !== row.pid,
  };
  sessions.set(client, session);
  return session;
}

function refused(error: Error & { code?: string }): never {
  if (error.message === 'Query read timeout') throw new NoServerProcessError();
  if (!REFUSED_CLASSES.includes(error.code?.slice(0, 2) ?? '')) throw error;
  throw new SessionSettingError(
    `the server refuses a setting that meterfold's sessions need (${error.message}): reset what this role and this database set ` +
      '(`alter role … reset …`, `alter database … reset …`; `\\drds` in psql lists it)',
    { cause: error },
  );
}

/** The pooler or the server does not take a parameter that the URL asks for at start-up. */
export class StartupParameterError extends Error {
  override name = 'StartupParameterError';

  constructor(parameter: string, options?: ErrorOptions) {
    super(
      `the pooler refuses the start-up parameter ${parameter}, which comes from the URL or from PGOPTIONS: take it out, or set ` +
        `ignore_startup_parameters = ${parameter} in PgBouncer; meterfold itself needs none`,
      options,
    );
  }
}

/** The pooler between here and the server gives each transaction, or each statement, another server process. */
export class PoolModeError extends Error {
  override name = 'PoolModeError';

  constructor(options?: ErrorOptions) {
    super(
      'a connection pooler in transaction or statement mode stands before PostgreSQL, and meterfold needs sessions: ' +
        'set pool_mode = session for this database in PgBouncer, or connect to PostgreSQL directly (DATABASE_URL, LOG_REPLICA_URL)',
      options,
    );
  }
}

/** Throws PoolModeError if a statement of a session was answered by another server process than the one that was set up. */
export function checkBackend(client: ClientBase, pid: number): void {
  const session = sessions.get(client);
  if (session !== undefined && session.backendPid !== pid) throw new PoolModeError();
}
