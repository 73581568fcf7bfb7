/**
 * `meterfold schedule …`: a Temporal Schedule that starts a billing run again and again.
 * Why it is set up as it is: docs/decisions/0002-schedule.md.
 */
import type { Client, ScheduleOptions, ScheduleOptionsAction, ScheduleSpec } from '@temporalio/client';
import { type Command, Option } from 'commander';
import { INSTALLATION_MEMO } from '../../contract/installation.js';
import { cronArgument, cronFields, durationMs, durationText } from '../arguments.js';
import { type Context, withContext } from '../context.js';
import { note, writeLine } from '../text/output.js';
import { CommandError } from '../text/problems.js';

const dayMs = 86_400_000;
export const scheduleTimeoutMs = 6 * 3_600_000;
const catchupMsMin = 60_000;
const cronCatchupMs = 600_000;
const requestMs = 30_000;
/** How long `trigger` waits to see what came of it. */
const triggerMs = 10_000;

interface SetFlags {
  every?: number;
  cron?: string;
  timezone?: string;
  timeout: number;
  hold?: number;
}

export function register(program: Command): void {
  const schedule = program
    .command('schedule')
    .description('bill regularly, by a Temporal Schedule')
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
    .description('create the schedule, or change it; a paused one stays paused')
    .addOption(
      new Option('--every <time>', 'start a run each 30s, 5m, 1h, 1d, …').argParser(durationMs(1000, 366 * dayMs)),
    )
    .addOption(
      new Option('--cron <expression>', 'start runs by a cron expression: minute hour day month weekday')
        .argParser(cronArgument)
        .conflicts('every'),
    )
    .addOption(
      new Option('--timezone <zone>', 'of the cron expression, like Europe/Berlin (default: UTC)').conflicts('every'),
    )
    .addOption(
      new Option(
        '--hold <time>',
        'hold a run that fails for so long, for `meterfold retry`, before it is discarded',
      ).argParser(durationMs(1000, dayMs)),
    )
    .addOption(
      new Option('--timeout <time>', 'give a run up that takes longer')
        .argParser(durationMs(60_000, 366 * dayMs))
        .default(scheduleTimeoutMs, '6h'),
    )
    .addHelpText(
      'after',
      `
A run that is due while another works is left out, and the next one bills its calls too. Prices are those
of the workers' settings (PRICE_PER_UNIT, CURRENCY) at the time of the run.

A cron expression is read as Temporal reads it: five fields, or seven with seconds first and the year last; six are refused. Where both a day
of the month and a weekday are given, both must match. Times that never come, or that a change to summer time leaves out, are warned of.

Examples:
  $ meterfold schedule set --every 5m
  $ meterfold schedule set --cron "0 3 * * *" --timezone Europe/Berlin`,
    )
    .action(setSchedule);

  schedule
    .command('show')
    .description('show the schedule, its next times and what came of the last runs')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExamples:\n  $ meterfold schedule show\n  $ meterfold schedule show --json')
    .action((flags: { json?: boolean }) => withSchedule((client, id) => show(client, id, flags.json === true)));

  schedule
    .command('pause')
    .description('start no more runs until resumed; a run that is under way goes on')
    .option('--note <text>', 'why, for `schedule show` and the UI', 'paused by `meterfold schedule pause`')
    .addHelpText('after', '\nExamples:\n  $ meterfold schedule pause --note "database upgrade"')
    .action((flags: { note: string }) => withOwnSchedule((client, id) => pauseSchedule(client, id, flags.note)));

  schedule
    .command('resume')
    .description('start runs again')
    .addHelpText('after', '\nExamples:\n  $ meterfold schedule resume')
    .action(() => withOwnSchedule(resumeSchedule));

  schedule
    .command('trigger')
    .description('start a run now, also while paused; not beside one that the schedule has started before')
    .addHelpText('after', '\nExamples:\n  $ meterfold schedule trigger')
    .action(() => withOwnSchedule(triggerSchedule));

  schedule
    .command('remove')
    .description('remove the schedule; a run that is under way goes on')
    .addHelpText('after', '\nExamples:\n  $ meterfold schedule remove')
    .action(() => withOwnSchedule(removeSchedule));
}

type ScheduleWork = (client: Client, scheduleId: string, context: Context) => Promise<void>;

function withSchedule(work: ScheduleWork): Promise<void> {
  return withContext(async (context) => {
    const client = await context.temporal();
    const { scheduleIdOf } = await import('../../operations/schedule-owner.js');
    const scheduleId = scheduleIdOf(context.config.temporal.taskQueue);
    await client.withDeadline(Date.now() + requestMs, () => work(client, scheduleId, context));
  });
}

function withOwnSchedule(work: ScheduleWork): Promise<void> {
  return withSchedule(async (client, scheduleId, context) => {
    const { checkScheduleOwnerIfPossible } = await import('../../operations/schedule-owner.js');
    await checkScheduleOwnerIfPossible(context, client, scheduleId);
    await work(client, scheduleId, context);
  });
}

