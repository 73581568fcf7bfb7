/** `meterfold schedule …`: a Temporal Schedule that starts a billing run again and again. */
import { type Command, Option } from 'commander';
import type { Changed } from '../../operations/schedule/schedule.js';
import { cronArgument, cronFields, durationMs } from '../arguments.js';
import { type Context, withContext } from '../context.js';
import { note, writeJson, writeLine } from '../text/output.js';

const DAY_MS = 86_400_000;

interface SetFlags {
  every?: number;
  cron?: string;
  timezone?: string;
  timeout?: number;
  hold?: number;
}

export function register(program: Command): void {
  const schedule = program
    .command('schedule')
    .description('bill regularly, with a Temporal Schedule')
    .addHelpText(
      'after',
      `
Examples:
  $ meterfold schedule set --every 5m
  $ meterfold schedule set --cron "0 3 * * *" --timezone Europe/Berlin
  $ meterfold schedule show`,
    );

  schedule
    .command('set')
    .description('create or change the schedule; a paused schedule stays paused')
    .addOption(
      new Option('--every <time>', 'start a run every 30s, 5m, 1h, 1d, …').argParser(durationMs(1000, 366 * DAY_MS)),
    )
    .addOption(
      new Option('--cron <expression>', 'start runs by a cron expression: minute hour day month weekday')
        .argParser(cronArgument)
        .conflicts('every'),
    )
    .addOption(
      new Option('--timezone <zone>', 'time zone of the cron expression, like Europe/Berlin (default: UTC)').conflicts(
        'every',
      ),
    )
    .addOption(
      new Option(
        '--hold <time>',
        'if a run fails, hold it for this time, for `meterfold retry`; then discard it',
      ).argParser(durationMs(1000, DAY_MS)),
    )
    .addOption(
      new Option('--timeout <time>', 'end a run that takes longer (default: 6h)').argParser(
        durationMs(60_000, 366 * DAY_MS),
      ),
    )
    .addHelpText(
      'after',
      `
A run that is due while another is in progress is skipped, and the next one bills its calls too. Prices are those of the
workers' settings (PRICE_PER_UNIT, CURRENCY) at the time of the run.

Temporal reads the cron expression: five fields, or seven with the seconds first and the year last; six are refused. If both
a day of the month and a weekday are given, both must match. The command warns of times that never occur, and of times that
a change of the clocks skips or repeats.

Examples:
  $ meterfold schedule set --every 5m
  $ meterfold schedule set --cron "0 3 * * *" --timezone Europe/Berlin`,
    )
    .action(set);

  schedule
    .command('show')
    .description('show the schedule, its next times and the outcomes of the last runs')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExamples:\n  $ meterfold schedule show\n  $ meterfold schedule show --json')
    .action(show);

  schedule
    .command('pause')
    .description('start no more runs until resumed; a run in progress continues')
    .option('--note <text>', 'why; `schedule show` and the UI show it', 'paused by `meterfold schedule pause`')
    .addHelpText('after', '\nExamples:\n  $ meterfold schedule pause --note "database upgrade"')
    .action(pause);

  schedule
    .command('resume')
    .description('start runs again')
    .addHelpText('after', '\nExamples:\n  $ meterfold schedule resume')
    .action(resume);

  schedule
    .command('trigger')
    .description('start a run now, even while paused, unless a run of the schedule is in progress')
    .addHelpText('after', '\nExamples:\n  $ meterfold schedule trigger')
    .action(trigger);

  schedule
    .command('remove')
    .description('remove the schedule; a run in progress continues')
    .addHelpText('after', '\nExamples:\n  $ meterfold schedule remove')
    .action(remove);
}

async function set(flags: SetFlags, command: Command): Promise<void> {
  const { every, cron, timezone, timeout: timeoutMs, hold: holdMs } = flags;
  const when = every !== undefined ? { everyMs: every } : cron !== undefined ? { cron, timezone } : undefined;
  if (when === undefined) command.error("error: give --every 5m, or --cron '0 3 * * *'", { exitCode: 2 });
  await withContext(async (context) => {
    const { setSchedule } = await import('../../operations/schedule/schedule.js');
    const { scheduleId, status } = await setSchedule(context, { ...when, timeoutMs, holdMs });
    if (cron !== undefined && cronFields(cron).length === 7) {
      note('Seven fields are read as second, minute, hour, day of the month, month, weekday and year.');
    }
    await writeLine(`${status === 'created' ? 'Created' : 'Changed'} schedule ${scheduleId}.\n`);
    await writeSchedule(context, false);
  });
}

async function show(flags: { json?: boolean }): Promise<void> {
  await withContext((context) => writeSchedule(context, flags.json === true));
}

async function writeSchedule(context: Context, json: boolean): Promise<void> {
  const { showSchedule } = await import('../../operations/schedule/schedule.js');
  const schedule = await showSchedule(context);
  if (json) return writeJson(schedule);
  const { runsText, scheduleText } = await import('../text/schedule.js');
  await writeLine(scheduleText(schedule));
  for (const warning of schedule.warnings) note(`Warning: ${warning}.`);
  if (schedule.runs.length > 0) await writeLine(`\n${runsText(schedule.runs)}`);
}

async function pause(flags: { note: string }): Promise<void> {
  await withContext(async (context) => {
    const { pauseSchedule } = await import('../../operations/schedule/schedule.js');
    const scheduleId = checked(await pauseSchedule(context, flags.note));
    await writeLine(`Paused schedule ${scheduleId}; \`meterfold schedule resume\` resumes it.`);
  });
}

async function resume(): Promise<void> {
  await withContext(async (context) => {
    const { resumeSchedule } = await import('../../operations/schedule/schedule.js');
    const scheduleId = checked(await resumeSchedule(context, 'resumed by `meterfold schedule resume`'));
    await writeLine(`Resumed schedule ${scheduleId}.`);
  });
}

async function trigger(): Promise<void> {
  await withContext(async (context) => {
    const { triggerSchedule } = await import('../../operations/schedule/schedule.js');
    const { workflowId, ...changed } = await triggerSchedule(context);
    checked(changed);
    await writeLine(
      workflowId === undefined
        ? 'Nothing started: a run of this schedule is in progress, and bills the new calls.'
        : `Started workflow ${workflowId}.`,
    );
  });
}

async function remove(): Promise<void> {
  await withContext(async (context) => {
    const { removeSchedule } = await import('../../operations/schedule/schedule.js');
    await writeLine(`Removed schedule ${checked(await removeSchedule(context))}.`);
  });
}

/** The id of a changed schedule; notes that its owner could not be checked. */
function checked({ scheduleId, ownerUnchecked }: Changed): string {
  if (ownerUnchecked !== undefined) {
    note(`Whether schedule ${scheduleId} belongs to this installation was not checked: ${ownerUnchecked}`);
  }
  return scheduleId;
}
