/** `meterfold run`: starts a billing run and follows it, or tries one dry. */
import { type Command, Option } from 'commander';
import type { BillingRunInput } from '../../contract/billing-run.js';
import { durationMs, wholeNumber } from '../arguments.js';
import { withContext } from '../context.js';
import { writeJson, writeLine } from '../text/output.js';

interface RunFlags {
  json?: true;
  detach?: true;
  dryRun?: true;
  workflowId?: string;
  partitions?: number;
  shards?: number;
  hold?: number;
}

export function register(program: Command): void {
  program
    .command('run')
    .description('bill all calls since the last run')
    .option('--json', "print the workflow's result as one JSON object")
    .addOption(new Option('--detach', 'start it and return at once').conflicts('dryRun'))
    .option('--dry-run', 'show what would be billed; write nothing, start nothing')
    .option('--workflow-id <id>', 'start it under this workflow id (default: one that names the time)')
    .option('--partitions <n>', 'map activities, instead of a number chosen from the calls', wholeNumber(1, 500))
    .option('--shards <n>', 'reduce activities, likewise', wholeNumber(1, 500))
    .option(
      '--hold <time>',
      'hold the run for so long if it fails, like 1h, for `meterfold retry`, instead of discarding it',
      durationMs(1000, 86_400_000),
    )
    .addHelpText(
      'after',
      `
Follows the run with a progress bar on a terminal, with plain lines elsewhere. Ctrl-C leaves the run to the workers; stop it by
\`meterfold cancel\`. PRICE_PER_UNIT, CURRENCY, CALLS_PER_CYCLE, BAD_CALLS and BACKUP_ATTEMPTS count if they are set here; else the workers'
settings do.
Beside a run in progress it bills nothing, says so, and exits with 0.

Examples:
  $ meterfold run --dry-run
  $ meterfold run
  $ meterfold run --json | jq -r .amount
  $ meterfold run --detach`,
    )
    .action(run);
}

async function run(flags: RunFlags): Promise<void> {
  await withContext(async (context) => {
    if (flags.dryRun === true) {
      const { dryRun } = await import('../../operations/dry-run.js');
      const report = await dryRun(context);
      if (flags.json === true) return writeJson({ status: 'dry run', ...report });
      const { dryRunText } = await import('../text/dry-run.js');
      return writeLine(dryRunText(report));
    }
    const { startRun } = await import('../../operations/start.js');
    const handle = await startRun(context, inputOf(flags), { workflowId: flags.workflowId });
    if (flags.detach !== true) {
      const { showRunToItsEnd } = await import('../text/follow.js');
      return showRunToItsEnd(context, handle, flags.json === true);
    }
    const { workflowId, firstExecutionRunId } = handle;
    if (flags.json === true) return writeJson({ workflowId, firstExecutionRunId });
    await writeLine(`Started ${workflowId}. Follow it with \`meterfold runs\`, or in Temporal's UI.`);
  });
}

function inputOf({ partitions, shards, hold }: RunFlags): BillingRunInput {
  return {
    ...(partitions === undefined ? {} : { partitions }),
    ...(shards === undefined ? {} : { shards }),
    ...(hold === undefined ? {} : { holdFailedSeconds: hold / 1000 }),
  };
}
