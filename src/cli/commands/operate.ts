/**
 * `meterfold pause`, `resume`, `cancel`, `retry` and `revert`: what an operator does to a run. The first four ask its workflow, by an
 * Update that it may refuse; `cancel` also works where the workflow or its Temporal is gone, and `revert` needs neither.
 */
import type { Command } from 'commander';
import type { BillingRunProgress } from '../../contract/billing-run.js';
import { runIdArgument } from '../arguments.js';
import { type Context, withContext } from '../context.js';
import { counted, facts, grouped, note, writeJson, writeLine } from '../text/output.js';
import { CommandError, unknownRun } from '../text/problems.js';

interface Flags {
  json?: true;
}

export function register(program: Command): void {
  program
    .command('pause')
    .description('begin no new activity of a run until it is resumed')
    .argument('<run>', 'its number, as `meterfold runs` shows it', runIdArgument)
    .option('--json', "print the run's progress as one JSON object")
    .addHelpText(
      'after',
      `
Activities under way end, and keep what they have done. Other runs are skipped meanwhile. A run that is being published can't be paused.

Example:
  $ meterfold pause 7`,
    )
    .action((runId: string, flags: Flags) => askRun('pause', runId, flags, `Run ${runId} is paused.`));

  program
    .command('resume')
    .description('go on with a paused run')
    .argument('<run>', 'its number', runIdArgument)
    .option('--json', "print the run's progress as one JSON object")
    .addHelpText('after', '\nExample:\n  $ meterfold resume 7')
    .action((runId: string, flags: Flags) => askRun('resume', runId, flags, `Run ${runId} goes on.`));

  program
    .command('cancel')
    .description('give up a run in progress; nothing of it remains')
    .argument('<run>', 'its number', runIdArgument)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
A published run stays: cancel then says so, and exits with 1. To take one back see \`meterfold revert\`.

Example:
  $ meterfold cancel 7`,
    )
    .action(cancel);

  program
    .command('retry')
    .description('try a failed run again')
    .argument('<run>', 'its number', runIdArgument)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
A failed run that is held (\`meterfold run --hold\`) goes on where it stopped. One that was discarded is begun anew, as another run by
the same price, currency and handling of bad calls; what is set here (PRICE_PER_UNIT, CURRENCY, BAD_CALLS) counts instead.

Example:
  $ meterfold retry 7`,
    )
    .action(retry);

  program
    .command('revert')
    .description('take the newest published run back, so that its calls are billed anew')
    .argument('<run>', 'its number', runIdArgument)
    .option('--yes', 'do it; without this it only shows what would be taken back')
    .option('--reason <text>', 'why, for `meterfold runs`; needed with --yes')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
For the day somebody billed by a wrong price. Its billing records and open cycles go, all at once, and the next run bills the same calls;
the run itself stays in the list, with the reason. A run that another one stands on is not reverted.

Examples:
  $ meterfold revert 7
  $ meterfold revert 7 --yes --reason 'price was 0.0004 instead of 0.0005'`,
    )
    .action(revert);
}

async function askRun(what: 'pause' | 'resume', runId: string, flags: Flags, done: string): Promise<void> {
  await withContext(async (context) => {
    const { updateRun } = await import('../../operations/update.js');
    const progress = await updateRun(context, runId, what);
    if (flags.json === true) return writeJson(progress);
    await writeLine(`${done} ${progressText(progress)}`);
  });
}

function progressText({ phase, partitions, shards }: BillingRunProgress): string {
  const done = `${partitions.done} of ${partitions.total} partitions, ${shards.done} of ${shards.total} shards`;
  return `It is ${phase}: ${done} are done.`;
}

async function cancel(runId: string, flags: Flags): Promise<void> {
  await withContext(async (context) => {
    const pool = await context.database();
    const { cancelRun } = await import('../../operations/cancel.js');
    const answer = await cancelRun(
      pool,
      () => context.temporal(),
      context.config,
      runId,
      () => note(`Run ${runId} is being published; waiting for that to end …`),
    );
    if (answer === 'already published') throw new CommandError(`Run ${runId} is already published: its bills stand.`);
    if (answer === 'was reverted') throw new CommandError(`Run ${runId} was published, and reverted.`);
    if (answer === 'unknown') throw unknownRun(runId);
    if (flags.json === true) return writeJson({ runId, state: 'discarded' });
    if (answer === 'was discarded') return writeLine(`Run ${runId} was discarded before.`);
    const ended = answer === 'cancelled' ? '' : ' Its workflow had ended without cleaning up.';
    await writeLine(`Run ${runId} is cancelled; nothing of it remains.${ended}`);
  });
}

async function retry(runId: string, flags: Flags): Promise<void> {
  await withContext(async (context) => {
    const { failedRun, updateRun } = await import('../../operations/update.js');
    const failed = await failedRun(context, runId);
    if (failed === 'in progress') {
      const progress = await updateRun(context, runId, 'retry');
      if (flags.json === true) return writeJson(progress);
      return writeLine(`Run ${runId} goes on. ${progressText(progress)}`);
    }
    await beginAnew(context, failed, flags);
  });
}

async function beginAnew(context: Context, input: object, flags: Flags): Promise<void> {
  const { startAndFollow } = await import('./run.js');
  await startAndFollow(context, { ...input, ...context.config.explicitInput }, flags);
}

async function revert(runId: string, flags: Flags & { yes?: true; reason?: string }, command: Command): Promise<void> {
  if (flags.yes === true && !flags.reason?.trim()) {
    command.error("error: say why: --yes needs --reason '…'", { exitCode: 2 });
  }
  await withContext(async (context) => {
    const pool = await context.database();
    const { readReversal, revertRun } = await import('../../runs/revert.js');
    const done = flags.yes === true;
    const reversal = done ? await revertRun(pool, runId, flags.reason!.trim()) : await readReversal(pool, runId);
    if (flags.json === true) return writeJson({ status: done ? 'reverted' : 'dry run', ...reversal });
    const { range, calls, users, cycles, amount, currency, pricePerUnit } = reversal;
    await writeLine(
      facts([
        [done ? 'reverted' : 'would revert', `run ${runId}, published ${reversal.publishedAt}`],
        [
          'billing records',
          `${grouped(cycles)} of ${counted(users, 'user')}, ${grouped(amount)} ${currency} at ${pricePerUnit}`,
        ],
        [
          'calls to bill anew',
          `${counted(calls, 'call')}, log positions after ${grouped(range.after)} up to ${grouped(range.to)}`,
        ],
      ]),
    );
    await writeLine(
      done
        ? '\nBill them anew by `meterfold run`.'
        : `\nNothing was changed. Do it by \`meterfold revert ${runId} --yes --reason '…'\`.`,
    );
  });
}
