/** A PostgreSQL server for one test file that supports TLS, with the certificate of certificate.ts. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../src/embedded/postgres.js';
import { openCluster, removeCluster } from '../../src/embedded/postgres-cluster.js';
import { provideCertificate } from './certificate.js';
import { adminOf } from './stack.js';

export interface TlsPostgres {
  /** The URL, without parameters. */
  readonly url: string;
  /** Admits clients only by these lines of pg_hba.conf. They use scram-sha-256. */
  admit(...lines: string[]): Promise<void>;
  stop(): Promise<void>;
}

export async function startTlsPostgres(settings: Readonly<Record<string, string>> = {}): Promise<TlsPostgres> {
  const stateDir = await mkdtemp(join(tmpdir(), `meterfold-test-${process.pid}-`));
  const { data } = await openCluster(stateDir);
  const certificate = await provideCertificate();
  const server = await startPostgres({
    stateDir,
    database: 'postgres',
    settings: { ...certificate.settings, fsync: 'off', ...settings },
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
      // The postmaster reloads before this session, and new sessions inherit its configuration.
      for (;;) {
        const now = await admin.query<{ loaded: Date }>('select pg_conf_load_time() as loaded');
        if (now.rows[0]!.loaded > rows[0]!.loaded) return;
      }
    },
    async stop() {
      await admin.end().catch(() => {});
      await server.stop('immediate');
      await certificate.remove();
      await removeCluster(stateDir);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
