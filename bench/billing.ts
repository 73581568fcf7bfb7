/** Helpers for benches: servers with default durability, worker processes, generated logs, timed runs. */
import { totalmem } from 'node:os';
import type { BillingRunInput, PublishedResult } from '../src/contract/billing-run.js';
import type { WorkerRole } from '../src/workers/worker.js';
import { meterfold, startWorker, type WorkerProcess } from '../test/support/processes.js';
import { published, startRun } from '../test/support/runs.js';
import { say } from '../test/support/say.js';
import { type RunningServers, startServers } from '../test/support/servers.js';
import { freshStack, type Stack } from '../test/support/stack.js';
import { secondsOf } from './figures.js';
import { parentOf } from './proc.js';

/** The size of a call in the log and its index, in segments and in records. */
const BYTES_PER_CALL = 140;

/**
 * Runs `work` with servers with default durability. PostgreSQL's cache is a quarter of the memory, as its manual
 * advises for a dedicated server, and up to three fifths if the given number of calls needs it, so that the log fits at
 * every size. max_wal_size is large enough that no checkpoint occurs during a measurement. Other settings are those of
 * `meterfold dev`, with fsync; those in `chosen`, which contenders set, have PostgreSQL's defaults.
 */
export async function withServers(
  work: (servers: RunningServers) => Promise<void>,
  {
    calls = 0,
    settings = {},
    chosen = [],
  }: { calls?: number; settings?: Readonly<Record<string, string>>; chosen?: readonly string[] } = {},
): Promise<void> {
  const cacheBytes = Math.max(totalmem() / 4, Math.min(0.6 * totalmem(), calls * BYTES_PER_CALL));
  const servers = await startServers({
    shared_buffers: `${Math.floor(cacheBytes / 2 ** 20)}MB`,
    max_wal_size: '16GB',
    min_wal_size: '4GB',
    ...settings,
    ...Object.fromEntries(chosen.map((name) => [name, null])),
  });
  try {
    await work(servers);
  } finally {
    await servers.stop();
  }
}

/** Starts a worker with one activity at a time. */
export function startBenchWorker(
  stack: Stack,
  { role, env = {} }: { role: WorkerRole; env?: Record<string, string> },
): Promise<WorkerProcess> {
  // MALLOC_ARENA_MAX has the value of the image.
  return startWorker(stack, { role, env: { WORKER_SLOTS: '1', MALLOC_ARENA_MAX: '2', ...env } });
}

/** Runs `work` with a migrated database and its own workers, started by startBenchWorker(). */
export async function withWorkers(
  servers: RunningServers,
  {
    count,
    role,
    env = {},
  }: { count: number; role: WorkerRole; env?: Record<string, string> | ((stack: Stack) => Record<string, string>) },
  work: (stack: Stack, workers: WorkerProcess[]) => Promise<void>,
): Promise<void> {
  const stack = await freshStack({ servers });
  try {
    const own = typeof env === 'function' ? env(stack) : env;
    const starting = Array.from({ length: count }, () => startBenchWorker(stack, { role, env: own }));
    await work(stack, await Promise.all(starting));
  } finally {
    await stack.close();
  }
}

export interface Calls {
  calls: number;
  users: number;
  seed: number;
}

export async function generate(stack: Stack, { calls, users, seed }: Calls): Promise<void> {
  const flags = Object.entries({ calls, users, seed }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  await command(stack, ['generate', ...flags]);
}

/** Appends calls and bills them. Then vacuums and makes a checkpoint, so that the database is in a settled state. */
export async function fillHistory(stack: Stack, calls: Calls): Promise<void> {
  say(`generating ${calls.calls} calls of ${calls.users} users`);
  await generate(stack, calls);
  say('billing them');
  const { seconds, result } = await timedRun(stack);
  say(`billed ${result.calls} calls of ${result.users} users in ${seconds.toFixed(1)} s`);
  await stack.pool.query('vacuum (analyze)');
  await stack.pool.query('checkpoint');
}

/** Measures the time from the start of the workflow to its result. */
export async function timedRun(
  stack: Stack,
  input: BillingRunInput = {},
): Promise<{ seconds: number; result: PublishedResult }> {
  let result!: PublishedResult;
  const seconds = await secondsOf(async () => {
    result = published(await (await startRun(stack, [input])).result());
  });
  return { seconds, result };
}

/** Measures `meterfold verify --all`, which must find no difference. */
export async function timedVerify(stack: Stack): Promise<number> {
  return secondsOf(() => command(stack, ['verify', '--all']));
}

async function command(stack: Stack, args: string[]): Promise<void> {
  const { code, stdout, stderr } = await meterfold(stack, args);
  if (code !== 0) throw new Error(`meterfold ${args.join(' ')}: exit code ${code}\n${stdout}${stderr}`);
}

/** Returns the process id of the postmaster, the parent of all processes of the server. */
export async function postmasterOf({ pool }: Pick<Stack, 'pool'>): Promise<number> {
  const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid');
  return parentOf(rows[0]!.pid);
}
