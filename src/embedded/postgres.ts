/**
 * The embedded PostgreSQL of `meterfold dev`, the demo and the tests: a real server with default durability on
 * 127.0.0.1. postgres-cluster.ts determines the location of its files and the user it runs as. Its output goes to
 * stateDir/postgres.log.
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
  /** The process id of the postmaster. */
  readonly pid: number;
  /** `fast` ends sessions and writes a checkpoint; `immediate` is a crash, from which the next start recovers. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
}

export interface PostgresOptions {
  readonly stateDir: string;
  /** If absent, a free port is chosen. */
  readonly port?: number;
  /** Server settings by name, which override the defaults below. Null selects PostgreSQL's default. */
  readonly settings?: Readonly<Record<string, string | null>>;
  /** Created if it does not exist. */
  readonly database?: string;
}

/** For a development machine with two cores. The settings that make commits durable keep PostgreSQL's defaults. */
const defaultSettings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  // No Unix socket: its path is limited to 107 bytes, and a state directory's path may be longer.
  unix_socket_directories: '',
  shared_buffers: '256MB',
  work_mem: '32MB',
  maintenance_work_mem: '256MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  // JIT costs more than it saves, because the statements are few and compute little.
  jit: 'off',
  log_checkpoints: 'off',
};

// After a crash the server first replays up to max_wal_size of its log.
const readyMs = 180_000;
const connectMs = 2_000;
/** If a server's starter was killed, its watchdog stops the server: the time until it begins, and until it is done. */
const orphanMs = 3_000;
const stoppingMs = 60_000;
/** How long the processes of a killed server may take to end. */
const remnantMs = 15_000;
const portTriesMax = 5;

/**
 * Throws DevStackError if it is already running, the port is taken, or it fails to start; the error includes the end of
 * the log.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  // Fails before anything is written if PostgreSQL is not installed.
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

/**
 * Throws DevStackError if another server uses the data directory. Removes the stale postmaster.pid of a killed server.
 */
async function waitForPredecessor(stateDir: string, { data }: PostgresCluster): Promise<void> {
  const found = await recordedServer(data);
  if (found === undefined) return;
  if (found.serves) {
    const marker = commandMarker(data);
    if (await endsWithin(orphanMs, found.pid, marker)) return;
    if ((await recordedServer(data))?.stopping && (await endsWithin(stoppingMs, found.pid, marker))) return;
    throw new DevStackError(
      `PostgreSQL already runs on ${stateDir} (pid ${found.pid}): stop the meterfold that started it, or use another state directory`,
    );
  }
  // PostgreSQL refuses to start if any process has the recorded process id; after a reboot or in a container that is
  // often another program. If no process has it, the file stays, so that PostgreSQL also looks for remaining processes
  // of the old server.
  if (isAlive(found.pid)) await rm(join(data, 'postmaster.pid'), { force: true });
}

/** Tries another port if a chosen one has been taken, and retries while the processes of a killed server end. */
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

/** sslmode is explicit, so that the user's PGSSLMODE does not apply to this server. */
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
  client.on('error', () => {}); // The pending query reports the error too.
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}
