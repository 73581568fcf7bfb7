/**
 * The settings of a session, applied to each new connection of every pool (worker, CLI, replica) before its first use.
 *
 * A role, a database and a server can each have their own defaults (`alter role … set`). No statement of meterfold
 * depends on them: each setting that could change a result, hide a row, end a statement or lose a commit is set here.
 * The settings are sent in a statement rather than in the start-up parameter `options`, which poolers and some managed
 * servers refuse.
 */
import type { ClientBase, QueryConfig } from 'pg';
import { LIVENESS_SETTINGS, SET_UP_MS_MAX } from './watch/liveness.js';

/** Facts about a session, read while its settings are applied. */
export interface Session {
  /**
   * The result of pg_backend_pid(). Behind a pooler it differs from the process id that the connection received at
   * start-up.
   */
  backendPid: number;
  /** When that process started, in seconds since 1970: process ids are reused. */
  startedAt: string;
  /** server_version_num, for example 150013 or 180004. */
  serverVersion: number;
  /** True if the connection leads to a pooler: PgBouncer and others report a process id of their own. */
  isPooled: boolean;
}

/** Settings unknown to the server are skipped: transaction_timeout exists since PostgreSQL 17. */
const SESSION_SETTINGS: Readonly<Record<string, string>> = {
  // Only meterfold, which knows what a statement waits for, ends it.
  transaction_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  // If a policy would hide rows, the query fails; otherwise only the visible calls would be billed.
  row_security: 'off',
  // Functions and operators of other roles must not shadow those of PostgreSQL.
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
  // `x = null` follows the SQL standard.
  transform_null_equals: 'off',
  default_table_access_method: 'heap',
  ...LIVENESS_SETTINGS,
  // With `replica`, foreign keys and the log's guard triggers do not fire. Only a superuser may change it; other roles
  // get an error that names it.
  session_replication_role: 'origin',
};

/**
 * Settings that may override a deliberate setting of the role. Excluded are those that initdb itself writes to the
 * configuration.
 */
export const OVERRIDDEN_SETTINGS = [...Object.keys(SESSION_SETTINGS), 'statement_timeout', 'synchronous_commit'].filter(
  (name) => !['timezone', 'datestyle', 'client_encoding'].includes(name),
);

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

/**
 * The first statement removes a timeout that the role may have set for the second. A commit waits for the disk, and
 * also for a standby's replay if the role or the database requires remote_apply.
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

/** The server refuses a setting that meterfold's sessions require. */
export class SessionSettingError extends Error {
  override name = 'SessionSettingError';
}

/** A new session receives no answer. Retried, because a server connection of a pooler may become free. */
export class NoServerProcessError extends Error {
  override name = 'NoServerProcessError';

  constructor() {
    super(
      `PostgreSQL accepted a connection, but no server process answered for ${SET_UP_MS_MAX / 1000} s: check the server; a ` +
        'pooler in session mode needs a server connection for each connection of all workers and commands (default_pool_size in PgBouncer)',
    );
  }
}

/** SQLSTATE classes of a refused setting: not supported, invalid value, missing privilege. */
const REFUSED_CLASSES = ['0A', '22', '42'];

/** Applies the settings in one round trip. If it fails, the pool closes the connection. Throws SessionSettingError. */
export async function setUpSession(client: ClientBase): Promise<Session> {
  // Two statements return two results, which pg's types do not declare.
  const query = { text: SET_UP, query_timeout: SET_UP_MS_MAX } as QueryConfig;
  const results = (await client.query(query).catch(refused)) as unknown as { rows: SetUpRow[] }[];
  const row = results[1]?.rows[0];
  if (row === undefined) throw new Error('the server did not answer the set-up of a session');
  const reportedPid = (client as unknown as { processID: number | null }).processID;
  const session = {
    backendPid: row.pid,
    startedAt: row.startedAt,
    serverVersion: row.version,
    isPooled: reportedPid !== row.pid,
  };
  sessions.set(client, session);
  return session;
}

function refused(error: Error & { code?: string }): never {
  if (error.message === 'Query read timeout') throw new NoServerProcessError();
  if (!REFUSED_CLASSES.includes(error.code?.slice(0, 2) ?? '')) throw error;
  throw new SessionSettingError(
    `the server refuses a setting that meterfold's sessions need (${error.message}): reset the settings of this role and this database ` +
      '(`alter role … reset …`, `alter database … reset …`; `\\drds` in psql lists it)',
    { cause: error },
  );
}

/** The pooler or the server refuses a start-up parameter from the URL. */
export class StartupParameterError extends Error {
  override name = 'StartupParameterError';

  constructor(parameter: string, options?: ErrorOptions) {
    super(
      `the pooler refuses the start-up parameter ${parameter}, which comes from the URL or from PGOPTIONS: remove it, or set ` +
        `ignore_startup_parameters = ${parameter} in PgBouncer; meterfold itself needs none`,
      options,
    );
  }
}

/** A pooler in front of the server may run each transaction, or each statement, in a different server process. */
export class PoolModeError extends Error {
  override name = 'PoolModeError';

  constructor(options?: ErrorOptions) {
    super(
      'a connection pooler in transaction or statement mode is in front of PostgreSQL, and meterfold needs sessions: ' +
        'set pool_mode = session for this database in PgBouncer, or connect to PostgreSQL directly (DATABASE_URL, LOG_REPLICA_URL)',
      options,
    );
  }
}

/** Throws PoolModeError if a statement ran in a different server process from the one whose session was set up. */
export function checkBackend(client: ClientBase, pid: number): void {
  const session = sessions.get(client);
  if (session !== undefined && session.backendPid !== pid) throw new PoolModeError();
}
