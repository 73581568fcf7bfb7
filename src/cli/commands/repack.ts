/** `meterfold repack`: merges the records of old runs into fewer rows, without changing a figure. */
import { type Command, InvalidArgumentError } from 'commander';
import type { RepackOptions, RepackResult } from '../../ledger/repack.js';
import { counted, grouped } from '../../text.js';
import { runIdArgument } from '../arguments.js';
import { withContext } from '../context.js';
import { facts, writeJson, writeLine } from '../text/output.js';
import { createLines } from '../text/progress.js';

interface RepackFlags {
  until?: NonNullable<RepackOptions['until']>;
  dryRun?: true;
  json?: true;
}

export function register(program: Command): void {
  program
    .command('repack')
    .description('merge the small rows of records that frequent runs write; changes no figure')
    .option(
      '--until <run|time>',
      'repack only runs up to this one, or published before this time (default: all)',
      untilArgument,
    )
    .option('--dry-run', 'count what would be merged; write nothing')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
A run writes at least one row of records for each user with a closed cycle. If runs are frequent, most of such a row is
overhead: with a run every two seconds, records take 37 bytes per call, and about 10 after repacking. Repacking saves disk
space; nothing else depends on it.

Each batch of users is one short transaction, which proves that statements show the same before and after. Runs, reverts,
verify and other repacks may be in progress, and repacking can be stopped at any time. The newest published run is never
repacked, because it can still be reverted. Run it regularly, for example every hour: a pass reads only new records.

PostgreSQL reuses the space that becomes free. After the first pass over a long history, \`vacuum full meterfold.records\`
returns it to the file system; it locks the table meanwhile.

Examples:
  $ meterfold repack
  $ meterfold repack --dry-run
  $ meterfold repack --until 2026-11-01 --json`,
    )
    .action(repackRecords);
}

/** A run's number, or a time in ISO 8601, by default in UTC. */
function untilArgument(text: string): NonNullable<RepackOptions['until']> {
  if (/^\d+$/.test(text)) return { run: runIdArgument(text) };
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text);
  const time = new Date(isTime && /T[^Z+-]*$/.test(text) ? `${text}Z` : text);
  if (!isTime || Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError("Give a run's number, or a time like 2026-11-01 or 2026-11-01T12:00Z.");
  }
  return { time: time.toISOString() };
}

async function repackRecords({ until, dryRun, json }: RepackFlags): Promise<void> {
  await withContext(async (context) => {
    const pool = await context.database();
    const { repack } = await import('../../ledger/repack.js');
    const progress = createLines();
    const result = await repack(pool, {
      ...(until === undefined ? {} : { until }),
      dryRun: dryRun === true,
      onProgress: ({ users, cycles }) => {
        const text = `repacking: ${counted(users, 'user')} considered, ${counted(cycles, 'cycle')} moved`;
        progress.update({ done: users, total: users, text });
      },
    });
    if (json === true) return writeJson({ status: dryRun === true ? 'dry run' : 'repacked', ...result });
    await writeLine(resultText(result, dryRun === true));
  });
}

function resultText({ untilRunId, users, cycles, rowsBefore, rowsAfter }: RepackResult, dryRun: boolean): string {
  if (untilRunId === null)
    return 'Nothing to repack: the newest published run is never repacked, and there is no run before it.';
  const figures = facts([
    ['considered', `runs up to ${untilRunId}, ${counted(users, 'user')} with records`],
    ['cycles', grouped(cycles)],
    ['rows', `${grouped(rowsBefore)} to ${grouped(rowsAfter)}`],
  ]);
  return dryRun ? `${figures}\n\nNothing was written.` : figures;
}
