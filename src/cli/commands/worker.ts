/** `meterfold worker`: works on billing runs until it is stopped. */
import { setFlagsFromString } from 'node:v8';
import { type Command, Option } from 'commander';
import type { WorkerRole } from '../../workers/worker.js';
import { withContext } from '../context.js';

export function register(program: Command): void {
  program
    .command('worker')
    .description('work on billing runs until stopped')
    .addOption(
      new Option('--role <role>', 'what to work on: workflow decides, activity reads and folds')
        .choices(['workflow', 'activity', 'all'])
        .default('all'),
    )
    .addOption(new Option('--stop-with-stdin', 'stop when standard input closes').hideHelp())
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

interface WorkerFlags {
  role: WorkerRole;
  /** Set by whoever started this worker as a part of itself: when that process is gone, so is the pipe. */
  stopWithStdin?: true;
}

async function work({ role, stopWithStdin }: WorkerFlags): Promise<void> {
  // What is new lives in semi-spaces that V8 would let grow to 48 MB. Calls are no objects: a worker is as fast with small ones.
  setFlagsFromString('--semi-space-growth-factor=1');
  await withContext(async (context) => {
    const { config } = context;
    const [{ createLogger }, { serveHealth }] = await Promise.all([
      import('../../logger.js'),
      import('../../workers/health.js'),
    ]);
    const log = createLogger(config.logLevel);
    const stopping = new AbortController();
    const stop = (cause: string) => {
      if (stopping.signal.aborted) process.exit(1);
      log.info({ cause, graceMs: config.worker.graceMs }, 'stopping');
      stopping.abort();
    };
    const { health: listener } = config.ports;
    const health = listener === undefined ? undefined : await serveHealth(listener, stopping.signal);
    const tracing = await context.tracing();
    try {
      await context.database();
      const { workflowService } = await context.temporal();
      // The SDK's worker would look for a namespace that is not there for ever, and say nothing.
      await workflowService.describeNamespace({ namespace: config.temporal.namespace });
      const { runWorker } = await import('../../workers/worker.js');
      process.on('SIGTERM', stop).on('SIGINT', stop);
      if (stopWithStdin === true)
        process.stdin.resume().once('end', () => stopping.signal.aborted || stop('standard input closed'));
      await runWorker({ config, role, log, health, tracing, signal: stopping.signal });
    } finally {
      // An open standard input would keep the process alive.
      process.stdin.destroy();
      await health?.close();
    }
  });
}
