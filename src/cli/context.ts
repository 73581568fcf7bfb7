/**
 * What a command works with: the settings, the database, Temporal. Each is opened when it is first asked for, and all of
 * it is closed at the end, however the command ends. Ctrl-C ends the process; the servers see the connections close and roll back.
 */
import type { Client } from '@temporalio/client';
import type { Config } from '../config.js';
import type { Pool } from '../postgres/pool.js';
import type { Tracing } from '../workers/tracing.js';
import { CommandError } from './text/problems.js';

/** How long Temporal may take to answer when a command connects. */
const temporalConnectMs = 5_000;

export interface Context {
  readonly config: Config;
  /** The database as it is; only for commands that need no schema. */
  bareDatabase(): Promise<Pool>;
  /** The database with all its migrations; throws CommandError if it lacks one. */
  database(): Promise<Pool>;
  temporal(): Promise<Client>;
  /** Undefined where traces are off. To be asked before the database, whose driver it watches. */
  tracing(): Promise<Tracing | undefined>;
}

export async function withContext<T>(work: (context: Context) => Promise<T>): Promise<T> {
  const { loadConfig } = await import('../config.js');
  const config = loadConfig(process.env);
  const closers: (() => Promise<void>)[] = [];
  const bareDatabase = once(async () => {
    const { openPool } = await import('../postgres/pool.js');
    const pool = await openPool(config.databaseUrl, { applicationName: 'meterfold cli', connectionsMax: 4 });
    closers.push(() => pool.end());
    return pool;
  });
  const context: Context = {
    config,
    bareDatabase,
    database: once(async () => {
      const pool = await bareDatabase();
      await requireMigrations(pool);
      return pool;
    }),
    tracing: once(async () => {
      if (!config.traces) return undefined;
      const [{ startTracing }, { createLogger }] = await Promise.all([
        import('../workers/tracing.js'),
        import('../logger.js'),
      ]);
      const tracing = startTracing(createLogger(config.logLevel));
      closers.push(() => tracing.close());
      return tracing;
    }),
    temporal: once(async () => {
      const { client, close } = await connectTemporal(config, await context.tracing());
      closers.push(close);
      return client;
    }),
  };
  try {
    return await work(context);
  } finally {
    await Promise.allSettled(closers.map((close) => close()));
  }
}

async function requireMigrations(pool: Pool) {
  const { pendingMigrations } = await import('../schema/migrate.js');
  const pending = await pendingMigrations(pool);
  if (pending.length === 0) return;
  const names = pending.length === 1 ? `migration ${pending[0]}` : `migrations ${pending.join(', ')}`;
  throw new CommandError(`The database lacks ${names}: run \`meterfold migrate\`.`);
}

async function connectTemporal(
  config: Config,
  tracing: Tracing | undefined,
): Promise<{ client: Client; close: () => Promise<void> }> {
  const { Client, Connection } = await import('@temporalio/client');
  const { address, tls, apiKey, metadata } = config.temporal.connection;
  const connection = Connection.lazy({
    connectTimeout: temporalConnectMs,
    ...(address === undefined ? {} : { address }),
    ...(tls === undefined ? {} : { tls }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(metadata === undefined ? {} : { metadata }),
  });
  try {
    await connection.ensureConnected();
  } catch (cause) {
    await connection.close();
    throw temporalUnreachable(cause as Error, config);
  }
  const interceptors = tracing === undefined ? {} : { interceptors: { workflow: [tracing.client] } };
  const client = new Client({ connection, namespace: config.temporal.namespace, ...interceptors });
  return { client, close: () => connection.close() };
}

/** The client's own error says neither where it tried nor that it was Temporal; a refusal (a wrong key) has more to say. */
function temporalUnreachable(cause: Error, config: Config): Error {
  const refused = (cause.cause as { code?: number } | undefined)?.code;
  if (refused !== undefined && refused !== 4 && refused !== 14) return cause;
  const { address, connection } = config.temporal;
  const tls = connection.tls ? 'with' : 'without';
  return new CommandError(
    `Temporal is not reachable at ${address} (${tls} TLS): start it (\`meterfold dev\` starts one), or set TEMPORAL_ADDRESS.`,
    { cause },
  );
}

function once<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined;
  return () => {
    opened ??= open();
    return opened;
  };
}
