/** A trace collector that accepts OTLP over HTTP, as protobuf, and keeps the spans. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import protobuf from 'protobufjs';
import type { Stack } from './stack.js';

export interface Span {
  name: string;
  traceId: string;
  spanId: string;
  /** Empty for the root span of a trace. */
  parentSpanId: string;
  /** Attributes whose values are strings. */
  attributes: Record<string, string>;
}

export interface Collector {
  /** Sends a worker's spans here, if it traces. */
  env: { OTEL_EXPORTER_OTLP_ENDPOINT: string };
  spans: Span[];
  /** The bodies of the requests. */
  bodies: Buffer[];
}

/**
 * The fields that are read, from https://github.com/open-telemetry/opentelemetry-proto,
 * opentelemetry/proto/trace/v1/trace.proto.
 */
const Request = protobuf
  .parse(
    `syntax = "proto3";
     message Request { repeated ResourceSpans resource_spans = 1; }
     message ResourceSpans { repeated ScopeSpans scope_spans = 2; }
     message ScopeSpans { repeated Span spans = 2; }
     message Span {
       bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; repeated KeyValue attributes = 9;
     }
     message KeyValue { string key = 1; AnyValue value = 2; }
     message AnyValue { string string_value = 1; }`,
  )
  .root.lookupType('Request');

interface Decoded {
  resourceSpans: { scopeSpans: { spans: DecodedSpan[] }[] }[];
}

interface DecodedSpan {
  name: string;
  traceId: Uint8Array;
  spanId: Uint8Array;
  parentSpanId: Uint8Array;
  attributes: { key: string; value: { stringValue: string } | null }[];
}

export async function startCollector(stack: Stack): Promise<Collector> {
  const spans: Span[] = [];
  const bodies: Buffer[] = [];
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    bodies.push(body);
    const { resourceSpans } = Request.decode(body) as unknown as Decoded;
    spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans.map(toSpan))));
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.onClose(async () => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` }, spans, bodies };
}

function toSpan({ name, traceId, spanId, parentSpanId, attributes }: DecodedSpan): Span {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  return {
    name,
    traceId: hex(traceId),
    spanId: hex(spanId),
    parentSpanId: hex(parentSpanId),
    attributes: Object.fromEntries(attributes.map(({ key, value }) => [key, value?.stringValue ?? ''])),
  };
}
