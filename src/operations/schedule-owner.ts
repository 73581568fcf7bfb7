/**
 * Whose schedule it is. Schedules and their workflows are called after the task queue, so that installations with task queues of their own
 * have schedules of their own; and a schedule names its installation in the memo of what it starts, so that another one does not change it.
 */
import type { Client, ScheduleDescription } from '@temporalio/client';
import type { Context } from '../cli/context.js';
import { note } from '../cli/text/output.js';
import { CommandError } from '../cli/text/problems.js';
import { TASK_QUEUE } from '../config.js';
import { INSTALLATION_MEMO } from '../contract/installation.js';

export const scheduleIdOf = (taskQueue: string) => idOf('meterfold-billing', taskQueue);
/** Temporal appends the time of each start. */
export const scheduledWorkflowIdOf = (taskQueue: string) => idOf('meterfold-billing-scheduled', taskQueue);

const idOf = (base: string, taskQueue: string) => (taskQueue === TASK_QUEUE ? base : `${base}-${taskQueue}`);

/** Throws CommandError if the schedule is there and belongs to another installation. */
export async function checkScheduleOwner(client: Client, scheduleId: string, own: string): Promise<void> {
  const owner = await ownerOf(client, scheduleId);
  if (owner === undefined || owner === own) return;
  throw new CommandError(
    `Schedule ${scheduleId} in namespace "${client.options.namespace}" bills the database of installation ${owner}, and DATABASE_URL is that of ` +
      `installation ${own}: give this one a TEMPORAL_TASK_QUEUE of its own, or remove that schedule there.`,
  );
}

/** The same for what must be possible while the database is away, such as pausing: then it says that it has not checked. */
export async function checkScheduleOwnerIfPossible(
  context: Context,
  client: Client,
  scheduleId: string,
): Promise<void> {
  let own: string;
  try {
    const { readInstallation } = await import('../schema/installation.js');
    own = await readInstallation(await context.database());
  } catch (error) {
    note(`Whether schedule ${scheduleId} is this installation's was not checked: ${(error as Error).message}`);
    return;
  }
  await checkScheduleOwner(client, scheduleId, own);
}

/** Undefined if there is no such schedule, or an earlier version has made it. */
async function ownerOf(client: Client, scheduleId: string): Promise<string | undefined> {
  let schedule: ScheduleDescription;
  try {
    schedule = await client.schedule.getHandle(scheduleId).describe();
  } catch (error) {
    if ((error as Error).name === 'ScheduleNotFoundError') return undefined;
    throw error;
  }
  const owner = schedule.action.memo?.[INSTALLATION_MEMO];
  return typeof owner === 'string' ? owner : undefined;
}
