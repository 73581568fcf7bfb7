/** `meterfold worker`: executes the workflows and activities of billing runs until it is stopped. */
import { setFlagsFromString } from 'node:v8';
import { type Command, Option } from 'commander';
import type { WorkerRole } from '../../workers/worker.js';
import { withContext } from '../context.js';

export function register(program: Command): void {
  program
    .command('worker')
    .description('execute billing runs until stopped')
    .addOption(
      new Option(
        '--role <role>',
        'which tasks to execute: workflow orchestrates runs, activity reads and bills the log',
      )
        .choices(['workflow', 'activity', 'all'])
        .default('all'),
    )
    .addOption(new Option('--stop-with-stdin', 'stop when standard input closes').hideHelp())
    .addHelpText(
      'after',
      `
Logs are JSON lines on standard error. SIGTERM and Ctrl-C stop the worker gracefully: running activities have
SHUTDOWN_GRACE_SECONDS (default: 20) to complete; another worker retries those that do not. A second signal ends the process
at once. Nothing is lost in either case.

WORKER_SLOTS sets how many activities the worker executes at a time (default: one per core).

Examples:
  $ meterfold worker
  $ WORKER_SLOTS=4 meterfold worker --role activity`,
    )
    .action(work);
}

interface WorkerFlags {
  role: WorkerRole;
  /** Set by a parent process, such as `meterfold dev`, whose end closes the pipe. */
  stopWithStdin?: true;
}

async function work({ role, stopWithStdin }: WorkerFlags): Promise<void> {
  // V8 would let the space for new objects grow to 48 MB. Calls are not objects, so a worker is as fast with a small one.
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
      // The SDK's worker would retry a missing namespace forever, without reporting it.
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
