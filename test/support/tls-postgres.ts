/**
 * A PostgreSQL of a test file's own that speaks TLS. Its certificate is for localhost and 127.0.0.1; the authority that signed it
 * is in certificates/ca.crt. Both are valid for a hundred years, and protect nothing.
 */
import { chmod, chown, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../src/dev/postgres.js';
import { openCluster, removeCluster } from '../../src/dev/postgres-cluster.js';
import { adminOf } from './stack.js';

const certificates = join(import.meta.dirname, 'certificates');
/** The authority that signed the server's certificate. */
export const AUTHORITY = join(certificates, 'ca.crt');

export interface TlsPostgres {
  /** Without any parameter. */
  readonly url: string;
  /** Lets clients in by these lines of pg_hba.conf only; they use scram-sha-256. */
  admit(...lines: string[]): Promise<void>;
  stop(): Promise<void>;
}

export async function startTlsPostgres(settings: Readonly<Record<string, string>> = {}): Promise<TlsPostgres> {
  const stateDir = await mkdtemp(join(tmpdir(), `meterfold-test-${process.pid}-`));
  const { data, user } = await openCluster(stateDir);
  for (const file of ['server.crt', 'server.key']) {
    const path = join(data, file);
    await cp(join(certificates, file), path);
    await chmod(path, 0o600);
    if (user !== undefined) await chown(path, user.uid, user.gid);
  }
  const server = await startPostgres({
    stateDir,
    database: 'postgres',
    settings: { ssl: 'on', fsync: 'off', ...settings },
  });
  const url = server.url.replace(/\?.*$/, '');
  const admin = adminOf({ postgresUrl: url });
  admin.on('error', () => {});
  await admin.connect();
  const hba = join(data, 'pg_hba.conf');
  const usual = await readFile(hba, 'utf8');
  return {
    url,
    async admit(...lines) {
      await writeFile(hba, lines.length === 0 ? usual : `${lines.join('\n')}\n`);
      const { rows } = await admin.query<{ loaded: Date }>('select pg_conf_load_time() as loaded');
      await admin.query('select pg_reload_conf()');
      // A new session has read what the server reads at a reload, or it would not be newer.
      for (;;) {
        const now = await admin.query<{ loaded: Date }>('select pg_conf_load_time() as loaded');
        if (now.rows[0]!.loaded > rows[0]!.loaded) return;
      }
    },
    async stop() {
      await admin.end().catch(() => {});
      await server.stop('immediate');
      await removeCluster(stateDir);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
