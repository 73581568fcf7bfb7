/** What `meterfold doctor` looks at in Temporal: the server, the namespace, the workers and their versions. */
import type { Client } from '@temporalio/client';
import type { Context } from '../cli/context.js';
import { grouped } from '../cli/text/output.js';
import type { TemporalSettings, WorkerVersion } from '../config.js';
import { bad, type Check, good, subject, unseen } from './doctor-check.js';
import { versionsCheck } from './doctor-versions.js';
import type { TaskKind } from './pollers.js';

const workerChecks = ['workflow workers', 'activity workers', 'worker versions', 'runs'];

export async function temporalChecks(context: Context): Promise<Check[]> {
  const settings = context.config.temporal;
  const [reached] = await subject('Temporal', context, async () => {
    await context.temporal();
    return [good('Temporal', settings.address)];
  });
  if (!reached!.ok) return [reached!, ...['namespace', ...workerChecks].map(unseen)];
  const client = await context.temporal();
  return client.withDeadline(Date.now() + 10_000, async () => {
    const namespace = await subject('namespace', context, () => namespaceChecks(client, settings));
    if (namespace.some((check) => !check.ok)) return [reached!, ...namespace, ...workerChecks.map(unseen)];
    const workers = await subject('workers', context, () => workersChecks(client, settings));
    const runs = await subject('runs', context, () => runsChecks(client, settings));
    return [reached!, ...namespace, ...workers, ...runs];
  });
}

async function namespaceChecks(client: Client, { namespace }: TemporalSettings): Promise<Check[]> {
  await client.workflowService.describeNamespace({ namespace });
  return [good('namespace', namespace)];
}

/** Who works on a kind of task. */
interface Queue {
  workers: Set<string>;
  /** Of the workers that poll; undefined stands for those without one. */
  versions: (WorkerVersion | undefined)[];
  /** Whose workers get what is new; undefined: those without a version. */
  current: WorkerVersion | undefined;
}

async function describeQueue(client: Client, taskQueue: string, kind: TaskKind): Promise<Queue> {
  const { describeTaskQueue } = await import('./pollers.js');
  const { pollers: alive, versioningInfo } = await describeTaskQueue(client.workflow, taskQueue, kind);
  return {
    workers: new Set(alive.map((poller) => poller.identity ?? '')),
    versions: alive.map(({ deploymentOptions }) =>
      deploymentOptions?.workerVersioningMode === VERSIONED ? versionOf(deploymentOptions) : undefined,
    ),
    current: versionOf(versioningInfo?.currentDeploymentVersion),
  };
}

/** temporal.api.enums.v1.WorkerVersioningMode */
const VERSIONED = 2;

function versionOf(given: { deploymentName?: string | null; buildId?: string | null } | null | undefined) {
  const { deploymentName, buildId } = given ?? {};
  return deploymentName && buildId ? { deploymentName, buildId } : undefined;
}

function pollersCheck({ workers }: Queue, kind: TaskKind, taskQueue: string): Check {
  const name = `${kind} workers`;
  if (workers.size > 0) return good(name, `${grouped(workers.size)} polling task queue "${taskQueue}"`);
  return bad(name, `none polls task queue "${taskQueue}"`, 'meterfold worker');
}

/** A run that was not opened yet is in Temporal only. */
async function runsChecks(client: Client, { taskQueue }: TemporalSettings): Promise<Check[]> {
  const [{ listStalledRuns }, { stalledRunText }] = await Promise.all([
    import('./stalls.js'),
    import('../cli/text/stall.js'),
  ]);
  const stalled = await listStalledRuns(client.workflow, taskQueue);
  if (stalled.length === 0) return [good('runs', 'none stalls')];
  return stalled.map((run) => bad('runs', stalledRunText(run)));
}

async function workersChecks(client: Client, { taskQueue }: TemporalSettings): Promise<Check[]> {
  const [workflow, activity] = await Promise.all([
    describeQueue(client, taskQueue, 'workflow'),
    describeQueue(client, taskQueue, 'activity'),
  ]);
  return [
    pollersCheck(workflow, 'workflow', taskQueue),
    pollersCheck(activity, 'activity', taskQueue),
    versionsCheck(workflow.current, workflow.versions, activity.versions),
  ];
}
