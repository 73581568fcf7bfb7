/**
 * Traces of a run, from its workflow and activities to each SQL statement, exported by OTLP. OpenTelemetry's own
 * variables configure them (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, …). This file, and with it all of
 * OpenTelemetry, is imported only if traces are on.
 *
 * Parameters of statements are not exported, and no statement contains a user's name. Messages of the server are
 * exported; they may contain the id of a call.
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
  /** Options that make a worker trace. */
  options: Pick<WorkerOptions, 'interceptors' | 'sinks'>;
  bundlePath: string;
  /**
   * The interceptor that begins a trace when a client starts a workflow or an Update. Queries, which are polled, are
   * not traced.
   */
  client: Pick<OpenTelemetryWorkflowClientInterceptor, 'start' | 'startWithDetails' | 'startUpdate'>;
  /** Exports the remaining spans. */
  close(): Promise<void>;
}

/** Starts tracing. Must be called before the first connection to the database is opened. */
export function startTracing(log: Logger): Tracing {
  // Without a logger, OpenTelemetry does not report that spans could not be exported.
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
    // An unreachable collector must not delay the end of the worker.
    close: () => Promise.race([provider.shutdown().catch(() => {}), delay(CLOSE_MS_MAX, undefined, { ref: false })]),
  };
}

/**
 * Makes statements within activities spans. Outside, each health probe and each lookup of the lag would be a trace of
 * its own.
 */
function watchQueries(): void {
  new PgInstrumentation({
    requireParentSpan: true,
    requestHook: (span, { query }) => span.setAttribute('db.query.text', query.text),
  });
  // The instrumentation patches modules that are required, not imported. Both share one pg, so requiring it here is
  // enough.
  createRequire(import.meta.url)('pg');
}

/**
 * Converts a span of the workflow's sandbox for the exporter. The interceptors there use an older version of
 * OpenTelemetry, whose spans identify their parent by its id alone.
 */
function readable(
  { spanContext, parentSpanId, instrumentationLibrary, ...span }: SerializableSpan,
  resource: Resource,
  attributes: Record<string, string>,
): ReadableSpan {
  // The trace state is never set here.
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
