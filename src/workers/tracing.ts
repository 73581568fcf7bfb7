/**
 * Traces: from a run's workflow over its activities to each SQL statement, sent by OTLP. Set up by OpenTelemetry's own variables
 * (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, …). This file, and all of OpenTelemetry with it, is imported only where traces are on.
 *
 * Values never leave: parameters are not exported, and no statement has a user in its text. The server's own messages are exported, and
 * they may name the id of a call.
 */
import { createRequire } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import { DiagLogLevel, diag, type SpanContext } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg';
import {
  defaultResource,
  detectResources,
  envDetector,
  hostDetector,
  processDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider, type ReadableSpan } from '@opentelemetry/sdk-trace-node';
import { OpenTelemetryWorkflowClientInterceptor } from '@temporalio/interceptors-opentelemetry/lib/client/index.js';
import { OpenTelemetryActivityInboundInterceptor } from '@temporalio/interceptors-opentelemetry/lib/worker/index.js';
import type {
  OpenTelemetrySinks,
  SerializableSpan,
} from '@temporalio/interceptors-opentelemetry/lib/workflow/index.js';
import type { InjectedSinks, WorkerOptions } from '@temporalio/worker';
import type { Logger } from '../logger.js';
import { tracedBundlePath } from './bundle.js';

const CLOSE_MS_MAX = 5000;

export interface Tracing {
  /** What makes a worker trace. */
  options: Pick<WorkerOptions, 'interceptors' | 'sinks'>;
  bundlePath: string;
  /** What makes a client begin a trace: what it starts, and not what it asks again and again. */
  client: Pick<OpenTelemetryWorkflowClientInterceptor, 'start' | 'startWithDetails' | 'startUpdate'>;
  /** Sends what is still to be sent. */
  close(): Promise<void>;
}

/** Called before the first connection to the database is opened. */
export function startTracing(log: Logger): Tracing {
  // Otherwise nobody learns that spans could not be sent.
  const own = log.child({ part: 'opentelemetry' });
  const warn = (message: string) => own.warn(message);
  diag.setLogger({ error: warn, warn, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN);
  const resource = defaultResource()
    .merge(resourceFromAttributes({ 'service.name': 'meterfold' }))
    .merge(detectResources({ detectors: [hostDetector, processDetector, envDetector] }));
  const processor = new BatchSpanProcessor(new OTLPTraceExporter());
  const provider = new NodeTracerProvider({ resource, spanProcessors: [processor] });
  provider.register();
  watchQueries();
  const sinks: InjectedSinks<OpenTelemetrySinks> = {
    exporter: {
      export: {
        fn({ workflowId, runId }, spans) {
          for (const span of spans) processor.onEnd(readable(span, resource, { workflowId, runId }));
        },
      },
    },
  };
  const client = new OpenTelemetryWorkflowClientInterceptor();
  return {
    client: {
      start: (input, next) => client.start(input, next),
      startWithDetails: (input, next) => client.startWithDetails(input, next),
      startUpdate: (input, next) => client.startUpdate(input, next),
    },
    options: {
      interceptors: { activity: [(context) => ({ inbound: new OpenTelemetryActivityInboundInterceptor(context) })] },
      sinks,
    },
    bundlePath: tracedBundlePath,
    // A collector that is away must not hold up the worker's end.
    close: () => Promise.race([provider.shutdown().catch(() => {}), delay(CLOSE_MS_MAX, undefined, { ref: false })]),
  };
}

/** Statements become spans, within activities: probes and lookups of the lag would each be a trace of their own. */
function watchQueries(): void {
  new PgInstrumentation({
    requireParentSpan: true,
    requestHook: (span, { query }) => span.setAttribute('db.query.text', query.text),
  });
  // The instrumentation sees what is required, not what is imported: the two share one pg, and its client is patched in place.
  createRequire(import.meta.url)('pg');
}

/**
 * A span of the workflow's sandbox, where the interceptors have their own, older OpenTelemetry, as the exporter here takes it. Older
 * spans name their parent by its id alone.
 */
function readable(
  { spanContext, parentSpanId, instrumentationLibrary, ...span }: SerializableSpan,
  resource: Resource,
  attributes: Record<string, string>,
): ReadableSpan {
  // Nobody here sets a trace state.
  const { traceState: _, ...context } = spanContext;
  const parent: SpanContext | undefined = parentSpanId === undefined ? undefined : { ...context, spanId: parentSpanId };
  return {
    ...span,
    attributes: { ...span.attributes, ...attributes },
    spanContext: () => context,
    ...(parent === undefined ? {} : { parentSpanContext: parent }),
    instrumentationScope: instrumentationLibrary,
    resource,
  };
}
