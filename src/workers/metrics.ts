/**
 * Metrics of a worker. Temporal's Core serves its own metrics and meterfold's on one port. Workflows and activities
 * count events; how far billing is behind the log is read from the database every LAG_PERIOD_MS.
 */
import { isIPv6 } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Runtime, type RuntimeOptions } from '@temporalio/worker';
import { type Listener, SettingsError } from '../config.js';
import { WORKFLOW_TYPE } from '../contract/billing-run.js';
import { BUCKETS_OF, METRICS, OUTCOMES } from '../contract/metrics.js';
import { readLag } from '../log/lag.js';
import type { Logger } from '../logger.js';
import type { Pool } from '../postgres/pool.js';

const LAG_PERIOD_MS = 15_000;

/**
 * Starts the SDK's runtime, with a port for metrics if `listener` is given. Throws SettingsError if it cannot listen on
 * the port.
 */
export function installRuntime(options: RuntimeOptions, listener: Listener | undefined): void {
  if (listener === undefined) {
    Runtime.install(options);
    return;
  }
  const { host, port } = listener;
  const prometheus = {
    bindAddress: `${isIPv6(host) ? `[${host}]` : host}:${port}`,
    countersTotalSuffix: true,
    unitSuffix: true,
    useSecondsForDurations: true,
    histogramBucketOverrides: BUCKETS_OF,
  };
  const telemetryOptions = { ...options.telemetryOptions, metrics: { prometheus } };
  try {
    Runtime.install({ ...options, telemetryOptions });
  } catch (cause) {
    const { message } = cause as Error;
    if (!message.includes('prometheus')) throw cause;
    throw new SettingsError(`Wrong setting: cannot listen on METRICS_HOST and METRICS_PORT: ${message}`, { cause });
  }
}

/** Sets the counters of workflows to 0. Otherwise Prometheus would not see the first count as an increase. */
export function beginCounters(namespace: string, taskQueue: string): void {
  // The same tags as the SDK adds to the metrics of a workflow.
  const meter = Runtime.instance().metricMeter.withTags({
    namespace,
    taskQueue,
    workflowType: WORKFLOW_TYPE,
  });
  const begin = ({ name, help }: { name: string; help: string }) => meter.createCounter(name, undefined, help);
  for (const outcome of OUTCOMES) begin(METRICS.runs).add(0, { outcome });
  for (const metric of [METRICS.proofFailures, METRICS.callsBilled, METRICS.cyclesClosed]) begin(metric).add(0);
}

/** Reads the lag until `signal` aborts. While the database is unavailable, the last known figures stay. */
export async function watchLag(pool: Pool, log: Logger, signal: AbortSignal): Promise<void> {
  const meter = Runtime.instance().metricMeter;
  const gauge = ({ name, help }: { name: string; help: string }) => meter.createGauge(name, 'float', undefined, help);
  const calls = gauge(METRICS.lagCalls);
  const seconds = gauge(METRICS.lagSeconds);
  const lastPublished = gauge(METRICS.lastPublished);
  while (!signal.aborted) {
    try {
      const lag = await readLag(pool);
      calls.set(lag.calls);
      seconds.set(lag.seconds);
      if (lag.lastPublishedAt !== null) lastPublished.set(lag.lastPublishedAt);
    } catch (error) {
      log.debug({ error: (error as Error).message }, 'the lag could not be read');
    }
    await delay(LAG_PERIOD_MS, undefined, { signal, ref: false }).catch(() => {});
  }
}
