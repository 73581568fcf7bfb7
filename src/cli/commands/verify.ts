/** `meterfold verify`: checks the whole history, or one run, against the log; by SQL that shares nothing with the pipeline. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ChainHead } from '../../audit/chain.js';
import type { Difference } from '../../audit/scope.js';
import type { Verification } from '../../audit/verify.js';
import { counted, duration, grouped, printable } from '../../text.js';
import { headArgument, runIdArgument, wholeNumber } from '../arguments.js';
import { withContext } from '../context.js';
import { facts, writeJson, writeLine } from '../text/output.js';
import { showProgress } from '../text/verify-progress.js';

interface VerifyFlags {
  all?: true;
  json?: true;
  limit: number;
  head?: ChainHead;
}

export function register(program: Command): void {
  program
    .command('verify')
    .description('check everything that was billed against the log; writes nothing')
    .argument(
      '[run]',
      'only this run, by its number as `meterfold runs` shows it (default: all of the history)',
      runIdArgument,
    )
    .addOption(new Option('--all', 'all of the history; the default'))
    .option('--limit <n>', 'how many differences to show', wholeNumber(1, 100_000), 20)
    .option(
      '--head <number:hash>',
      'a head of the chain that an earlier verify printed: the present chain must continue it',
      headArgument,
    )
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
What is checked, by SQL that shares nothing with what bills:
  - every call up to the watermark is in exactly one published billing record or one open cycle, or in quarantine if it can't
    be billed; each user's cycles are numbered without gaps; users, usages, first and last calls and their times are right
  - each run's calls, usage, digest, users, cycles, amount and what it carried in and out; its tasks' outcomes; nothing that is
    known of it has changed since it ended; published runs form one chain
  - no call was written again after it was billed, whatever column was changed
  - nothing is there twice, and nothing is left of runs that were discarded or reverted
  - no run was deleted: every ending of a run is a link in a chain of hashes that leads to a head, and numbers are not given again
Of one run: its calls, records, openCycles as far as they still exist, figures and place in the chain.

It reads one moment of the database, so runs may go on meanwhile; a role that may only read is enough, and so is a standby.
Exits with 1 if there is a difference.

The chain shows what was deleted or changed by mistake, or by a role that may not write to it. The owner of the database could
recompute all of it: keep the head that verify prints somewhere else, and give it to a later verify by --head.

Examples:
  $ meterfold verify
  $ meterfold verify 7
  $ meterfold verify --head 42:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  $ meterfold verify --all --json | jq '.differences'`,
    )
    .action(showVerification);
}

async function showVerification(runId: string | undefined, flags: VerifyFlags): Promise<void> {
  if (runId !== undefined && flags.all === true) throw new InvalidArgumentError('Give either a run or --all.');
  await withContext(async (context) => {
    const pool = await context.database();
    const { verify } = await import('../../audit/verify.js');
    const progress = await showProgress();
    const startedAt = performance.now();
    const verification = await verify(pool, {
      ...(runId === undefined ? {} : { runId }),
      ...(flags.head === undefined ? {} : { notedHead: flags.head }),
      differencesMax: flags.limit,
      onProgress: progress.update,
    }).finally(progress.stop);
    const ms = performance.now() - startedAt;
    const ok = verification.differences.length === 0;
    // Set before writing: whoever reads may close the pipe early.
    if (!ok) process.exitCode = 1;
    if (flags.json === true) return writeJson({ ok, runId: runId ?? null, ...verification, seconds: ms / 1000 });
    await writeLine(verificationText(verification, runId, ms));
  });
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

/** A line for each, below their count. */
export function differencesText(differences: readonly Difference[], more: boolean): string {
  const count = `${more ? 'The first ' : ''}${counted(differences.length, 'difference')}${more ? '; there are more (--limit)' : ''}:`;
  return `${count}\n${differences.map((difference) => `  ${sentence(difference)}`).join('\n')}`;
}

function checkedText({ after, to }: Verification['range']): string {
  return after === '0'
    ? `all calls up to the watermark, ${grouped(to)}`
    : `all calls after log position ${grouped(after)} up to the watermark, ${grouped(to)}`;
}

/** "records, run 3, user a, cycle 17: usages is 12, should be 10" */
export function sentence(difference: Difference): string {
  const { check, run, user, cycle, call, column, expected, found } = difference;
  const place = [
    check,
    run === null ? '' : `run ${run}`,
    user === null ? '' : `user ${user}`,
    cycle === null ? '' : `cycle ${cycle}`,
    call === null ? '' : `call ${call}`,
  ].filter((part) => part !== '');
  return printable(`${place.join(', ')}: ${what(column, expected, found)}`);
}

function what(column: string | null, expected: string | null, found: string | null): string {
  if (column !== null) return `${column} is ${found ?? 'null'}, should be ${expected ?? 'null'}`;
  if (found === null) return `missing, should be ${expected}`;
  return expected === null ? `${found}, should not be there` : `${found}, should be ${expected}`;
}
