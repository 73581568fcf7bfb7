import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Collector, type Span, startCollector } from '../support/collector.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { bill, expectExact } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;
let collector: Collector;

beforeEach(async () => {
  stack = await freshStack();
  collector = await startCollector(stack);
  await logs.skewed(stack.pool, { calls: 1003 });
});
afterEach(() => stack.close());

/**
 * Bills twice with a worker, the second time with users that have a history. Returns the files of OpenTelemetry that
 * the worker has loaded.
 */
async function billTwice(env: Record<string, string>): Promise<string[]> {
  const loaded = join(stack.home, 'loaded.json');
  const hook = join(stack.home, 'loaded.cjs');
  writeFileSync(
    hook,
    `process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(loaded)}, JSON.stringify(Object.keys(require.cache))));`,
  );
  const worker = await startWorker(stack, { env: { ...collector.env, ...env, NODE_OPTIONS: `--require ${hook}` } });
  await bill(stack, { partitions: 2, shards: 2 });
  await stack.pool.query(
    `insert into public.api_logs (user_id, usage, called_at) select user_id, usage, called_at from public.api_logs`,
  );
  await expectExact(stack, await bill(stack, { partitions: 2, shards: 2 }));
  expect(await worker.stop()).toEqual({ code: 0, signal: null });
  const files: string[] = JSON.parse(readFileSync(loaded, 'utf8'));
  expect(files.some((file) => file.includes('/node_modules/pg/'))).toBe(true);
  return files.filter((file) => file.includes('opentelemetry'));
}

test('a run is one trace, from its workflow and activities to SQL, without the values of parameters', async () => {
  expect(await billTwice({ OTEL_TRACES_EXPORTER: 'otlp' })).not.toEqual([]);
  const { spans, bodies } = collector;
  const roots = spans.filter((span) => span.parentSpanId === '');
  expect(roots.map((span) => span.name)).toEqual(['RunWorkflow:billingRun', 'RunWorkflow:billingRun']);
  const children = (of: Span | undefined) =>
    spans.filter((span) => span.traceId === of?.traceId && span.parentSpanId === of?.spanId);
  for (const root of roots) {
    const scheduled = children(root);
    expect(scheduled.map((span) => span.name).sort()).toEqual(
      [
        ...['planRun', 'mapPartition', 'mapPartition', 'reduceShard', 'reduceShard', 'recount', 'publishRun'].map(
          (activity) => `StartActivity:${activity}`,
        ),
      ].sort(),
    );
    for (const start of scheduled) {
      const [activity] = children(start);
      expect(activity?.name).toBe(start.name.replace('Start', 'Run'));
      const statements = children(activity).map((span) => span.attributes['db.query.text'] ?? '');
      expect(statements.join('\n')).toMatch(/meterfold\.runs/);
    }
  }
  const statements = spans.map((span) => span.attributes['db.query.text'] ?? '');
  for (const copy of [/copy segments/, /copy records/, /copy \(select.*api_logs/s]) {
    expect(statements.filter((text) => copy.test(text)).length).toBeGreaterThan(0);
  }
  const openCycles = statements.filter((text) => text.includes('as asked (user_id, number)'));
  expect(openCycles).not.toEqual([]);
  for (const text of openCycles) expect(text).toContain('unnest($1::text[])');
  const { rows } = await stack.pool.query<{ user_id: string }>('select distinct user_id from public.api_logs');
  for (const { user_id } of rows) expect(bodies.filter((body) => body.includes(user_id))).toEqual([]);
});

test('`meterfold run` begins the trace of its run', async () => {
  const env = { ...collector.env, OTEL_TRACES_EXPORTER: 'otlp', OTEL_SERVICE_NAME: 'billing-cron' };
  const worker = await startWorker(stack, { env });
  expect(await meterfold(stack, ['run'], { env })).toMatchObject({ code: 0 });
  await worker.stop();
  const names = (parentSpanId: string) =>
    collector.spans.filter((span) => span.parentSpanId === parentSpanId).map((span) => span.name);
  expect(names('')).toEqual(['StartWorkflow:billingRun']);
  const start = collector.spans.find((span) => span.name === 'StartWorkflow:billingRun')!;
  expect(names(start.spanId)).toEqual(['RunWorkflow:billingRun']);
  expect(new Set(collector.spans.map((span) => span.traceId)).size).toBe(1);
  expect(collector.bodies.every((body) => body.includes('billing-cron'))).toBe(true);
});

test.each([{}, { OTEL_TRACES_EXPORTER: 'none' }, { OTEL_TRACES_EXPORTER: 'otlp', OTEL_SDK_DISABLED: 'true' }])(
  'without traces nothing is exported, and nothing of OpenTelemetry is loaded: %o',
  async (env) => {
    expect(await billTwice(env)).toEqual([]);
    expect(collector.bodies).toEqual([]);
  },
);

test('an unreachable collector delays neither a run nor the end of the worker', async () => {
  const env = { OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' };
  expect(await billTwice(env)).not.toEqual([]);
});
