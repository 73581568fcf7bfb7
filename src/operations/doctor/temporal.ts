/** The checks of Temporal: the server, the namespace, the workers, their versions, and runs that stall. */
import type { Client } from '@temporalio/client';
import type { TemporalSettings, WorkerVersion } from '../../config.js';
import { listStalledRuns } from '../../temporal/stalls.js';
import { describeTaskQueue, type TaskKind } from '../../temporal/task-queue.js';
import { grouped } from '../../text.js';
import type { Servers } from '../servers.js';
import { stalledRunText } from '../stall-text.js';
import { bad, type Check, good, isFault, subject, unchecked } from './check.js';
import { versionsCheck } from './versions.js';

const WORKER_CHECKS = ['workflow workers', 'activity workers', 'worker versions', 'runs'];
const REQUESTS_MS = 10_000;

export async function temporalChecks(servers: Servers): Promise<Check[]> {
  const settings = servers.config.temporal;
  const reached = await subject('Temporal', servers, async () => {
    await servers.temporal();
    return [good('Temporal', settings.address)];
  });
  if (reached.some(isFault)) return [...reached, ...['namespace', ...WORKER_CHECKS].map(unchecked)];
  const client = await servers.temporal();
  return client.withDeadline(Date.now() + REQUESTS_MS, async () => {
    const namespace = await subject('namespace', servers, () => namespaceChecks(client, settings));
    if (namespace.some(isFault)) return [...reached, ...namespace, ...WORKER_CHECKS.map(unchecked)];
    const workers = await subject('workers', servers, () => workersChecks(client, settings));
    const runs = await subject('runs', servers, () => runsChecks(client, settings));
    return [...reached, ...namespace, ...workers, ...runs];
  });
}

async function namespaceChecks(client: Client, { namespace }: TemporalSettings): Promise<Check[]> {
  await client.workflowService.describeNamespace({ namespace });
  return [good('namespace', namespace)];
}

/** The workers that poll for one kind of task. */
interface Queue {
  workers: Set<string>;
  /** One for each poller; undefined stands for unversioned workers. */
  versions: (WorkerVersion | undefined)[];
  /** The version that receives new work; undefined: unversioned workers do. */
  current: WorkerVersion | undefined;
}

async function describeQueue(client: Client, taskQueue: string, kind: TaskKind): Promise<Queue> {
  const { pollers, versioningInfo } = await describeTaskQueue(client.workflow, taskQueue, kind);
  return {
    workers: new Set(pollers.map((poller) => poller.identity ?? '')),
    versions: pollers.map(({ deploymentOptions }) =>
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

/** Asks Temporal, because a run that is not opened yet has no row in PostgreSQL. */
async function runsChecks(client: Client, { taskQueue }: TemporalSettings): Promise<Check[]> {
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
