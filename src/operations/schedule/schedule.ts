/**
 * Sets, shows, pauses, resumes, triggers and removes the schedule of an installation, which starts a billing run again
 * and again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, ScheduleAlreadyRunning, type ScheduleHandle } from '@temporalio/client';
import { readInstallation } from '../../schema/installation.js';
import { ScheduleNotFoundError, ScheduleSpecError, TriggerPendingError } from '../errors.js';
import type { Servers } from '../servers.js';
import { type ScheduleRequest, scheduleDefinition } from './definition.js';
import { checkScheduleOwner, checkScheduleOwnerIfPossible, scheduleIdOf } from './owner.js';
import { describeSchedule, type ShownSchedule } from './show.js';

const REQUEST_MS = 30_000;
/** How long a trigger waits to see whether a run starts. */
const TRIGGER_MS = 10_000;
const TRIGGER_POLL_MS = 100;

/** The schedule that was changed. */
export interface Changed {
  scheduleId: string;
  /** Why it could not be checked that the schedule is this installation's: the database is unavailable. */
  ownerUnchecked?: string;
}

/**
 * Creates the schedule or changes it; a paused one stays paused. With `keepExisting` an existing one stays as it is.
 * Throws ScheduleOwnerError, ScheduleSpecError.
 */
export async function setSchedule(
  servers: Servers,
  request: ScheduleRequest,
  { keepExisting = false }: { keepExisting?: boolean } = {},
): Promise<{ scheduleId: string; status: 'created' | 'changed' | 'kept' }> {
  const installation = await readInstallation(await servers.database());
  return withSchedule(servers, async ({ client, handle, scheduleId }) => {
    await checkScheduleOwner(client, scheduleId, installation);
    const { taskQueue } = servers.config.temporal;
    const definition = scheduleDefinition(request, { taskQueue, installation });
    try {
      await client.schedule.create(definition);
      return { scheduleId, status: 'created' };
    } catch (error) {
      // The client turns the server's complaint about the spec into a TypeError.
      if (error instanceof TypeError) {
        throw new ScheduleSpecError(`Temporal does not accept this schedule: ${error.message}`, { cause: error });
      }
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      if (keepExisting) return { scheduleId, status: 'kept' };
      await handle.update((previous) => ({ ...definition, state: previous.state }));
      return { scheduleId, status: 'changed' };
    }
  });
}

/** Throws ScheduleNotFoundError. */
export function showSchedule(servers: Servers): Promise<ShownSchedule> {
  return withSchedule(servers, ({ client, scheduleId }) => describeSchedule(client, scheduleId));
}

/** Starts no more runs until resumed; `note` says why. Throws ScheduleNotFoundError, ScheduleOwnerError. */
export function pauseSchedule(servers: Servers, note: string): Promise<Changed> {
  return changeSchedule(servers, ({ handle }) => handle.pause(note));
}

/** Throws ScheduleNotFoundError, ScheduleOwnerError. */
export function resumeSchedule(servers: Servers, note: string): Promise<Changed> {
  return changeSchedule(servers, ({ handle }) => handle.unpause(note));
}

/** A run that is in progress continues. Throws ScheduleNotFoundError, ScheduleOwnerError. */
export function removeSchedule(servers: Servers): Promise<Changed> {
  return changeSchedule(servers, ({ handle }) => handle.delete());
}

/**
 * Starts a run now, even while paused. `workflowId` is undefined if a run of this schedule is in progress, so that none
 * was started. Throws ScheduleNotFoundError, ScheduleOwnerError, TriggerPendingError.
 */
export async function triggerSchedule(servers: Servers): Promise<Changed & { workflowId: string | undefined }> {
  let workflowId: string | undefined;
  const changed = await changeSchedule(servers, async ({ handle }) => {
    workflowId = await trigger(handle);
  });
  return { ...changed, workflowId };
}

async function trigger(handle: ScheduleHandle): Promise<string | undefined> {
  const before = await handle.describe();
  await handle.trigger('SKIP');
  const deadline = Date.now() + TRIGGER_MS;
  while (Date.now() < deadline) {
    const { info } = await handle.describe();
    const started = info.recentActions.at(-1);
    if (info.numActionsTaken > before.info.numActionsTaken && started !== undefined) {
      return started.action.workflow.workflowId;
    }
    if (info.numActionsSkippedOverlap > before.info.numActionsSkippedOverlap) return undefined;
    await sleep(TRIGGER_POLL_MS);
  }
  throw new TriggerPendingError(
    'Temporal accepted the request, but has not started a run yet: look again with `meterfold schedule show`.',
  );
}

interface ScheduleAccess {
  client: Client;
  handle: ScheduleHandle;
  scheduleId: string;
}

async function changeSchedule(servers: Servers, work: (access: ScheduleAccess) => Promise<void>): Promise<Changed> {
  return withSchedule(servers, async (access) => {
    const { client, scheduleId } = access;
    const ownerUnchecked = await checkScheduleOwnerIfPossible(servers, client, scheduleId);
    await work(access);
    return { scheduleId, ...(ownerUnchecked === undefined ? {} : { ownerUnchecked }) };
  });
}

async function withSchedule<T>(servers: Servers, work: (access: ScheduleAccess) => Promise<T>): Promise<T> {
  const { taskQueue, address, namespace } = servers.config.temporal;
  const scheduleId = scheduleIdOf(taskQueue);
  const client = await servers.temporal();
  const access = { client, handle: client.schedule.getHandle(scheduleId), scheduleId };
  try {
    return await client.withDeadline(Date.now() + REQUEST_MS, () => work(access));
  } catch (error) {
    if ((error as Error).name !== 'ScheduleNotFoundError') throw error;
    throw new ScheduleNotFoundError(
      `Temporal at ${address} has no meterfold schedule in namespace "${namespace}": create one with \`meterfold schedule set --every 5m\`.`,
      { cause: error },
    );
  }
}
