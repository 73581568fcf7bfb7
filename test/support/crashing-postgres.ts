/** A migrated PostgreSQL server for one test file, which can be crashed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../src/embedded/postgres.js';
import { removeCluster } from '../../src/embedded/postgres-cluster.js';
import { openPool } from '../../src/postgres/pool.js';
import { migrate } from '../../src/schema/migrate.js';

export interface CrashingPostgres {
  /** The URL of the migrated database, to which nobody is connected. It does not change with a crash. */
  readonly url: string;
  readonly stateDir: string;
  /** Crashes the server and starts it again on the same port, so that a pool can reconnect. */
  crash(): Promise<void>;
  stop(): Promise<void>;
}

export async function startCrashingPostgres(
  database: string,
  settings: Readonly<Record<string, string>>,
): Promise<CrashingPostgres> {
  const stateDir = await mkdtemp(join(tmpdir(), `meterfold-test-${process.pid}-`));
  let server = await startPostgres({ stateDir, database, settings });
  const { url, port } = server;
  const pool = await openPool(url, { applicationName: 'test', connectionsMax: 1 });
  await migrate(pool).finally(() => pool.end());
  return {
    url,
    stateDir,
    async crash() {
      await server.stop('immediate');
      server = await startPostgres({ stateDir, database, settings, port });
    },
    async stop() {
      await server.stop('immediate');
      await removeCluster(stateDir);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
