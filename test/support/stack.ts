/**
 * A stack of a test file's own: a database, cloned from the migrated template, and a Temporal namespace, on the shared servers.
 * The name of the task queue is fixed, so it is the namespace that keeps the workers of two files apart.
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
  /** The whole environment of a child process; HOME is an empty folder, and its working directory. */
  readonly env: Readonly<Record<string, string>>;
  readonly home: string;
  /** Sessions that speak UTC, and may change the log; application name `test`. */
  readonly pool: pg.Pool;
  readonly temporal: Client;
  /** Runs when the stack closes, before the database goes; last registered first. */
  onClose(work: () => Promise<void>): void;
  close(): Promise<void>;
}

export interface StackOptions {
  /** An empty database instead of a migrated one. */
  bare?: boolean;
  /** Outside Vitest, where there is no global setup to take them from. */
  servers?: Servers;
  /** Another Temporal than the one that all tests share; its namespace is `default`, which an empty server has too. */
  temporalAddress?: string;
  /** Shares the database of that stack, which closes later. */
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
    // A proxy set for the way out of this machine has no part in it.
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
    // A test may do to the log what nobody else may.
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

/** The URL of another database, or role, on the same server. */
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

/** Whatever a server does not answer by then fails, and names itself. */
const ANSWER_MS_MAX = 60_000;

/** For what is done to the server itself. */
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
  // The server's parts learn of a namespace one after another.
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
