import { describe, expect, type TestContext, test } from 'vitest';
import type { PublishedResult } from '../../src/contract/billing-run.js';
import type { CycleLatency } from '../../src/runs/latency.js';
import { camelCased } from '../support/documents.js';
import { eventually } from '../support/eventually.js';
import { Inflow } from '../support/inflow.js';
import { billable } from '../support/oracle.js';
import { meterfold, startWorker } from '../support/processes.js';
import { expectExact, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const TIMEOUT_MS = 400_000;
const RUNS = 100;
const SEED = 20_261_001;

/** Each test has its own stack and worker, so that they wait for the schedule at the same time. */
describe.concurrent('a log that is written while it is billed', () => {
  test('by eight connections, during a hundred scheduled runs, is billed exactly', {
    timeout: TIMEOUT_MS,
  }, async (context) => {
    const stack = await stackWithWorker(context, { SEAL_WAIT_SECONDS: '1' });
    await command(stack, ['schedule', 'set', '--every', '1s']);
    const inflow = new Inflow(stack, { connections: 8, seed: SEED });
    await eventually(
      `${RUNS} scheduled runs are published`,
      async () => (await scheduledRuns(stack)) >= RUNS,
      TIMEOUT_MS,
    );
    await command(stack, ['schedule', 'remove']);
    await inflow.stop();
    const last = await billRest(stack);

    await expectExact(stack, last);
    const { rows } = await stack.pool.query(
      `select count(*)::int as runs, sum(calls)::int as calls, (select count(*)::int from public.api_logs) as logged,
              count(*) filter (where seal_position > sealed_end)::int as blocked
         from meterfold.runs where state = 'published' and calls > 0`,
    );
    process.stdout.write(`seed ${SEED}: ${JSON.stringify(rows[0])}\n`);
    expect(rows[0]).toMatchObject({ calls: inflow.calls, logged: inflow.calls });
    await command(stack, ['verify', '--all']);
  });

  test('and every 30 s has its cycles billed in less than a minute on average', {
    timeout: TIMEOUT_MS,
  }, async (context) => {
    const stack = await stackWithWorker(context);
    const inflow = new Inflow(stack, { connections: 2, seed: SEED });
    await command(stack, ['schedule', 'set', '--every', '30s']);
    // The first run is due within half a minute; the two after it cover a whole period.
    await eventually('three scheduled runs are published', async () => (await scheduledRuns(stack)) >= 3, TIMEOUT_MS);
    await command(stack, ['schedule', 'remove']);
    await inflow.stop();

    for (const run of ['2', '3']) {
      const { cycleLatency } = camelCased(JSON.parse(await command(stack, ['status', run, '--json'])));
      const measured = await measureLatency(stack, run);
      process.stdout.write(`run ${run}, cycle latency: ${JSON.stringify(cycleLatency)}\n`);
      expect(cycleLatency.cycles).toBe(measured.cycles);
      for (const figure of ['meanSeconds', 'p99Seconds', 'maxSeconds'] as const) {
        expect(cycleLatency[figure]).toBeCloseTo(measured[figure], 6);
      }
      expect(cycleLatency.meanSeconds).toBeGreaterThan(0);
      expect(cycleLatency.meanSeconds).toBeLessThan(60);
    }
  });
});

async function stackWithWorker({ onTestFinished }: TestContext, env: Record<string, string> = {}): Promise<Stack> {
  const stack = await freshStack();
  onTestFinished(() => stack.close());
  await startWorker(stack, { env });
  return stack;
}

/** Runs a command, which must succeed; returns its standard output. */
async function command(stack: Stack, args: string[]): Promise<string> {
  const { code, stdout, stderr } = await meterfold(stack, args);
  expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
  return stdout;
}

/** How many runs that the schedule started are published and have billed calls. */
async function scheduledRuns(stack: Stack): Promise<number> {
  const { rows } = await stack.pool.query<{ runs: number }>(
    `select count(*)::int as runs from meterfold.runs
      where state = 'published' and calls > 0 and workflow_id like 'meterfold-billing-scheduled-%'`,
  );
  return rows[0]!.runs;
}

/** Bills the remaining calls. The last scheduled run may still be in progress. */
const billRest = (stack: Stack): Promise<PublishedResult> =>
  eventually('the rest is billed', async () => {
    const result = await (await startRun(stack)).result();
    return result.status === 'published' && result;
  });

/**
 * Computes the latency from the log alone: each fifth call of a user closes a cycle, which is billed when its run is
 * published.
 */
async function measureLatency(
  stack: Stack,
  runId: string,
): Promise<Record<Exclude<keyof CycleLatency, 'cyclesIgnored'>, number>> {
  const { rows } = await stack.pool.query<{ seconds: number }>(
    `select extract(epoch from run.published_at - call.received_at)::float8 as seconds
       from (select id, received_at, row_number() over (partition by user_id order by id) as number from ${billable}) call
       join meterfold.runs run on run.run_id = $1 and call.id > run.watermark and call.id <= run.sealed_end
      where call.number % 5 = 0
      order by seconds`,
    [runId],
  );
  const seconds = rows.map((row) => row.seconds);
  const at = 0.99 * (seconds.length - 1);
  const [below, above] = [seconds[Math.floor(at)]!, seconds[Math.ceil(at)]!];
  return {
    cycles: seconds.length,
    meanSeconds: seconds.reduce((sum, each) => sum + each, 0) / seconds.length,
    p99Seconds: below + (above - below) * (at - Math.floor(at)),
    maxSeconds: seconds.at(-1)!,
  };
}
