/** The workers that poll a task queue, according to Temporal. */
import type { WorkflowClient } from '@temporalio/client';

/**
 * A poll lasts up to a minute, and the server lists pollers for five: one not seen for longer than this has stopped.
 */
const POLL_MS_MAX = 75_000;

export type TaskKind = 'workflow' | 'activity';

export async function describeTaskQueue(
  { workflowService, options }: WorkflowClient,
  taskQueue: string,
  kind: TaskKind,
) {
  const { pollers, versioningInfo } = await workflowService.describeTaskQueue({
    namespace: options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: kind === 'workflow' ? 1 : 2,
  });
  const alive = (pollers ?? []).filter(({ lastAccessTime }) => {
    const seenMs = Number(lastAccessTime?.seconds ?? 0) * 1000;
    return Date.now() - seenMs < POLL_MS_MAX;
  });
  return { pollers: alive, versioningInfo };
}

export async function isPolled(client: WorkflowClient, taskQueue: string, kind: TaskKind): Promise<boolean> {
  return (await describeTaskQueue(client, taskQueue, kind)).pollers.length > 0;
}
