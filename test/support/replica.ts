/** A streaming replica of the shared PostgreSQL, created as an operator does: a base backup, then streaming. */
import { execFile } from 'node:child_process';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type pg from 'pg';
import { type PostgresServer, startPostgres } from '../../src/embedded/postgres.js';
import { openCluster, removeCluster } from '../../src/embedded/postgres-cluster.js';
import { eventually } from './eventually.js';
import type { Servers } from './servers.js';
import { adminOf, urlOf } from './stack.js';

export interface Replica {
  /** The directory of its server's files. */
  readonly stateDir: string;
  /** Returns the URL of a database on the replica. */
  urlOf(database: string): string;
  /** Pauses replay, as when a long query blocks it. Resolves once it is paused. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Returns whether it has replayed a position of the primary's WAL. */
  hasReplayed(lsn: string): Promise<boolean>;
  /** Stops the server and keeps its data, which `start` uses again. */
  halt(): Promise<void>;
  start(): Promise<void>;
  /** Ends recovery: it becomes a primary on a new timeline. */
  promote(): Promise<void>;
  /** Streams from another server from now on, if that server has the required WAL. */
  follow(server: Pick<Servers, 'postgresUrl'>): Promise<void>;
  stop(): Promise<void>;
}

export interface ReplicaOptions {
  /** If false, it is a standby of a different cluster, without a primary. */
  streaming?: boolean;
  /** Enables fsync, which tests do not need. */
  durable?: boolean;
}

export async function startReplica(
  servers: Pick<Servers, 'postgresUrl' | 'templateDatabase' | 'stateDir'>,
  { streaming = true, durable = false }: ReplicaOptions = {},
): Promise<Replica> {
  const stateDir = await mkdtemp(join(servers.stateDir, 'replica-'));
  const { data, user } = await openCluster(stateDir);
  const own = (path: string) => (user === undefined ? Promise.resolve() : chown(path, user.uid, user.gid));
  const write = async (name: string, text: string) => {
    await writeFile(join(data, name), text);
    await own(join(data, name));
  };
  if (streaming) {
    await backUp(servers, data, write);
    // It has the primary's roles, and so the same password.
    await writeFile(join(dirname(data), 'password'), new URL(servers.postgresUrl).password);
    await write('postgresql.auto.conf', `primary_conninfo = '${conninfoOf(servers)}'\n`);
  }
  await write('standby.signal', '');
  const settings = {
    hot_standby_feedback: 'on',
    fsync: durable ? 'on' : 'off',
    max_connections: '200',
    max_prepared_transactions: '16',
  };
  const database = streaming ? servers.templateDatabase : 'postgres';
  let server = await startPostgres({ stateDir, database, settings });
  let admin = await connectTo(server);
  const halt = async (mode: 'fast' | 'immediate') => {
    await admin.end().catch(() => {});
    await server.stop(mode);
  };
  return {
    stateDir,
    urlOf: (name) => urlOf({ postgresUrl: server.url }, name),
    async pause() {
      await admin.query('select pg_wal_replay_pause()');
      await eventually('the replica is paused', async () => {
        const { rows } = await admin.query<{ state: string }>('select pg_get_wal_replay_pause_state() as state');
        return rows[0]!.state === 'paused';
      });
    },
    resume: async () => void (await admin.query('select pg_wal_replay_resume()')),
    async hasReplayed(lsn) {
      const { rows } = await admin.query<{ done: boolean }>('select pg_last_wal_replay_lsn() >= $1::pg_lsn as done', [
        lsn,
      ]);
      return rows[0]!.done;
    },
    halt: () => halt('fast'),
    async start() {
      server = await startPostgres({ stateDir, port: server.port, database, settings });
      admin = await connectTo(server);
    },
    promote: async () => void (await admin.query('select pg_promote()')),
    async follow(other) {
      await admin.query(`alter system set primary_conninfo = '${conninfoOf(other)}'`);
      await admin.query('select pg_reload_conf()');
    },
    async stop() {
      await halt('immediate');
      await removeCluster(stateDir);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

function conninfoOf({ postgresUrl }: Pick<Servers, 'postgresUrl'>): string {
  const { hostname: host, port, username, password } = new URL(postgresUrl);
  return `host=${host} port=${port} user=${username} password=${password} sslmode=disable`;
}

async function connectTo({ url }: PostgresServer): Promise<pg.Client> {
  const admin = adminOf({ postgresUrl: url });
  admin.on('error', () => {});
  await admin.connect();
  return admin;
}

/** https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP */
async function backUp(
  servers: Pick<Servers, 'postgresUrl'>,
  to: string,
  write: (name: string, text: string) => Promise<void>,
): Promise<void> {
  // Not on the template database, to which nobody may stay connected.
  const client = adminOf(servers);
  await client.connect();
  try {
    const { rows } = await client.query<{ data: string }>(`select current_setting('data_directory') as data`);
    const from = rows[0]!.data;
    await client.query(`select pg_backup_start('replica', fast => true)`);
    // A file may disappear while the files are copied; replay restores consistency.
    await promisify(execFile)('sh', [
      '-c',
      'rm -rf "$2"/* && { cp -a "$1"/. "$2"/ 2>/dev/null || true; }',
      'sh',
      from,
      to,
    ]);
    await rm(join(to, 'postmaster.pid'), { force: true });
    const stopped = await client.query<{ label: string }>('select labelfile as label from pg_backup_stop(false)');
    await write('backup_label', stopped.rows[0]!.label);
  } finally {
    await client.end();
  }
}
