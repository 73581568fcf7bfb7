/**
 * Temporal's dev server for `meterfold dev`, the demo and the tests, on 127.0.0.1. It is a real server with all its
 * services in one process. Its database is an SQLite file in the state directory, or in memory only (`fresh`). Its
 * output goes to stateDir/temporal.log.
 */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { DevStackError, endsWithin, openStateDir, type Service, startService } from './child.js';
import { accepts, freePorts, isPortFree } from './ports.js';
import { findTemporalCli } from './temporal-cli.js';

export { findTemporalCli } from './temporal-cli.js';

export interface TemporalServer {
  /** host:port of its gRPC frontend. */
  readonly address: string;
  readonly uiUrl: string | undefined;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface TemporalOptions {
  readonly stateDir: string;
  /** If absent, a free port is chosen. */
  readonly port?: number;
  /** If absent, a free port is chosen. */
  readonly uiPort?: number | 'none';
  /** If absent, the CLI is searched for, or downloaded into the state directory. */
  readonly cliPath?: string;
  /** Keeps the database in memory only. */
  readonly fresh?: boolean;
}

/**
 * The defaults do not fit: the dev server polls its task queues 20 times a second, which is most of a short run's time;
 * and the pending polls of a frozen worker receive tasks until its connection is found dead, which takes long by
 * default.
 */
const dynamicConfig: readonly string[] = [
  'history.transferProcessorMaxPollRPS=2000',
  'frontend.keepAliveTime="3s"',
  'frontend.keepAliveTimeout="2s"',
];

const readyMs = 60_000;
const connectMs = 2_000;
/** If a server's starter was killed, its watchdog may still be stopping the server. */
const orphanMs = 5_000;
const portTriesMax = 5;

/**
 * Throws DevStackError if it is already running, a port is taken, there is no CLI, or it fails to start; the error
 * includes the end of the log.
 */
export async function startTemporal(options: TemporalOptions): Promise<TemporalServer> {
  const stateDir = await openStateDir(options.stateDir);
  for (const port of [options.port, options.uiPort]) {
    if (typeof port === 'number' && !(await isPortFree(port))) {
      throw new DevStackError(`Temporal can't use port ${port} of 127.0.0.1: something listens there already`);
    }
  }
  const cli = options.cliPath ?? (await findTemporalCli(join(stateDir, 'cache')));
  const file = options.fresh ? undefined : await openFile(stateDir);
  for (let tries = 1; ; tries += 1) {
    const [freePort, freeUiPort] = await freePorts(2);
    const port = options.port ?? freePort!;
    const uiPort = options.uiPort === 'none' ? undefined : (options.uiPort ?? freeUiPort!);
    try {
      const service = await startServer(stateDir, cli, { port, uiPort, file });
      await file?.complete();
      return {
        address: `127.0.0.1:${port}`,
        uiUrl: uiPort === undefined ? undefined : `http://127.0.0.1:${uiPort}`,
        pid: service.pid,
        stop: () => service.stop(),
      };
    } catch (error) {
      const taken = error instanceof DevStackError && error.log.includes('address already in use');
      if (!taken || (options.port !== undefined && typeof options.uiPort === 'number') || tries === portTriesMax)
        throw error;
    }
  }
}

function startServer(
  stateDir: string,
  cli: string,
  { port, uiPort, file }: { port: number; uiPort: number | undefined; file: DatabaseFile | undefined },
): Promise<Service> {
  const ui = uiPort === undefined ? ['--headless'] : ['--ui-port', String(uiPort)];
  const pragmas = ['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'];
  const database = file === undefined ? [] : ['--db-filename', file.path, ...pragmas];
  const config = dynamicConfig.flatMap((setting) => ['--dynamic-config-value', setting]);
  // No --log-level: if it is given, even with its default `warn`, the server logs many warnings while it stops.
  const isolation = ['--disable-config-file', '--disable-config-env', '--color', 'never'];
  return startService({
    name: "Temporal's dev server",
    command: cli,
    args: [
      'server',
      'start-dev',
      '--ip',
      '127.0.0.1',
      '--port',
      String(port),
      ...ui,
      ...database,
      ...config,
      ...isolation,
    ],
    env: temporalEnvironment(stateDir),
    cwd: stateDir,
    user: undefined,
    logPath: join(stateDir, 'temporal.log'),
    ...(file === undefined ? {} : { pidPath: file.pidPath }),
    stopSignals: ['SIGTERM'],
    readyMs,
    isReady: async () =>
      (await accepts(port)) && (uiPort === undefined || (await accepts(uiPort))) && (await hasNamespace(port)),
  });
}

/**
 * The environment without the user's TEMPORAL_* variables, and with another HOME, which contains the user's profiles
 * and the server's own files.
 */
function temporalEnvironment(stateDir: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('TEMPORAL_') && name !== 'XDG_CONFIG_HOME',
  );
  return { ...Object.fromEntries(kept), HOME: join(stateDir, 'temporal-home') };
}

async function hasNamespace(port: number): Promise<boolean> {
  const connection = await Connection.connect({
    address: `127.0.0.1:${port}`,
    connectTimeout: connectMs,
    // The user's HTTP proxy does not apply to connections within this machine.
    channelArgs: { 'grpc.enable_http_proxy': 0 },
  });
  try {
    await connection.withDeadline(Date.now() + connectMs, () =>
      connection.workflowService.describeNamespace({ namespace: 'default' }),
    );
    return true;
  } finally {
    await connection.close();
  }
}

interface DatabaseFile {
  readonly path: string;
  readonly pidPath: string;
  /** Must be called once the server is ready. */
  complete(): Promise<void>;
}

/**
 * Opens the database file. The server itself does not notice that another server uses its file, or that the file is
 * incomplete. Therefore the server's process id is kept in temporal.pid, and a new file has a marker until a server was
 * ready on it. A file that still has its marker is created again.
 */
async function openFile(stateDir: string): Promise<DatabaseFile> {
  const path = join(stateDir, 'temporal.db');
  const pidPath = join(stateDir, 'temporal.pid');
  const pid = Number(await readFile(pidPath, 'utf8').catch(() => ''));
  if (pid > 0 && !(await endsWithin(orphanMs, pid, `--db-filename ${path} `))) {
    throw new DevStackError(
      `Temporal's dev server already runs on ${stateDir} (pid ${pid}): stop the meterfold that started it, or use another state directory`,
    );
  }
  const marker = `${path}.incomplete`;
  if (await exists(marker)) {
    for (const suffix of ['', '-wal', '-shm']) await rm(path + suffix, { force: true });
  }
  if (!(await exists(path))) await writeFile(marker, '');
  return { path, pidPath, complete: () => rm(marker, { force: true }) };
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
