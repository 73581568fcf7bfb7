/**
 * The settings and servers of a command. Each server is connected to when it is first asked for, and all connections
 * are closed at the end, even if the command fails. Ctrl-C ends the process; the servers notice that the connections
 * close, and roll back.
 */
import type { Servers } from '../operations/servers.js';
import type { Pool } from '../postgres/pool.js';
import type { Tracing } from '../workers/tracing.js';

export interface Context extends Servers {
  /** Undefined if traces are off. Ask for it before the database, whose driver it instruments. */
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
      const { connectTemporal } = await import('../temporal/connect.js');
      const tracing = await context.tracing();
      const { client, close } = await connectTemporal(config.temporal, tracing === undefined ? [] : [tracing.client]);
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
  const [{ pendingMigrations }, { MigrationError }] = await Promise.all([
    import('../schema/migrate.js'),
    import('../schema/migration-error.js'),
  ]);
  const pending = await pendingMigrations(pool);
  if (pending.length === 0) return;
  const names = pending.length === 1 ? `migration ${pending[0]}` : `migrations ${pending.join(', ')}`;
  throw new MigrationError(`The database lacks ${names}: run \`meterfold migrate\`.`);
}

function once<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined;
  return () => {
    opened ??= open();
    return opened;
  };
}
