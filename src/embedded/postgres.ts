/**
 * The embedded PostgreSQL of `meterfold dev`, the demo and the tests: a real server with default durability, on 127.0.0.1.
 * Where its files lie, and as whom it runs: postgres-cluster.ts. Its output goes to stateDir/postgres.log.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { DevStackError, endsWithin, isAlive, openStateDir, type Service, startService } from './child.js';
import { freePorts, isPortFree } from './ports.js';
import { findPackage } from './postgres-binaries.js';
import {
  commandMarker,
  openCluster,
  type PostgresCluster,
  postgresEnvironment,
  recordedServer,
  superuser,
} from './postgres-cluster.js';

export interface PostgresServer {
  readonly url: string;
  readonly port: number;
  /** The postmaster's own. */
  readonly pid: number;
  /** `fast` ends sessions and writes everything down; `immediate` is a crash that the next start recovers from. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
}

export interface PostgresOptions {
  readonly stateDir: string;
  /** A free one if absent. */
  readonly port?: number;
  /** Server settings by name; they win over ours. Null leaves PostgreSQL's default. */
  readonly settings?: Readonly<Record<string, string | null>>;
  /** Created when missing. */
  readonly database?: string;
}

/** For a developer's machine of two cores. What makes commits durable is left as PostgreSQL has it. */
const defaultSettings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  // No socket: its path may have 107 bytes, and a state folder's has as many as it likes.
  unix_socket_directories: '',
  shared_buffers: '256MB',
  work_mem: '32MB',
  maintenance_work_mem: '256MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  // Planning for it costs more than it saves: our statements are few and do not compute.
  jit: 'off',
  log_checkpoints: 'off',
};

// After a crash the server first replays up to max_wal_size of its log.
const readyMs = 180_000;
const connectMs = 2_000;
/** A server whose starter was killed is being stopped by its watchdog: this long until it has begun, then until it is done. */
const orphanMs = 3_000;
const stoppingMs = 60_000;
/** Processes of a killed server take a moment to notice. */
const remnantMs = 15_000;
const portTriesMax = 5;

/** Throws DevStackError: already running, port taken, or not able to start, with the end of the log. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  // Before anything is written: without it there is nothing to start.
  findPackage();
  const stateDir = await openStateDir(options.stateDir);
  if (options.port !== undefined && !(await isPortFree(options.port))) {
    throw new DevStackError(`PostgreSQL can't use port ${options.port} of 127.0.0.1: something listens there already`);
  }
  const cluster = await openCluster(stateDir);
  await waitForPredecessor(stateDir, cluster);
  const { service, port } = await startOnPort(stateDir, cluster, options);
  const database = options.database ?? 'meterfold';
  try {
    await createDatabase(urlOf(cluster, port, 'postgres'), database);
  } catch (error) {
    await service.stop();
    throw error;
  }
  return {
    url: urlOf(cluster, port, database),
    port,
    pid: service.pid,
    stop: (mode = 'fast') => service.stop(mode === 'fast' ? ['SIGINT', 'SIGQUIT'] : ['SIGQUIT']),
  };
}

/** Refuses a data directory that another server uses; clears away the sign of one that a kill left behind. */
async function waitForPredecessor(stateDir: string, { data }: PostgresCluster): Promise<void> {
  const found = await recordedServer(data);
  if (found === undefined) return;
  if (found.serves) {
    const marker = commandMarker(data);
    if (await endsWithin(orphanMs, found.pid, marker)) return;
    if ((await recordedServer(data))?.stopping && (await endsWithin(stoppingMs, found.pid, marker))) return;
    throw new DevStackError(
      `PostgreSQL already runs on ${stateDir} (pid ${found.pid}): stop the meterfold that started it, or use another state folder`,
    );
  }
  // PostgreSQL takes any living process of this number for its server, and would refuse to start; after a reboot, or in a
  // container, that is easily a stranger. A dead one's number is left to it: it then also looks for remnants.
  if (isAlive(found.pid)) await rm(join(data, 'postmaster.pid'), { force: true });
}

/** Tries again where another process was faster on a port that we chose, and while a killed server's processes go away. */
async function startOnPort(
  stateDir: string,
  cluster: PostgresCluster,
  options: PostgresOptions,
): Promise<{ service: Service; port: number }> {
  const remnantsUntil = Date.now() + remnantMs;
  for (let tries = 1; ; ) {
    const port = options.port ?? (await freePorts(1))[0]!;
    try {
      return { service: await startServer(stateDir, cluster, port, options.settings), port };
    } catch (error) {
      const log = error instanceof DevStackError ? error.log : '';
      if (log.includes('pre-existing shared memory block') && Date.now() < remnantsUntil) {
        await delay(100);
      } else if (log.includes('could not bind') && options.port === undefined && tries < portTriesMax) {
        tries += 1;
      } else {
        throw error;
      }
    }
  }
}

async function startServer(
  stateDir: string,
  cluster: PostgresCluster,
  port: number,
  settings: Readonly<Record<string, string | null>> = {},
): Promise<Service> {
  const flags = Object.entries({ ...defaultSettings, ...settings }).flatMap(([name, value]) =>
    value === null ? [] : ['-c', `${name}=${value}`],
  );
  const url = urlOf(cluster, port, 'postgres');
  return startService({
    name: 'PostgreSQL',
    command: cluster.binaries.postgres,
    args: ['-D', cluster.data, '-p', String(port), ...flags],
    env: postgresEnvironment(),
    cwd: '/',
    user: cluster.user,
    logPath: join(stateDir, 'postgres.log'),
    stopSignals: ['SIGINT', 'SIGQUIT'],
    readyMs,
    isReady: () => withClient(url, async (client) => (await client.query('select 1')).rowCount === 1),
  });
}

/** sslmode is said, so that a person's own PGSSLMODE does not ask this server for TLS. */
function urlOf({ password }: PostgresCluster, port: number, database: string): string {
  return `postgresql://${superuser}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}?sslmode=disable`;
}

async function createDatabase(url: string, name: string): Promise<void> {
  await withClient(url, async (client) => {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`);
  });
}

async function withClient<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectMs });
  client.on('error', () => {}); // Also reported by what waits for an answer.
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}