async function setSchedule(flags: SetFlags, command: Command) {
  if (flags.every === undefined && flags.cron === undefined) {
    command.error("error: say when: --every 5m, or --cron '0 3 * * *'", { exitCode: 2 });
  }
  await withSchedule(async (client, scheduleId, context) => {
    const { ScheduleAlreadyRunning } = await import('@temporalio/client');
    const { readInstallation } = await import('../../schema/installation.js');
    const installation = await readInstallation(await context.database());
    const { checkScheduleOwner } = await import('../../operations/schedule-owner.js');
    await checkScheduleOwner(client, scheduleId, installation);
    const options = await scheduleOptions(flags, { taskQueue: context.config.temporal.taskQueue, installation });
    if (flags.cron !== undefined && cronFields(flags.cron).length === 7) {
      note('Seven fields are read as second, minute, hour, day of the month, month, weekday and year.');
    }
    try {
      await client.schedule.create(options);
      await writeLine(`Created schedule ${scheduleId}.\n`);
    } catch (error) {
      if (isWrongSpec(error))
        command.error(`error: Temporal does not accept this schedule: ${error.message}`, { exitCode: 2 });
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      await client.schedule.getHandle(scheduleId).update((previous) => ({ ...options, state: previous.state }));
      await writeLine(`Changed schedule ${scheduleId}.\n`);
    }
    await show(client, scheduleId, false);
  });
}

/** The client turns the server's complaint about a spec into a TypeError. */
function isWrongSpec(error: unknown): error is TypeError {
  return error instanceof TypeError;
}

/** The whole schedule; docs/decisions/0002-schedule.md says why. */
export async function scheduleOptions(
  flags: SetFlags,
  place: { taskQueue?: string; installation?: string } = {},
): Promise<ScheduleOptions<ScheduleOptionsAction>> {
  const { TASK_QUEUE, WORKFLOW_TYPE } = await import('../../config.js');
  const { scheduledWorkflowIdOf, scheduleIdOf } = await import('../../operations/schedule-owner.js');
  const { taskQueue = TASK_QUEUE, installation } = place;
  const spec: ScheduleSpec =
    flags.every === undefined
      ? {
          cronExpressions: [commented(flags.cron!)],
          ...(flags.timezone === undefined ? {} : { timezone: flags.timezone }),
        }
      : { intervals: [{ every: flags.every }] };
  return {
    scheduleId: scheduleIdOf(taskQueue),
    spec,
    action: {
      type: 'startWorkflow',
      workflowType: WORKFLOW_TYPE,
      taskQueue,
      workflowId: scheduledWorkflowIdOf(taskQueue),
      ...(installation === undefined ? {} : { memo: { [INSTALLATION_MEMO]: installation } }),
      args: [flags.hold === undefined ? {} : { holdFailedSeconds: flags.hold / 1000 }],
      workflowExecutionTimeout: flags.timeout,
      staticSummary: `Scheduled billing run (${flags.every === undefined ? `cron ${flags.cron}` : `every ${durationText(flags.every)}`})`,
    },
    policies: {
      overlap: 'SKIP',
      catchupWindow: flags.every === undefined ? cronCatchupMs : Math.max(flags.every, catchupMsMin),
      pauseOnFailure: false,
    },
  };
}

/** The server turns the expression into a calendar, and keeps of it only its comment: so the comment says it again, for `show`. */
function commented(cron: string): string {
  return `${cron.split('#')[0]} # ${cron}`;
}

async function show(client: Client, scheduleId: string, json: boolean) {
  const { showSchedule } = await import('../text/schedule.js');
  await showSchedule(client, scheduleId, json);
}

async function pauseSchedule(client: Client, scheduleId: string, note: string) {
  await client.schedule.getHandle(scheduleId).pause(note);
  await writeLine(`Paused schedule ${scheduleId}; \`meterfold schedule resume\` goes on.`);
}

async function resumeSchedule(client: Client, scheduleId: string) {
  await client.schedule.getHandle(scheduleId).unpause('resumed by `meterfold schedule resume`');
  await writeLine(`Resumed schedule ${scheduleId}.`);
}

async function triggerSchedule(client: Client, scheduleId: string) {
  const handle = client.schedule.getHandle(scheduleId);
  const before = await handle.describe();
  await handle.trigger('SKIP');
  const deadline = Date.now() + triggerMs;
  while (Date.now() < deadline) {
    const { info } = await handle.describe();
    const started = info.recentActions.at(-1);
    if (info.numActionsTaken > before.info.numActionsTaken && started !== undefined) {
      return writeLine(`Started workflow ${started.action.workflow.workflowId}.`);
    }
    if (info.numActionsSkippedOverlap > before.info.numActionsSkippedOverlap) {
      return writeLine('Nothing started: a run of this schedule is under way, and bills what there is.');
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new CommandError(
    'Temporal took the request, but has not started a run yet: look again with `meterfold schedule show`.',
  );
}

async function removeSchedule(client: Client, scheduleId: string) {
  await client.schedule.getHandle(scheduleId).delete();
  await writeLine(`Removed schedule ${scheduleId}.`);
}
