/**
 * Temporal's dev server for `meterfold dev`, the demo and the tests, on 127.0.0.1. A real server, all its services in one
 * process, its database one SQLite file in the state folder (or none: `fresh`). Its output goes to stateDir/temporal.log.
 */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { DevStackError, endsWithin, openStateDir, type Service, startService } from './child.js';
import { accepts, freePorts, isPortFree } from './ports.js';
import { findTemporalCli } from './temporal-cli.js';

export { findTemporalCli } from './temporal-cli.js';

export interface TemporalServer {
  /** host:port of its gRPC front end. */
  readonly address: string;
  readonly uiUrl: string | undefined;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface TemporalOptions {
  readonly stateDir: string;
  /** A free one if absent. */
  readonly port?: number;
  /** A free one if absent. */
  readonly uiPort?: number | 'none';
  /** Found, or fetched into the state folder, if absent. */
  readonly cliPath?: string;
  /** Keeps nothing: in memory only. */
  readonly fresh?: boolean;
}

/**
 * Why not the defaults: the dev server looks into its task queues 20 times a second, which is most of a short run's time;
 * and a frozen worker's parked polls swallow tasks until the connection is found dead, for which it takes its time.
 */
const dynamicConfig: readonly string[] = [
  'history.transferProcessorMaxPollRPS=2000',
  'frontend.keepAliveTime="3s"',
  'frontend.keepAliveTimeout="2s"',
];

const readyMs = 60_000;
const connectMs = 2_000;
/** A server whose starter was killed is still being stopped by its watchdog. */
const orphanMs = 5_000;
const portTriesMax = 5;

/** Throws DevStackError: already running, port taken, no CLI, or not able to start, with the end of the log. */
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
  // No --log-level: given one, even its own default `warn`, the server fills the log with warnings while it stops.
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

/** Without a person's own TEMPORAL_*; their profiles and settings, and what the server notes there, lie below HOME. */
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
    // A proxy set for the way out of this machine has no part in it.
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
  /** To be called once the server has got ready on it. */
  complete(): Promise<void>;
}

/**
 * The server itself does not notice another one on its file, nor a file whose making was cut short. The number of the one
 * that serves it is kept in temporal.pid; a mark lies beside a new file until it has been served, and such a file is begun again.
 */
async function openFile(stateDir: string): Promise<DatabaseFile> {
  const path = join(stateDir, 'temporal.db');
  const pidPath = join(stateDir, 'temporal.pid');
  const pid = Number(await readFile(pidPath, 'utf8').catch(() => ''));
  if (pid > 0 && !(await endsWithin(orphanMs, pid, `--db-filename ${path} `))) {
    throw new DevStackError(
      `Temporal's dev server already runs on ${stateDir} (pid ${pid}): stop the meterfold that started it, or use another state folder`,
    );
  }
  const mark = `${path}.incomplete`;
  if (await exists(mark)) {
    for (const suffix of ['', '-wal', '-shm']) await rm(path + suffix, { force: true });
  }
  if (!(await exists(path))) await writeFile(mark, '');
  return { path, pidPath, complete: () => rm(mark, { force: true }) };
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
