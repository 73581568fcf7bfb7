/**
 * The embedded stack: PostgreSQL, Temporal's dev server and workers, with all their state in one directory. They are
 * started in this order and stopped in reverse order.
 */

import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { isPortFree } from './ports.js';
import { startPostgres } from './postgres.js';
import { findTemporalCli, startTemporal } from './temporal.js';
import { startDevWorker } from './worker.js';

export interface StackOptions {
  stateDir: string;
  workers: number;
  /** If absent: the usual ports if they are free, otherwise other free ports. */
  postgresPort?: number;
  temporalPort?: number;
  uiPort?: number;
  say: (line: string) => void;
}

export interface Stack {
  databaseUrl: string;
  temporalAddress: string;
  uiUrl: string;
  /** The environment in which meterfold uses this stack, and nothing else that the user may have configured. */
  environment: NodeJS.ProcessEnv;
  startWorkers(): Promise<void>;
  stop(): Promise<void>;
}

const USUAL_PORTS = { postgres: 54329, temporal: 7233, ui: 8233 };

export async function startStack(options: StackOptions): Promise<Stack> {
  const { stateDir, say } = options;
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (let next = stops.pop(); next !== undefined; next = stops.pop()) await next();
  };
  try {
    say('Starting PostgreSQL …');
    const postgres = await startPostgres({ stateDir, ...(await port(options.postgresPort, USUAL_PORTS.postgres)) });
    stops.push(() => postgres.stop());
    const cliPath = await findTemporalCli(join(stateDir, 'cache'), say);
    say('Starting Temporal …');
    const temporal = await startTemporal({
      stateDir,
      cliPath,
      ...(await port(options.temporalPort, USUAL_PORTS.temporal)),
      ...(await uiPort(options.uiPort)),
    });
    stops.push(() => temporal.stop());
    const environment = {
      ...environmentOf(postgres.url, temporal.address, options.workers),
      TEMPORAL_CONFIG_FILE: await emptyProfile(stateDir),
    };
    const startWorkers = async () => {
      say(`Starting ${options.workers} worker${options.workers === 1 ? '' : 's'} …`);
      const starting = Array.from({ length: options.workers }, (_, i) =>
        startDevWorker({ name: `worker-${i + 1}`, stateDir, environment, say }),
      );
      stops.push(async () => {
        const started = await Promise.allSettled(starting);
        await Promise.all(started.map((worker) => (worker.status === 'fulfilled' ? worker.value.stop() : undefined)));
      });
      await Promise.all(starting);
    };
    return {
      databaseUrl: postgres.url,
      temporalAddress: temporal.address,
      uiUrl: temporal.uiUrl ?? '',
      environment,
      startWorkers,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function port(given: number | undefined, usual: number): Promise<{ port?: number }> {
  if (given !== undefined) return { port: given };
  return (await isPortFree(usual)) ? { port: usual } : {};
}

async function uiPort(given: number | undefined): Promise<{ uiPort?: number }> {
  const { port: found } = await port(given, USUAL_PORTS.ui);
  return found === undefined ? {} : { uiPort: found };
}

/** Writes an empty Temporal profile: without a file, the user's own profile would be read. */
async function emptyProfile(stateDir: string): Promise<string> {
  const path = join(stateDir, 'temporal-profile.toml');
  await writeFile(path, '[profile.default]\n');
  return path;
}

/**
 * The environment without the user's Temporal settings and profiles, which could direct the demo to production, and
 * without fixed ports, which only one of several workers could use.
 */
function environmentOf(databaseUrl: string, temporalAddress: string, workers: number): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(TEMPORAL_|PG|(HEALTH|METRICS)_(HOST|PORT)$)/.test(name),
  );
  const unproxied = [process.env.no_proxy ?? process.env.NO_PROXY, '127.0.0.1'].filter(Boolean).join(',');
  return {
    WORKER_SLOTS: String(Math.max(1, Math.floor(availableParallelism() / workers))),
    ...Object.fromEntries(kept),
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: temporalAddress,
    TEMPORAL_NAMESPACE: 'default',
    no_proxy: unproxied,
    NO_PROXY: unproxied,
  };
}
