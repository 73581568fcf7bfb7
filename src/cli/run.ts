/** `meterfold run` and `meterfold cancel`: start a billing run and follow it, try one dry, give one up. */
import { type Command, Option } from 'commander';
import type { BillingRunInput, BillingRunResult } from '../workflows/messages.js';
import { runIdArgument, wholeNumber } from './arguments.js';
import { type Context, withContext } from './context.js';
import { writerText } from './held-up.js';
import { counted, facts, grouped, note, writeJson, writeLine } from './output.js';
import { CommandError } from './problems.js';

interface RunFlags {
  json?: true;
  detach?: true;
  dryRun?: true;
  workflowId?: string;
  partitions?: number;
  shards?: number;
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
    .addHelpText(
      'after',
      `
Follows the run with a progress bar on a terminal, with plain lines elsewhere. Ctrl-C leaves the run to the workers; stop it by
\`meterfold cancel\`. PRICE_PER_UNIT, CURRENCY and CALLS_PER_CYCLE count if they are set here; else the workers' settings do.
Beside a run in progress it bills nothing, says so, and exits with 0.

Examples:
  $ meterfold run --dry-run
  $ meterfold run
  $ meterfold run --json | jq -r .amount
  $ meterfold run --detach`,
    )
    .action(run);

  program
    .command('cancel')
    .description('give up a run in progress; nothing of it remains')
    .argument('<run>', 'its number, as `meterfold runs` shows it', runIdArgument)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
A published run stays: cancel then says so, and exits with 1.

Example:
  $ meterfold cancel 7`,
    )
    .action(cancel);
}

async function run(flags: RunFlags): Promise<void> {
  await withContext(async (context) => {
    const pool = await context.database();
    const { checkFrozenTerms, frozenCallsPerCycle } = await import('../db/runs.js');
    const { callsPerCycle } = context.config.explicitTerms;
    if (callsPerCycle !== undefined) await checkFrozenTerms(pool, { callsPerCycle });
    if (flags.dryRun === true) {
      const terms = {
        ...context.config.terms,
        callsPerCycle: (await frozenCallsPerCycle(pool)) ?? context.config.terms.callsPerCycle,
      };
      const { showDryRun } = await import('./dry-run.js');
      return showDryRun(pool, terms, flags.json === true);
    }
    await startAndFollow(context, flags);
  });
}

async function startAndFollow(context: Context, flags: RunFlags): Promise<void> {
  const client = await context.temporal();
  const { startRun, warnWithoutWorkers } = await import('./start-run.js');
  const input: BillingRunInput = {
    ...context.config.explicitTerms,
    ...(flags.partitions === undefined ? {} : { partitions: flags.partitions }),
    ...(flags.shards === undefined ? {} : { shards: flags.shards }),
  };
  const handle = await startRun(client, input, flags.workflowId);
  if (flags.detach === true) {
    const started = { workflowId: handle.workflowId, firstExecutionRunId: handle.firstExecutionRunId };
    if (flags.json === true) return writeJson(started);
    await writeLine(`Started ${handle.workflowId}. Follow it by \`meterfold runs\`, or in Temporal's UI.`);
    return;
  }
  void warnWithoutWorkers(client, note);
  const { followRun } = await import('./follow-run.js');
  const { result, seconds } = await followRun(handle);
  if (flags.json === true) return writeJson({ ...result, workflowId: handle.workflowId, seconds });
  await writeLine(resultText(result, seconds));
}

/** A run's result for people. */
export function resultText(result: BillingRunResult, seconds: number): string {
  if (result.status === 'skipped')
    return `${result.message}; nothing was billed. Look at it by \`meterfold status ${result.activeRunId}\`.`;
  const { activities, range } = result;
  const calls =
    range.after === range.to
      ? `none after log position ${grouped(range.after)}`
      : `${counted(result.calls, 'call')} of ${counted(result.users, 'user')}, log positions after ${grouped(range.after)} up to ${grouped(range.to)}`;
  return facts([
    ['run', `${result.runId}, published`],
    ['billed', calls],
    ['cycles closed', grouped(result.cycles)],
    [
      'amount',
      `${grouped(result.amount)} ${result.currency}  (usage ${grouped(result.billedUsage)} at ${result.pricePerUnit})`,
    ],
    ['carried in', `${counted(result.carriedIn.calls, 'call')}, usage ${grouped(result.carriedIn.usage)}`],
    ['carried out', `${counted(result.carriedOut.calls, 'call')}, usage ${grouped(result.carriedOut.usage)}`],
    ['activities', `${activities.completed} of ${activities.scheduled} completed, ${activities.retried} retried`],
    ['took', `${seconds.toFixed(2)} s by Temporal's clock`],
    ...result.heldUpBy.map((writer): [string, string] => ['held up by', writerText(writer)]),
    ...(result.heldUpBy.length === 0 ? [] : [['', 'later calls wait for the next run'] as [string, string]]),
  ]);
}

async function cancel(runId: string, flags: { json?: true }): Promise<void> {
  await withContext(async (context) => {
    const pool = await context.database();
    const { cancelRun } = await import('./cancel-run.js');
    const answer = await cancelRun(pool, () => context.temporal(), context.config, runId);
    if (answer === 'already published') throw new CommandError(`Run ${runId} is already published: its bills stand.`);
    if (answer === 'unknown') throw new CommandError(`There is no run ${runId}: \`meterfold runs\` lists them.`);
    if (flags.json === true) return writeJson({ runId, state: 'discarded' });
    await writeLine(
      answer === 'was discarded'
        ? `Run ${runId} was discarded before.`
        : `Run ${runId} is cancelled; nothing of it remains.`,
    );
  });
}
