/** `meterfold verify`: checks the whole history, or one run, against the log. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ChainHead } from '../../audit/chain.js';
import type { Difference } from '../../audit/scope.js';
import type { Verification, VerifyOptions } from '../../audit/verify.js';
import { counted, duration, grouped, printable } from '../../text.js';
import { headArgument, runIdArgument, wholeNumber } from '../arguments.js';
import { withContext } from '../context.js';
import { facts, writeJson, writeLine } from '../text/output.js';
import { type Progress, showProgress } from '../text/progress.js';

interface VerifyFlags {
  all?: true;
  json?: true;
  limit: number;
  head?: ChainHead;
}

export function register(program: Command): void {
  program
    .command('verify')
    .description('check all billing records against the log; writes nothing')
    .argument(
      '[run]',
      'check only this run, by its number in `meterfold runs` (default: all of the history)',
      runIdArgument,
    )
    .addOption(new Option('--all', 'check all of the history; the default'))
    .option('--limit <n>', 'show at most so many differences', wholeNumber(1, 100_000), 20)
    .option(
      '--head <number:hash>',
      'a head that an earlier verify printed: the chain must lead from it to the present head',
      headArgument,
    )
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
It checks, by SQL that shares no code with billing:
  - Each call up to the watermark is in exactly one billing record of a published run, in one open cycle, or in quarantine
    if it cannot be billed. The cycles of a user are numbered without gaps. Users, usages, first and last calls and their
    times are correct.
  - The calls, usage, digest, users, cycles and amount of each run, what it carried in and out, and the outcomes of its
    tasks are correct. The row of a run has not changed since the run ended. Published runs form one chain.
  - No call changed after it was billed, in any column.
  - Nothing is stored twice, and nothing remains of runs that were discarded or reverted.
  - No run was deleted: each end of a run is a link in a chain of hashes that leads to the head, and numbers are not reused.
For one run, it checks the calls, the records, the open cycles that still exist, the figures and the links of the chain.

It reads one snapshot, so runs may continue. A role that may only read is sufficient, and so is a standby.
The exit code is 1 if there is a difference.

The chain shows what was deleted or changed by mistake, or by a role that may not write to the chain. The owner of the
database could recompute all of it: keep the head that verify prints elsewhere, and pass it to a later verify with --head.

Examples:
  $ meterfold verify
  $ meterfold verify 7
  $ meterfold verify --head 42:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  $ meterfold verify --all --json | jq '.differences'`,
    )
    .action(showVerification);
}

async function showVerification(runId: string | undefined, flags: VerifyFlags): Promise<void> {
  if (runId !== undefined && flags.all === true) throw new InvalidArgumentError('Give a run or --all, not both.');
  await withContext(async (context) => {
    const pool = await context.database();
    const { verify } = await import('../../audit/verify.js');
    const progress = await showProgress();
    const startedAt = performance.now();
    const verification = await verify(pool, {
      ...(runId === undefined ? {} : { runId }),
      ...(flags.head === undefined ? {} : { notedHead: flags.head }),
      differencesMax: flags.limit,
      onProgress: checksDone(progress),
    }).finally(progress.stop);
    const ms = performance.now() - startedAt;
    const ok = verification.differences.length === 0;
    // Set before writing, because the reader may close the pipe early.
    if (!ok) process.exitCode = 1;
    if (flags.json === true) return writeJson({ ok, runId: runId ?? null, ...verification, seconds: ms / 1000 });
    await writeLine(verificationText(verification, runId, ms));
  });
}

/** Shows how many checks are done; `retain` verifies too. */
export function checksDone(progress: Progress): NonNullable<VerifyOptions['onProgress']> {
  return ({ done, total, doing }) =>
    progress.update({ done, total, text: `verifying ${doing}: ${done} of ${total} checks done` });
}

function verificationText(verification: Verification, runId: string | undefined, ms: number): string {
  const { range, checked, differences, more, notes, head } = verification;
  const figures = facts([
    ['checked', runId === undefined ? checkedText(range) : `run ${runId}`],
    ['calls', grouped(checked.calls)],
    ['users', grouped(checked.users)],
    ['cycles', grouped(checked.cycles)],
    ['runs', grouped(checked.runs)],
    ['head', head ?? 'missing'],
    ['took', duration(ms)],
  ]);
  const remarks = notes.map((text) => `Note: ${text}`);
  if (differences.length === 0) return [figures, ...remarks, 'No difference.'].join('\n\n');
  return [figures, ...remarks, differencesText(differences, more)].join('\n\n');
}

/** Their number, then a line for each. */
export function differencesText(differences: readonly Difference[], more: boolean): string {
  const count = `${more ? 'The first ' : ''}${counted(differences.length, 'difference')}${more ? '; there are more (--limit)' : ''}:`;
  return `${count}\n${differences.map((difference) => `  ${differenceLine(difference)}`).join('\n')}`;
}

function checkedText({ after, to }: Verification['range']): string {
  return after === '0'
    ? `all calls up to the watermark, ${grouped(to)}`
    : `all calls after log position ${grouped(after)} up to the watermark, ${grouped(to)}`;
}

/** "records, run 3, user a, cycle 17: usages is 12, should be 10" */
function differenceLine(difference: Difference): string {
  const { check, run, user, cycle, call, column, expected, found } = difference;
  const location = [
    check,
    run === null ? '' : `run ${run}`,
    user === null ? '' : `user ${user}`,
    cycle === null ? '' : `cycle ${cycle}`,
    call === null ? '' : `call ${call}`,
  ].filter((item) => item !== '');
  return printable(`${location.join(', ')}: ${differenceText(column, expected, found)}`);
}

function differenceText(column: string | null, expected: string | null, found: string | null): string {
  if (column !== null) return `${column} is ${found ?? 'null'}, should be ${expected ?? 'null'}`;
  if (found === null) return `missing, should be ${expected}`;
  return expected === null ? `${found}, should not be there` : `${found}, should be ${expected}`;
}
