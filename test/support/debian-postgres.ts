/** Debian's PostgreSQL 15 with its own cluster, for tests on the oldest version that meterfold supports. */
import { access, chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { runFile, startService } from '../../src/embedded/child.js';
import { freePorts } from '../../src/embedded/ports.js';
import { postgresEnvironment } from '../../src/embedded/postgres-cluster.js';
import { serverUser } from '../../src/embedded/postgres-user.js';
import { openPool } from '../../src/postgres/pool.js';
import { migrate } from '../../src/schema/migrate.js';

export const DEBIAN_BINARIES = '/usr/lib/postgresql/15/bin';
const READY_MS = 60_000;

export interface DebianPostgres {
  url: string;
  stop(): Promise<void>;
}

/** Returns why PostgreSQL 15 cannot be run on this machine; undefined if it can. */
export async function debianPostgresFault(): Promise<string | undefined> {
  return access(join(DEBIAN_BINARIES, 'postgres')).then(
    () => undefined,
    () => `there is no ${DEBIAN_BINARIES}/postgres: install Debian's package postgresql-15`,
  );
}

export async function startDebianPostgres(settings: Readonly<Record<string, string>> = {}): Promise<DebianPostgres> {
  const fault = await debianPostgresFault();
  if (fault !== undefined) throw new Error(fault);
  const dir = await mkdtemp(join(tmpdir(), 'meterfold-postgres-15-'));
  const user = process.getuid?.() === 0 ? await serverUser() : undefined;
  const [data, password] = [join(dir, 'data'), join(dir, 'password')];
  await writeFile(password, 'meterfold\n');
  await chmod(dir, 0o755);
  if (user !== undefined) await Promise.all([dir, password].map((path) => chown(path, user.uid, user.gid)));
  const env = postgresEnvironment();
  const login = ['--auth=scram-sha-256', '--username=meterfold', `--pwfile=${password}`];
  await runFile(join(DEBIAN_BINARIES, 'initdb'), ['-D', data, '--encoding=UTF8', '--no-locale', ...login], {
    cwd: '/',
    env,
    ...user,
  });
  const [port] = await freePorts(1);
  const url = `postgresql://meterfold:meterfold@127.0.0.1:${port}/postgres?sslmode=disable`;
  const all = { listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off', ...settings };
  const service = await startService({
    name: 'PostgreSQL 15',
    command: join(DEBIAN_BINARIES, 'postgres'),
    args: [
      '-D',
      data,
      '-p',
      String(port),
      ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    env,
    cwd: '/',
    user,
    logPath: join(dir, 'postgres.log'),
    stopSignals: ['SIGQUIT'],
    readyMs: READY_MS,
    async isReady() {
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => {});
      try {
        await client.connect();
        return true;
      } finally {
        await client.end().catch(() => {});
      }
    },
  });
  return {
    url,
    async stop() {
      await service.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/**
 * Starts a server with a migrated database of that name, to which nobody is connected, so that it can be a template.
 */
export async function startMigratedPostgres(database: string): Promise<DebianPostgres> {
  const server = await startDebianPostgres({ max_prepared_transactions: '16' });
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  await admin.query(`create database ${database}`);
  await admin.end();
  const url = server.url.replace('/postgres?', `/${database}?`);
  const pool = await openPool(url, { applicationName: 'test', connectionsMax: 1 });
  await migrate(pool).finally(() => pool.end());
  return { ...server, url };
}
