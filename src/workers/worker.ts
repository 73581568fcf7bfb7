/** A worker process: connects, polls Temporal, and drains when it is stopped. */
import {
  DefaultLogger,
  NativeConnection,
  type RuntimeOptions,
  type WorkerOptions as SdkWorkerOptions,
  Worker,
} from '@temporalio/worker';
import { createDiscard } from '../activities/discard.js';
import { createMap } from '../activities/map.js';
import { TaskMemories } from '../activities/memory.js';
import { createPlan } from '../activities/plan.js';
import { createPublish } from '../activities/publish.js';
import { createRecount } from '../activities/recount.js';
import { createReduce } from '../activities/reduce.js';
import { withRetryReports } from '../activities/retry-reports.js';
import { createSmallRun } from '../activities/small-run.js';
import { type ActivityDependencies, WORKER_NAME } from '../activities/task.js';
import type { Config, WorkerVersion } from '../config.js';
import { HEARTBEAT_MS } from '../contract/timeouts.js';
import type { Logger } from '../logger.js';
import { openPool } from '../postgres/pool.js';
import { workerApplicationName } from '../runs/worker-processes.js';
import { readInstallation } from '../schema/installation.js';
import { bundlePath } from './bundle.js';
import type { HealthServer } from './health.js';
import { beginCounters, installRuntime, watchLag } from './metrics.js';
import type { Tracing } from './tracing.js';
import { warm } from './warm.js';

export type WorkerRole = 'workflow' | 'activity' | 'all';

/** Connections beside the one that each activity has, for lookups and leases. */
const SHARED_CONNECTIONS = 4;
const WORKFLOWS_CACHED = 20;

export interface WorkerOptions {
  config: Config;
  role: WorkerRole;
  log: Logger;
  /** Is notified when the worker polls. */
  health?: HealthServer | undefined;
  /** Undefined: no traces. */
  tracing?: Tracing | undefined;
  /**
   * Aborted to stop the worker. Activities have SHUTDOWN_GRACE_SECONDS to finish; then they are retried on other
   * workers.
   */
  signal: AbortSignal;
}

/** Runs a worker until `signal` aborts. Resolves when it has drained. */
export async function runWorker({ config, role, log, health, tracing, signal }: WorkerOptions): Promise<void> {
  installRuntime(runtimeOptions(log), config.ports.metrics);
  const memories = new TaskMemories(config.worker.spillCalls);
  const pool = await openPool(config.databaseUrl, {
    // A worker of workflows runs no tasks, so its name must not match that of the workers that are counted
    // (runs/worker-processes.ts).
    applicationName: role === 'workflow' ? `meterfold workflows ${WORKER_NAME}` : workerApplicationName(WORKER_NAME),
    connectionsMax: config.worker.slots + SHARED_CONNECTIONS,
    keepsConnections: true,
  });
  const logReplica =
    config.logReplicaUrl === undefined || role === 'workflow'
      ? undefined
      : await openPool(config.logReplicaUrl, {
          applicationName: workerApplicationName(WORKER_NAME),
          connectionsMax: config.worker.slots,
          keepsConnections: true,
        });
  let connection: NativeConnection | undefined;
  try {
    if (role !== 'workflow') await warm(pool, config.worker.slots, memories, config.terms.callsPerCycle);
    connection = await NativeConnection.connect(config.temporal.connection);
    const { address, namespace, taskQueue } = config.temporal;
    const dependencies = {
      pool,
      logReplica,
      settings: config.worker,
      terms: config.terms,
      temporal: { address, namespace },
      installation: await readInstallation(pool),
      log,
    };
    const worker = await Worker.create({
      connection,
      namespace,
      taskQueue,
      identity: WORKER_NAME,
      ...(role === 'activity' ? {} : { workflowBundle: { codePath: tracing?.bundlePath ?? bundlePath } }),
      ...(role === 'workflow' ? {} : { activities: createActivities(dependencies, memories) }),
      maxConcurrentActivityTaskExecutions: config.worker.slots,
      maxHeartbeatThrottleInterval: HEARTBEAT_MS,
      defaultHeartbeatThrottleInterval: HEARTBEAT_MS,
      // One run is active at a time, so a second thread would only hold a second copy of the bundle.
      workflowThreadPoolSize: 1,
      maxCachedWorkflows: WORKFLOWS_CACHED,
      shutdownGraceTime: config.worker.graceMs,
      ...versioning(config.version),
      ...tracing?.options,
    });
    const stop = () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
    };
    signal.addEventListener('abort', stop, { once: true });
    const running = worker.run();
    if (signal.aborted) stop();
    log.info(
      { role, slots: config.worker.slots, taskQueue, namespace, temporal: address, ...config.version },
      'worker polls',
    );
    health?.polls(worker, pool);
    if (config.ports.metrics !== undefined && role !== 'activity') {
      beginCounters(namespace, taskQueue);
      void watchLag(pool, log, signal);
    }
    await running;
    log.info('worker stopped');
  } finally {
    await connection?.close();
    await logReplica?.end();
    await pool.end();
  }
}

/**
 * Pins a run to the version that began it: the code of another version might decide differently in the middle of the
 * run.
 */
function versioning(version: WorkerVersion | undefined): Pick<SdkWorkerOptions, 'workerDeploymentOptions'> {
  if (version === undefined) return {};
  return {
    workerDeploymentOptions: { version, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' },
  };
}

export function createActivities(dependencies: ActivityDependencies, memories: TaskMemories) {
  const stages = {
    ...createPlan(dependencies),
    ...createMap(dependencies, memories),
    ...createReduce(dependencies, memories),
    ...createRecount(dependencies),
    ...createPublish(dependencies),
  };
  return withRetryReports({ ...createSmallRun(dependencies, stages), ...createDiscard(dependencies) });
}

/** Sends Temporal's log lines to the worker's log. By default Core prints coloured lines to standard output. */
function runtimeOptions(log: Logger): RuntimeOptions {
  const sdk = log.child({ part: 'temporal' });
  const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'debug', WARN: 'warn', ERROR: 'error' } as const;
  return {
    shutdownSignals: [],
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => sdk[levels[level]](meta ?? {}, message)),
    telemetryOptions: { logging: { forward: {}, filter: { core: 'WARN', other: 'WARN' } } },
  };
}
