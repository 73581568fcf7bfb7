/** `meterfold generate`: made-up calls for trying out and measuring. */
import { type Command, InvalidArgumentError } from 'commander';
import { counted, duration, grouped } from '../../text.js';
import { wholeNumber } from '../arguments.js';
import { withContext } from '../context.js';
import { note, writeLine } from '../text/output.js';

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
    .description('append made-up calls to the log; the same options give the same calls')
    .option('--calls <n>', 'how many calls', wholeNumber(1, 1_000_000_000), 100_000)
    .option('--users <n>', 'of how many users at most', wholeNumber(1, 10_000_000), 1_000)
    .option(
      '--skew <n>',
      'how unequal the users are: 1 is equal, 3 gives a tenth of the users about half of the calls',
      skewOption,
      3,
    )
    .option('--seed <n>', 'which calls: another seed gives others', wholeNumber(0, Number.MAX_SAFE_INTEGER), 1)
    .option('--start <date>', 'when the first call was made (default: 2026-10-01)', dateOption)
    .addHelpText(
      'after',
      `
Calls are appended to public.api_logs in one transaction: all of them or none. Users are named user-0000000 and so on.

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
    const progress = await showProgress(flags.calls);
    const startedAt = performance.now();
    const rows = await copyCalls(pool, { start: defaultStart, ...flags }, progress.update).finally(progress.stop);
    const ms = performance.now() - startedAt;
    const users = counted(Math.min(flags.users, flags.calls), 'user');
    await writeLine(`Appended ${counted(rows, 'call')} of up to ${users} to the log in ${duration(ms)}.`);
  });
}

const remarkEveryMs = 5_000;

/** A bar on a terminal; elsewhere a line now and then. Both on standard error. */
async function showProgress(calls: number): Promise<{ update: (done: number) => void; stop: () => void }> {
  if (!process.stderr.isTTY) {
    let remarkedAt = performance.now();
    const update = (done: number) => {
      if (performance.now() - remarkedAt < remarkEveryMs) return;
      remarkedAt = performance.now();
      note(`${grouped(done)} of ${counted(calls, 'call')} sent`);
    };
    return { update, stop: () => {} };
  }
  const { default: progress } = await import('cli-progress');
  const format = 'generating {bar} {percentage}%  {value}/{total} calls';
  const bar = new progress.SingleBar({
    format,
    formatValue: (value) => grouped(value),
    clearOnComplete: true,
  });
  bar.start(calls, 0);
  return { update: (done) => bar.update(done), stop: () => bar.stop() };
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
