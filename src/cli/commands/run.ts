/** `meterfold run`: starts a billing run and follows it, or tries one dry. */
import { type Command, Option } from 'commander';
import type { BillingRunInput, BillingRunResult } from '../../contract/billing-run.js';
import { durationMs, wholeNumber } from '../arguments.js';
import { type Context, withContext } from '../context.js';
import { counted, facts, grouped, note, sentence, writeJson, writeLine } from '../text/output.js';
import { CommandError } from '../text/problems.js';
import { writerText } from '../text/writer.js';

type Fact = [name: string, value: string];

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
    const pool = await context.database();
    const { checkFrozenTerms, frozenCallsPerCycle } = await import('../../runs/open.js');
    const { callsPerCycle } = context.config.explicitInput;
    if (callsPerCycle !== undefined) checkFrozenTerms(await frozenCallsPerCycle(pool), { callsPerCycle });
    if (flags.dryRun === true) {
      const terms = {
        ...context.config.terms,
        callsPerCycle: (await frozenCallsPerCycle(pool)) ?? context.config.terms.callsPerCycle,
        badCalls: context.config.worker.badCalls,
      };
      const { showDryRun } = await import('../text/dry-run.js');
      return showDryRun(pool, terms, flags.json === true);
    }
    const input: BillingRunInput = {
      ...context.config.explicitInput,
      ...(flags.partitions === undefined ? {} : { partitions: flags.partitions }),
      ...(flags.shards === undefined ? {} : { shards: flags.shards }),
      ...(flags.hold === undefined ? {} : { holdFailedSeconds: flags.hold / 1000 }),
    };
    await startAndFollow(context, input, flags);
  });
}

/** Starts a run, follows it to its end, and shows what came of it. */
export async function startAndFollow(
  context: Context,
  input: BillingRunInput,
  flags: Pick<RunFlags, 'json' | 'detach' | 'workflowId'>,
): Promise<void> {
  const client = await context.temporal();
  const { startRun, warnWithoutWorkers } = await import('../../operations/start.js');
  const { taskQueue } = context.config.temporal;
  const { readInstallation } = await import('../../schema/installation.js');
  const installation = await readInstallation(await context.database());
  const handle = await startRun(client, input, { workflowId: flags.workflowId, taskQueue, installation });
  if (flags.detach === true) {
    const started = { workflowId: handle.workflowId, firstExecutionRunId: handle.firstExecutionRunId };
    if (flags.json === true) return writeJson(started);
    await writeLine(`Started ${handle.workflowId}. Follow it by \`meterfold runs\`, or in Temporal's UI.`);
    return;
  }
  void warnWithoutWorkers(client, taskQueue, note);
  const { followRun } = await import('../text/follow.js');
  const { result, seconds } = await followRun(handle);
  if (result.status === 'cancelled') throw new CommandError(resultText(result, seconds));
  if (flags.json === true) return writeJson({ ...result, workflowId: handle.workflowId, seconds });
  await writeLine(resultText(result, seconds));
}

/** A run's result for people. */
export function resultText(result: BillingRunResult, seconds: number): string {
  if (result.status === 'skipped')
    return `${result.message}; nothing was billed. Look at it by \`meterfold status ${result.activeRunId}\`.`;
  if (result.status === 'cancelled') return sentence(result.message);
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
    ...(result.quarantined.calls === '0'
      ? []
      : [
          [
            'quarantined',
            `${counted(result.quarantined.calls, 'call')}: see \`meterfold status ${result.runId}\``,
          ] as Fact,
        ]),
    [
      'activities',
      `${activities.completed} of ${activities.scheduled} completed, ${activities.retried} retried` +
        (activities.backups === 0 ? '' : `, ${activities.backups} backups`),
    ],
    ['took', `${seconds.toFixed(2)} s by Temporal's clock`],
    ...result.blockedBy.map((writer): Fact => ['blocked by', writerText(writer)]),
    ...(result.blockedBy.length === 0 ? [] : [['', 'later calls wait for the next run'] as Fact]),
  ]);
}
