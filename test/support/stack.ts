/**
 * A stack for one test file: a database, cloned from the migrated template, and a Temporal namespace, on the shared
 * servers. The name of the task queue is fixed; the namespace separates the workers of different files.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { TASK_QUEUE } from '../../src/config.js';
import { eventually } from './eventually.js';
import type { Servers } from './servers.js';

export interface Stack {
  readonly databaseUrl: string;
  readonly databaseName: string;
  readonly temporalAddress: string;
  readonly namespace: string;
  /** The `temporal` binary. */
  readonly temporalCli: string;
  /** The complete environment of child processes. HOME is an empty directory, and is their working directory. */
  readonly env: Readonly<Record<string, string>>;
  readonly home: string;
  /** Sessions with time zone UTC that may change the log. Their application name is `test`. */
  readonly pool: pg.Pool;
  readonly temporal: Client;
  /** Registers work that runs when the stack closes, before the database is dropped. The last registered runs first. */
  onClose(work: () => Promise<void>): void;
  close(): Promise<void>;
}

export interface StackOptions {
  /** Uses an empty database instead of a migrated one. */
  bare?: boolean;
  /** Servers to use instead of those of the global setup. */
  servers?: Servers;
  /**
   * Uses another Temporal server than the shared one, with the namespace `default`, which exists on an empty server.
   */
  temporalAddress?: string;
  /** Shares the database of this stack, which must close later. */
  beside?: Pick<Stack, 'databaseName'>;
}

const RETENTION_SECONDS = 24 * 3600;

export async function freshStack(options: StackOptions = {}): Promise<Stack> {
  const servers = options.servers ?? (await import('vitest')).inject('servers');
  const id = randomBytes(6).toString('hex');
  const { beside } = options;
  const databaseName = beside?.databaseName ?? `test_${id}`;
  const namespace = options.temporalAddress === undefined ? `test-${id}` : 'default';
  const { temporalAddress, temporalCli } = { ...servers, ...options };
  const databaseUrl = urlOf(servers, databaseName);
  const home = await mkdtemp(join(servers.stateDir, 'home-'));

  const connection = await Connection.connect({
    address: temporalAddress,
    // The user's HTTP proxy does not apply to connections within this machine.
    channelArgs: { 'grpc.enable_http_proxy': 0 },
  });
  const temporal = new Client({ connection, namespace });
  await Promise.all([
    beside === undefined &&
      onServer(
        servers,
        `create database ${databaseName} template ${options.bare ? 'template0' : servers.templateDatabase}`,
      ),
    namespace !== 'default' && createNamespace(temporal, namespace),
  ]);
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    application_name: 'test',
    // A test may change the log in ways that the guard forbids.
    options: '-c timezone=UTC -c datestyle=ISO -c meterfold.log_guard=off',
    max: 10,
  });
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));

  const closers: (() => Promise<void>)[] = [];
  return {
    databaseUrl,
    databaseName,
    temporalAddress,
    namespace,
    temporalCli,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: home,
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: temporalAddress,
      TEMPORAL_NAMESPACE: namespace,
    },
    home,
    pool,
    temporal,
    onClose(work) {
      closers.push(work);
    },
    async close() {
      for (const work of closers.splice(0).reverse()) await work();
      await pool.end();
      await connection.close();
      if (beside === undefined) await onServer(servers, `drop database ${databaseName} with (force)`);
    },
  };
}

/** Returns the URL of another database, or role, on the same server. */
export function urlOf(
  at: { postgresUrl: string },
  database: string,
  role?: { name: string; password: string },
): string {
  const url = new URL(at.postgresUrl);
  url.pathname = `/${database}`;
  if (role !== undefined) {
    url.username = role.name;
    url.password = role.password;
  }
  return url.toString();
}

/** The limit for an administrative statement, so that a hanging server gives a clear error. */
const ANSWER_MS_MAX = 60_000;

/** Returns a client for administrative statements on the server. */
export function adminOf(server: Pick<Servers, 'postgresUrl'>): pg.Client {
  return new pg.Client({
    connectionString: urlOf(server, 'postgres'),
    connectionTimeoutMillis: ANSWER_MS_MAX,
    query_timeout: ANSWER_MS_MAX,
  });
}

async function onServer(servers: Servers, sql: string): Promise<void> {
  const client = adminOf(servers);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function createNamespace(client: Client, namespace: string): Promise<void> {
  const { workflowService } = client;
  await client.withDeadline(Date.now() + ANSWER_MS_MAX, () =>
    workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: RETENTION_SECONDS as never },
    }),
  );
  // The services of the server learn of a new namespace at different times.
  await eventually(`namespace ${namespace} is usable`, async () => {
    try {
      await workflowService.describeTaskQueue({ namespace, taskQueue: { name: TASK_QUEUE }, taskQueueType: 1 });
      await workflowService.countWorkflowExecutions({ namespace, query: '' });
      return true;
    } catch {
      return false;
    }
  });
}
