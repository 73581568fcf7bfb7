/** Debian's PostgreSQL 15, the oldest that meterfold supports, for what differs from the embedded one. CI installs it. */
import { existsSync } from 'node:fs';
import { chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { migrate } from '../../src/db/migrate.js';
import { openPool } from '../../src/db/pool.js';
import { runFile, startService } from '../../src/dev/child.js';
import { freePorts } from '../../src/dev/ports.js';
import { serverUser } from '../../src/dev/postgres-user.js';

const BIN = '/usr/lib/postgresql/15/bin';
const READY_MS = 60_000;
const settings = { fsync: 'off', max_prepared_transactions: '16', max_connections: '100', unix_socket_directories: '' };

/** Whether tests run on it. Where CI is set they do in any case, and fail if it is missing. */
export const hasPostgres15 = process.env.CI !== undefined || existsSync(join(BIN, 'postgres'));

export interface Postgres15 {
  /** Of the migrated database, to which nobody is connected. */
  readonly url: string;
  stop(): Promise<void>;
}

export async function startPostgres15(database: string): Promise<Postgres15> {
  if (!existsSync(join(BIN, 'postgres'))) {
    throw new Error(`${BIN}/postgres is missing: install it by "apt-get install postgresql-15"`);
  }
  const stateDir = await mkdtemp(join(tmpdir(), `meterfold-test-${process.pid}-`));
  const data = join(stateDir, 'data');
  await mkdir(data, { mode: 0o700 });
  const user = process.getuid?.() === 0 ? await serverUser() : undefined;
  if (user !== undefined) for (const path of [stateDir, data]) await chown(path, user.uid, user.gid);
  const env = { LC_ALL: 'C', PATH: process.env.PATH };
  const initialise = ['-D', data, '--auth=trust', '--username=postgres', '--encoding=UTF8', '--no-locale', '--no-sync'];
  await runFile(join(BIN, 'initdb'), initialise, { cwd: '/', env, ...user });
  const port = (await freePorts(1))[0]!;
  const urlOf = (name: string) => `postgresql://postgres@127.0.0.1:${port}/${name}?sslmode=disable`;
  const ask = async (sql: string) => {
    const client = new pg.Client({ connectionString: urlOf('postgres'), connectionTimeoutMillis: 2000 });
    client.on('error', () => {});
    try {
      await client.connect();
      return await client.query(sql);
    } finally {
      await client.end().catch(() => {});
    }
  };
  const service = await startService({
    name: 'PostgreSQL 15',
    command: join(BIN, 'postgres'),
    args: [
      '-D',
      data,
      '-p',
      String(port),
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    env,
    cwd: '/',
    user,
    logPath: join(stateDir, 'postgres.log'),
    stopSignals: ['SIGQUIT'],
    readyMs: READY_MS,
    isReady: async () => (await ask('select 1')).rowCount === 1,
  });
  await ask(`create database ${database}`);
  const pool = await openPool(urlOf(database), { applicationName: 'test', connectionsMax: 1 });
  await migrate(pool).finally(() => pool.end());
  return {
    url: urlOf(database),
    async stop() {
      await service.stop();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
