/**
 * The servers that all tests share: one PostgreSQL and one Temporal dev server, in a state directory that is removed at
 * the end. Settings for a database or Temporal in the environment are ignored, so tests never touch the user's servers.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../../src/embedded/child.js';
import { startPostgres } from '../../src/embedded/postgres.js';
import { removeCluster } from '../../src/embedded/postgres-cluster.js';
import { findTemporalCli, startTemporal } from '../../src/embedded/temporal.js';
import { openPool } from '../../src/postgres/pool.js';
import { migrate } from '../../src/schema/migrate.js';
import { repositoryDir } from './repository.js';

/** The addresses of the servers, as plain data for any process of a test run. */
export interface Servers {
  /** The URL of the migrated template database. Nobody may stay connected to it. */
  postgresUrl: string;
  templateDatabase: string;
  temporalAddress: string;
  /** The `temporal` binary. */
  temporalCli: string;
  /** Removed at the end, with its contents. */
  stateDir: string;
}

export interface RunningServers extends Servers {
  stop(): Promise<void>;
}

const templateDatabase = 'meterfold_template';
const stateDirPrefix = 'meterfold-test-';
/** Without durability: a crash of the machine would lose only test data. */
const testSettings = {
  fsync: 'off',
  max_prepared_transactions: '16',
  max_connections: '200',
  shared_buffers: '128MB',
  wal_level: 'logical',
};

/** Starts the servers. Unless `settings` are given, PostgreSQL is configured for tests. */
export async function startServers(
  settings: Readonly<Record<string, string | null>> = testSettings,
): Promise<RunningServers> {
  await sweepStateDirs();
  const stateDir = await mkdtemp(join(tmpdir(), `${stateDirPrefix}${process.pid}-`));
  const running: Stoppable[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= Promise.all(running.map((server) => server.stop())).then(() => removeState(stateDir));
    return stopping;
  };
  try {
    // The cache of `meterfold dev` and the demo.
    const temporalCli = await findTemporalCli(join(repositoryDir, '.meterfold', 'cache'), (line) => {
      process.stderr.write(`${line}\n`);
    });
    const [postgres, temporal] = await allOrNone([
      startPostgres({ stateDir, database: templateDatabase, settings }),
      startTemporal({ stateDir, uiPort: 'none', cliPath: temporalCli, fresh: true }),
    ]);
    running.push({ stop: () => postgres.stop('immediate') }, temporal);
    const pool = await openPool(postgres.url, { applicationName: 'test template', connectionsMax: 1 });
    await migrate(pool).finally(() => pool.end());
    return {
      postgresUrl: postgres.url,
      templateDatabase,
      temporalAddress: temporal.address,
      temporalCli,
      stateDir,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Stoppable {
  stop(): Promise<void>;
}

/** Waits for all. If one fails, stops the others. */
async function allOrNone<const Starting extends Promise<Stoppable>[]>(
  starting: Starting,
): Promise<{ [Index in keyof Starting]: Awaited<Starting[Index]> }> {
  const results = await Promise.allSettled(starting);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed === undefined) return (await Promise.all(starting)) as never;
  for (const result of results) if (result.status === 'fulfilled') await result.value.stop();
  throw failed.reason;
}

async function removeState(stateDir: string): Promise<void> {
  await removeCluster(stateDir);
  await rm(stateDir, { recursive: true, force: true });
}

/** Removes the state directories of killed test runs, whose servers have ended. */
async function sweepStateDirs(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = new RegExp(`^${stateDirPrefix}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    await removeState(join(tmpdir(), name)).catch(() => {}); // It may belong to another user.
  }
}
