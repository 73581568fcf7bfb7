/**
 * `meterfold retain`: verifies the oldest range of the history and releases its calls, so that the log need not keep
 * them.
 */
import type { Command } from 'commander';
import type { Release, Retention, Until } from '../../audit/retain.js';
import type { ReleasedPartitions } from '../../log/released-partitions.js';
import { counted, duration, grouped } from '../../text.js';
import { untilArgument, wholeNumber } from '../arguments.js';
import { withContext } from '../context.js';
import { rangeText } from '../text/figures.js';
import { facts, writeJson, writeLine } from '../text/output.js';
import { showProgress } from '../text/progress.js';
import { checksDone, differencesText } from './verify.js';

interface Flags {
  until: Until;
  dryRun?: true;
  limit: number;
  json?: true;
}

export function register(program: Command): void {
  program
    .command('retain')
    .description('verify the oldest calls and release them, so that old partitions of the log can be dropped')
    .requiredOption(
      '--until <position|time>',
      'a log position, or a time with its offset: releases all published runs that ended at or before it',
      untilArgument,
    )
    .option('--dry-run', 'show what would be verified and released; change nothing')
    .option('--limit <n>', 'show at most so many differences', wholeNumber(1, 100_000), 20)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
The calls from the last released position to the end of the last of these runs are verified as \`meterfold verify\` does it.
If there is a difference, it is shown, nothing is changed, and the exit code is 1. Otherwise one transaction stores digests
of the calls and billing records, and each user's open cycle at that position. From then on \`meterfold verify\` starts
there, and the released runs cannot be reverted. Billing records are kept. Nothing is deleted from the log: the command
prints what may be dropped. Runs may continue meanwhile.

A time is compared with the time at which runs were published: a call logged before it that a later run billed is kept.

Examples:
  $ meterfold retain --until 2026-10-01T00:00:00Z --dry-run
  $ meterfold retain --until 2026-10-01T00:00:00Z
  $ meterfold retain --until 125000000 --json`,
    )
    .action(release);
}

async function release({ until, dryRun, limit, json }: Flags): Promise<void> {
  await withContext(async (context) => {
    const pool = await context.database();
    const { readRelease, retain } = await import('../../audit/retain.js');
    if (dryRun === true) {
      const planned = await readRelease(pool, until);
      if (json === true) return writeJson({ status: 'dry run', ...planned });
      await writeLine(releaseText('would release', planned));
      return writeLine('\nNothing was changed. Without --dry-run, all of it is verified first.');
    }
    const progress = await showProgress();
    const startedAt = performance.now();
    const { verification, release, retention } = await retain(pool, until, {
      differencesMax: limit,
      onProgress: checksDone(progress),
    }).finally(progress.stop);
    const ms = performance.now() - startedAt;
    const { differences, more, notes } = verification;
    if (retention === undefined) {
      process.exitCode = 1;
      if (json === true) return writeJson({ status: 'refused', ...release, differences, more, notes });
      await writeLine(differencesText(differences, more));
      return writeLine('\nNothing was changed: calls with differences are not released.');
    }
    const { readReleasedPartitions } = await import('../../log/released-partitions.js');
    const partitions = await readReleasedPartitions(pool, retention.range.to);
    if (json === true) {
      return writeJson({ status: 'released', ...retention, partitions, notes, seconds: ms / 1000 });
    }
    await writeLine(retentionText(retention, ms));
    for (const text of notes) await writeLine(`\nNote: ${text}`);
    await writeLine(`\n${partitionsText(partitions, retention.range.to)}`);
  });
}

function releaseText(
  what: string,
  { runId, publishedAt, range, runs, calls, quarantinedCalls, cycles, openCalls }: Release,
) {
  const quarantined = quarantinedCalls === '0' ? '' : `, and ${grouped(quarantinedCalls)} quarantined`;
  return facts([
    [what, rangeText(range)],
    ['up to the end of', `run ${runId}, published ${publishedAt}`],
    ['runs', grouped(runs)],
    ['calls', `${grouped(calls)}${quarantined}`],
    ['cycles', grouped(cycles)],
    ['open calls at the end', grouped(openCalls)],
  ]);
}

function retentionText(retention: Retention, ms: number): string {
  const { users, newestCalledAt, logDigest, recordsDigest } = retention;
  return [
    releaseText('verified, released', retention),
    facts([
      ['users kept', grouped(users)],
      ['latest call', newestCalledAt ?? 'none'],
      ['digest of calls', logDigest],
      ['digest of records', recordsDigest],
      ['took', duration(ms)],
    ]),
  ].join('\n');
}

function partitionsText(
  { isPartitioned, droppable, releasedForNow, statements }: ReleasedPartitions,
  to: string,
): string {
  const positions = `meterfold no longer needs the calls of public.api_logs up to log position ${grouped(to)}.`;
  if (!isPartitioned) return `${positions} The table has no partitions that could be dropped.`;
  const lines = [positions];
  if (statements.length > 0) {
    lines.push(
      `${counted(droppable.length, 'partition')} may be dropped; execute these statements one by one, outside a transaction:`,
    );
    lines.push(...statements.map((statement) => `  ${statement}`));
  } else if (droppable.length > 0) {
    lines.push(
      `These partitions may be dropped: ${droppable.join(', ')}. Because of the default partition, they cannot be detached concurrently: dropping one blocks writers.`,
    );
  } else lines.push('No partition ends at or before that position.');
  if (releasedForNow.length > 0) {
    lines.push(
      `These partitions hold only such calls now, but are not partitioned by id, so that a new call may be stored there: ${releasedForNow.join(', ')}.`,
    );
  }
  return lines.join('\n');
}
