/**
 * The servers that all tests share: one PostgreSQL and one Temporal dev server, in a state directory that is removed at the end.
 * What the environment says of a database or a Temporal is ignored: tests never touch anybody's own.
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

/** Where the servers are; plain data, for any process of a test run. */
export interface Servers {
  /** Of the template database, migrated; nobody may stay connected to it. */
  postgresUrl: string;
  templateDatabase: string;
  temporalAddress: string;
  /** The `temporal` binary. */
  temporalCli: string;
  /** Removed at the end, with all that is in it. */
  stateDir: string;
}

export interface RunningServers extends Servers {
  stop(): Promise<void>;
}

const templateDatabase = 'meterfold_template';
const stateDirPrefix = 'meterfold-test-';
/** A crash of the machine loses a test's data, and that is all that is at stake. */
const testSettings = {
  fsync: 'off',
  max_prepared_transactions: '16',
  max_connections: '200',
  shared_buffers: '128MB',
  wal_level: 'logical',
};

/** With PostgreSQL set up for tests, unless other settings are given. */
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
    // The same cache as `meterfold dev` and the demo use.
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

/** Waits for all; if one fails, stops those that did not. */
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

/** Removes what a test run that was killed left behind; its servers ended with it. */
async function sweepStateDirs(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = new RegExp(`^${stateDirPrefix}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    await removeState(join(tmpdir(), name)).catch(() => {}); // Another user's, perhaps.
  }
}
