/**
 * `meterfold dev` and `meterfold demo`: PostgreSQL, Temporal and workers in one command, for trials and development.
 */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { Stack } from '../../embedded/stack.js';
import { durationMs, wholeNumber } from '../arguments.js';
import { withContext } from '../context.js';
import { facts, writeLine } from '../text/output.js';

interface StackFlags {
  stateDir: string;
  workers: number;
  postgresPort?: number;
  temporalPort?: number;
  uiPort?: number;
}

interface DevFlags extends StackFlags {
  every: number;
  schedule: boolean;
}

const WORKERS = 2;
const port = wholeNumber(1, 65535);

export function register(program: Command): void {
  program
    .command('demo')
    .description('bill 100,000 generated calls with an embedded PostgreSQL and Temporal, and show the result')
    .option('--state-dir <dir>', 'where PostgreSQL and Temporal keep their data', '.meterfold')
    .option('--workers <n>', 'worker processes', wholeNumber(1, 64), WORKERS)
    .option('--calls <n>', 'number of calls to generate', wholeNumber(1, 100_000_000), 100_000)
    .option('--users <n>', 'number of users', wholeNumber(1, 10_000_000), 1000)
    .addHelpText(
      'after',
      `
A second demo finds the data of the first, and bills nothing twice. \`meterfold dev\` runs the same stack until Ctrl-C.

Examples:
  $ meterfold demo
  $ meterfold demo --calls 1000000 --users 10000 --state-dir /tmp/demo`,
    )
    .action(async (flags: StackFlags & { calls: number; users: number }) => {
      const { demo } = await import('./demo.js');
      await withStack(flags, (_stack, stopped) => demo(flags, stopped));
    });

  program
    .command('dev')
    .description('run PostgreSQL, Temporal with its UI, a schedule and workers until Ctrl-C')
    .option('--state-dir <dir>', 'where PostgreSQL and Temporal keep their data', '.meterfold')
    .option('--workers <n>', 'worker processes', wholeNumber(1, 64), WORKERS)
    .addOption(
      new Option('--every <time>', 'interval of the schedule, like 30s, 5m or 1h; an existing schedule is kept')
        .argParser(durationMs(1000, 86_400_000))
        .default(300_000, '5m'),
    )
    .option('--no-schedule', 'create no schedule')
    .option('--postgres-port <port>', 'default: 54329 if free', port)
    .option('--temporal-port <port>', 'default: 7233 if free', port)
    .option('--ui-port <port>', 'default: 8233 if free', port)
    .addHelpText(
      'after',
      `
Ctrl-C stops everything, and the data is kept for the next start. Remove the folder to start from nothing.

Examples:
  $ meterfold dev
  $ meterfold dev --every 30s --workers 1`,
    )
    .action(async (flags: DevFlags) => withStack(flags, (stack, stopped) => dev(stack, flags, stopped)));
}

/** Runs `work` with the stack, and stops the stack even if `work` fails. Ctrl-C and SIGTERM resolve `stopped`. */
async function withStack(
  flags: StackFlags,
  work: (stack: Stack, stopped: Promise<void>) => Promise<void>,
): Promise<void> {
  const { startStack } = await import('../../embedded/stack.js');
  const { migrate } = await import('../../schema/migrate.js');
  const { openPool } = await import('../../postgres/pool.js');
  let stop = () => {};
  const stopped = new Promise<void>((settle) => {
    stop = settle;
  });
  const onSignal = () => stop();
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  const say = (line: string) => void writeLine(line).catch(() => {});
  const stack = await startStack({ ...flags, stateDir: resolve(flags.stateDir), say });
  try {
    // The developer's own PGSERVICE or PGTARGETSESSIONATTRS must not affect the embedded server.
    for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name];
    Object.assign(process.env, stack.environment);
    const pool = await openPool(stack.databaseUrl, { applicationName: 'meterfold dev', connectionsMax: 2 });
    await migrate(pool).finally(() => pool.end());
    await stack.startWorkers();
    await work(stack, stopped);
  } finally {
    say('Stopping …');
    await stack.stop();
  }
}

async function dev(stack: Stack, flags: DevFlags, stopped: Promise<void>): Promise<void> {
  if (flags.schedule) {
    await withContext(async (context) => {
      const { setSchedule } = await import('../../operations/schedule/schedule.js');
      await setSchedule(context, { everyMs: flags.every }, { keepExisting: true });
    });
  }
  await writeLine(
    `\n${facts([
      ["Temporal's UI", `${stack.uiUrl}/namespaces/default/workflows`],
      ['PostgreSQL', stack.databaseUrl],
      ['Temporal', stack.temporalAddress],
      ['logs and data', resolve(flags.stateDir)],
    ])}\n
In another terminal:
  export DATABASE_URL='${stack.databaseUrl}' TEMPORAL_ADDRESS=${stack.temporalAddress}
  npx meterfold generate --calls 100000
  npx meterfold run
  npx meterfold runs

Ctrl-C stops all of it.`,
  );
  // Keeps the process running: the child processes do not.
  const alive = setInterval(() => {}, 60_000);
  await stopped;
  clearInterval(alive);
}
