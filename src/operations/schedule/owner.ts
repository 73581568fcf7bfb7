/**
 * Which installation a schedule belongs to. Schedules and their workflows are named after the task queue, so that
 * installations with their own task queues have their own schedules. A schedule also names its installation in the memo
 * of the workflows that it starts, so that another installation does not change it.
 */
import type { Client, ScheduleDescription } from '@temporalio/client';
import { TASK_QUEUE } from '../../config.js';
import { INSTALLATION_MEMO } from '../../contract/installation.js';
import { readInstallation } from '../../schema/installation.js';
import { ScheduleOwnerError } from '../errors.js';
import type { Servers } from '../servers.js';

export const scheduleIdOf = (taskQueue: string) => idOf('meterfold-billing', taskQueue);
/** Temporal appends the time of each start. */
export const scheduledWorkflowIdOf = (taskQueue: string) => idOf('meterfold-billing-scheduled', taskQueue);

const idOf = (base: string, taskQueue: string) => (taskQueue === TASK_QUEUE ? base : `${base}-${taskQueue}`);

/** Throws ScheduleOwnerError if the schedule exists and belongs to another installation than `own`. */
export async function checkScheduleOwner(client: Client, scheduleId: string, own: string): Promise<void> {
  const owner = await ownerOf(client, scheduleId);
  if (owner === undefined || owner === own) return;
  throw new ScheduleOwnerError(
    `Schedule ${scheduleId} in namespace "${client.options.namespace}" bills the database of installation ${owner}, and DATABASE_URL is that of ` +
      `installation ${own}: give this one a TEMPORAL_TASK_QUEUE of its own, or remove that schedule there.`,
  );
}

/**
 * The same for an operation that must be possible while the database is unavailable, such as pausing. Returns why the
 * owner could not be checked; undefined if it was.
 */
export async function checkScheduleOwnerIfPossible(
  servers: Servers,
  client: Client,
  scheduleId: string,
): Promise<string | undefined> {
  let own: string;
  try {
    own = await readInstallation(await servers.database());
  } catch (error) {
    return (error as Error).message;
  }
  await checkScheduleOwner(client, scheduleId, own);
  return undefined;
}

/** Undefined if there is no such schedule, or if it does not name an installation. */
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
