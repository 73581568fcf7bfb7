/** Which workers poll the task queue, as Temporal knows them. */
import type { WorkflowClient } from '@temporalio/client';

/** A worker's poll lasts a minute, and the server remembers pollers for five: one not seen for longer than a poll is gone. */
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
