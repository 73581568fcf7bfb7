/** `meterfold run`: starts a billing run and follows it, or shows what it would bill. */
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
    .option('--json', 'print the result as one JSON object')
    .addOption(new Option('--detach', 'start the run and return at once').conflicts('dryRun'))
    .option('--dry-run', 'show what would be billed; write nothing, and start nothing')
    .option('--workflow-id <id>', 'workflow id of the run (default: one with the time)')
    .option(
      '--partitions <n>',
      'number of map activities (default: chosen from the number of calls)',
      wholeNumber(1, 500),
    )
    .option('--shards <n>', 'number of reduce activities (default: chosen likewise)', wholeNumber(1, 500))
    .option(
      '--hold <time>',
      'if the run fails, hold it for this time, like 1h, for `meterfold retry`; then discard it',
      durationMs(1000, 86_400_000),
    )
    .addHelpText(
      'after',
      `
It follows the run with a progress bar on a terminal, and with plain lines elsewhere. Ctrl-C stops following, not the run;
\`meterfold cancel\` stops the run. If another run is in progress, this one is skipped (exit code 0).

PRICE_PER_UNIT, CURRENCY, CALLS_PER_CYCLE, BAD_CALLS and BACKUP_ATTEMPTS apply if they are set here. Otherwise the settings
of the workers apply.

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
