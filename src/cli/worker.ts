/** `meterfold worker`: works on billing runs until it is stopped. */
import { type Command, Option } from 'commander';
import type { WorkerRole } from '../workers/worker.js';
import { withContext } from './context.js';

export function register(program: Command): void {
  program
    .command('worker')
    .description('work on billing runs until stopped')
    .addOption(
      new Option('--role <role>', 'what to work on: workflow decides, activity reads and folds')
        .choices(['workflow', 'activity', 'all'])
        .default('all'),
    )
    .addHelpText(
      'after',
      `
Logs are JSON lines on standard error. SIGTERM and Ctrl-C stop it gracefully: running activities get SHUTDOWN_GRACE_SECONDS
(20) to end, and go on elsewhere if they don't. A second signal ends it at once; nothing is lost by that either.

WORKER_SLOTS sets how many activities it works on at a time; about one a core is best, and the default.

Examples:
  $ meterfold worker
  $ WORKER_SLOTS=4 meterfold worker --role activity`,
    )
    .action(work);
}

async function work({ role }: { role: WorkerRole }): Promise<void> {
  await withContext(async (context) => {
    await context.database();
    await context.temporal();
    const [{ runWorker }, { createLogger }] = await Promise.all([import('../workers/worker.js'), import('../log.js')]);
    const log = createLogger(context.config.logLevel);
    const stopping = new AbortController();
    const stop = (signal: NodeJS.Signals) => {
      if (stopping.signal.aborted) process.exit(1);
      log.info({ signal, graceMs: context.config.worker.graceMs }, 'stopping');
      stopping.abort();
    };
    process.on('SIGTERM', stop).on('SIGINT', stop);
    await runWorker({ config: context.config, role, log, signal: stopping.signal });
  });
}
