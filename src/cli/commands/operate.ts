/**
 * `meterfold pause`, `resume`, `retry`, `cancel` and `revert`. The first three are Updates of the run's workflow, which
 * may refuse them. `cancel` also works if the workflow or its Temporal is unavailable, and `revert` uses PostgreSQL
 * only.
 */

import type { Command } from 'commander';
import type { BillingRunProgress } from '../../contract/billing-run.js';
import { counted, grouped } from '../../text.js';
import { runIdArgument } from '../arguments.js';
import { withContext } from '../context.js';
import { rangeText } from '../text/figures.js';
import { facts, note, writeJson, writeLine } from '../text/output.js';
import { amountText, priceText } from '../text/price.js';

interface Flags {
  json?: true;
}

export function register(program: Command): void {
  program
    .command('pause')
    .description('start no new activity of a run until it is resumed')
    .argument('<run>', 'the number of the run, as `meterfold runs` shows it', runIdArgument)
    .option('--json', "print the run's progress as one JSON object")
    .addHelpText(
      'after',
      `
Running activities complete, and their results are kept. Other runs are skipped meanwhile. A run that is being published
cannot be paused.

Example:
  $ meterfold pause 7`,
    )
    .action(pause);

  program
    .command('resume')
    .description('resume a paused run')
    .argument('<run>', 'its number', runIdArgument)
    .option('--json', "print the run's progress as one JSON object")
    .addHelpText('after', '\nExample:\n  $ meterfold resume 7')
    .action(resume);

  program
    .command('cancel')
    .description('discard a run in progress; nothing of it remains')
    .argument('<run>', 'its number', runIdArgument)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
A published run cannot be cancelled (exit code 1). To undo it, use \`meterfold revert\`.

Example:
  $ meterfold cancel 7`,
    )
    .action(cancel);

  program
    .command('retry')
    .description('retry a failed run')
    .argument('<run>', 'its number', runIdArgument)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
A failed run that is held (\`meterfold run --hold\`) continues where it stopped. A run that was discarded is started again as
another run, with the same price, currency and handling of bad calls, unless PRICE_PER_UNIT, CURRENCY or BAD_CALLS is set
here.

Example:
  $ meterfold retry 7`,
    )
    .action(retry);

  program
    .command('revert')
    .description('undo the newest published run, so that its calls are billed again')
    .argument('<run>', 'its number', runIdArgument)
    .option('--yes', 'revert the run; without this option, only show what would be reverted')
    .option('--reason <text>', 'why; `meterfold runs` shows it; required with --yes')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
For example after billing at the wrong price. One transaction deletes the run's billing records and restores the open cycles
before it. The next run bills the same calls. The run stays in the list, with the reason. Only the newest published run can
be reverted.

Examples:
  $ meterfold revert 7
  $ meterfold revert 7 --yes --reason 'price was 0.0004 instead of 0.0005'`,
    )
    .action(revert);
}

async function pause(runId: string, flags: Flags): Promise<void> {
  await withContext(async (context) => {
    const { pauseRun } = await import('../../operations/control.js');
    await writeProgress(await pauseRun(context, runId), flags, `Run ${runId} is paused.`);
  });
}

async function resume(runId: string, flags: Flags): Promise<void> {
  await withContext(async (context) => {
    const { resumeRun } = await import('../../operations/control.js');
    await writeProgress(await resumeRun(context, runId), flags, `Run ${runId} continues.`);
  });
}

async function writeProgress(progress: BillingRunProgress, { json }: Flags, done: string): Promise<void> {
  if (json === true) return writeJson(progress);
  const { phase, partitions, shards } = progress;
  await writeLine(
    `${done} It is ${phase}: ${partitions.done} of ${partitions.total} partitions, ${shards.done} of ${shards.total} shards are done.`,
  );
}

async function cancel(runId: string, flags: Flags): Promise<void> {
  await withContext(async (context) => {
    const { cancelRun } = await import('../../operations/cancel.js');
    const outcome = await cancelRun(context, runId, () =>
      note(`Run ${runId} is being published; waiting for that to end …`),
    );
    if (flags.json === true) return writeJson({ runId, state: 'discarded' });
    if (outcome === 'already discarded') return writeLine(`Run ${runId} was discarded before.`);
    const ended = outcome === 'cancelled' ? '' : ' Its workflow had ended without cleaning up.';
    await writeLine(`Run ${runId} is cancelled; nothing of it remains.${ended}`);
  });
}

async function retry(runId: string, flags: Flags): Promise<void> {
  await withContext(async (context) => {
    const { retryRun } = await import('../../operations/control.js');
    const retried = await retryRun(context, runId);
    if (retried.status === 'continues') return writeProgress(retried.progress, flags, `Run ${runId} continues.`);
    const { showRunToItsEnd } = await import('../text/follow.js');
    await showRunToItsEnd(context, retried.handle, flags.json === true);
  });
}

async function revert(runId: string, flags: Flags & { yes?: true; reason?: string }, command: Command): Promise<void> {
  if (flags.yes === true && !flags.reason?.trim()) {
    command.error("error: --yes requires --reason '…'", { exitCode: 2 });
  }
  await withContext(async (context) => {
    const { previewRevert, revertRun } = await import('../../operations/revert.js');
    const done = flags.yes === true;
    const reversal = done ? await revertRun(context, runId, flags.reason!.trim()) : await previewRevert(context, runId);
    if (flags.json === true) return writeJson({ status: done ? 'reverted' : 'dry run', ...reversal });
    const { range, calls, users, cycles } = reversal;
    await writeLine(
      facts([
        [done ? 'reverted' : 'would revert', `run ${runId}, published ${reversal.publishedAt}`],
        [
          'billing records',
          `${grouped(cycles)} of ${counted(users, 'user')}, ${amountText(reversal)} at ${priceText(reversal)}`,
        ],
        ['calls to bill again', `${counted(calls, 'call')}, ${rangeText(range)}`],
      ]),
    );
    await writeLine(
      done
        ? '\nBill them again with `meterfold run`.'
        : `\nNothing was changed. Revert the run with \`meterfold revert ${runId} --yes --reason '…'\`.`,
    );
  });
}
