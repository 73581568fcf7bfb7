/** `meterfold generate`: appends generated calls to the log, for trials and measurements. */
import { type Command, InvalidArgumentError } from 'commander';
import { counted, duration, grouped } from '../../text.js';
import { wholeNumber } from '../arguments.js';
import { withContext } from '../context.js';
import { writeLine } from '../text/output.js';
import { showProgress } from '../text/progress.js';

interface GenerateFlags {
  calls: number;
  users: number;
  skew: number;
  seed: number;
  start?: Date;
}

export function register(program: Command): void {
  program
    .command('generate')
    .description('append generated calls to the log; the same options generate the same calls')
    .option('--calls <n>', 'number of calls', wholeNumber(1, 1_000_000_000), 100_000)
    .option('--users <n>', 'largest number of users', wholeNumber(1, 10_000_000), 1_000)
    .option(
      '--skew <n>',
      'how unequal the users are: with 1 they are equal, with 3 a tenth of them make about half of the calls',
      skewOption,
      3,
    )
    .option('--seed <n>', 'seed of the random numbers', wholeNumber(0, Number.MAX_SAFE_INTEGER), 1)
    .option('--start <date>', 'time of the first call (default: 2026-10-01)', dateOption)
    .addHelpText(
      'after',
      `
The calls are appended to public.api_logs in one transaction. Users are named user-0000000, user-0000001, and so on.

Examples:
  $ meterfold generate
  $ meterfold generate --calls 10000000 --users 100000 --seed 7
  $ meterfold generate --calls 1000 --users 10 --skew 1 --start 2026-11-01`,
    )
    .action(generate);
}

async function generate(flags: GenerateFlags) {
  await withContext(async (context) => {
    const pool = await context.database();
    const { copyCalls, defaultStart } = await import('../../embedded/generate.js');
    const progress = await showProgress();
    const total = flags.calls;
    const onProgress = (done: number) =>
      progress.update({ done, total, text: `${grouped(done)} of ${counted(total, 'call')} sent` });
    const startedAt = performance.now();
    const rows = await copyCalls(pool, { start: defaultStart, ...flags }, onProgress).finally(progress.stop);
    const ms = performance.now() - startedAt;
    const users = counted(Math.min(flags.users, flags.calls), 'user');
    await writeLine(`Appended ${counted(rows, 'call')} of up to ${users} to the log in ${duration(ms)}.`);
  });
}

function skewOption(text: string): number {
  const skew = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(skew > 0 && skew <= 100)) throw new InvalidArgumentError('It must be a number above 0, up to 100.');
  return skew;
}

function dateOption(text: string): Date {
  const date = /^\d{4}-\d{2}-\d{2}/.test(text) ? new Date(text) : new Date(Number.NaN);
  const year = date.getUTCFullYear();
  if (!(year >= 1901 && year <= 2198)) {
    throw new InvalidArgumentError('It must be a date like 2026-10-01 or 2026-10-01T12:00:00Z, from 1901 to 2198.');
  }
  return date;
}
