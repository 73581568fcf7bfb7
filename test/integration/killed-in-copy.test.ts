import { describe, expect, test } from 'vitest';
import * as logs from '../support/logs.js';
import { startWorker, type WorkerProcess } from '../support/processes.js';
import { expectExact, published, startRun } from '../support/runs.js';
import { freshStack, type Stack } from '../support/stack.js';

const TIMEOUT_MS = 120_000;
const CATCH_MS = 30_000;
/** The COPY of so many calls has more bytes than the buffers between the server and a frozen worker hold. */
const CALLS = 400_000;
const env = { SPILL_CALLS: String(CALLS) };
// One cycle per call, so that the records have as many bytes as the calls.
const callsPerCycle = 1;
const input = { partitions: 1, shards: 1, callsPerCycle };

const stages = [
  { stage: 'reads the log', copy: `progress.command = 'COPY TO' and session.query like '%api_logs%'` },
  {
    stage: 'writes billing records',
    copy: `progress.command = 'COPY FROM' and progress.relid = 'meterfold.records'::regclass and progress.tuples_processed > 0`,
  },
];

describe.concurrent.each(stages)('a worker that is killed in the middle of the COPY that $stage', ({ copy }) => {
  test('leaves nothing: another worker finishes the run, and the bills are exact', {
    timeout: TIMEOUT_MS,
  }, async (context) => {
    const stack = await freshStack();
    context.onTestFinished(() => stack.close());
    await logs.skewed(stack.pool, { calls: CALLS });
    const worker = await startWorker(stack, { env });
    const run = await startRun(stack, [input]);
    await freezeIn(stack, worker, copy);
    worker.kill('SIGKILL');
    await worker.ended;

    const successor = await startWorker(stack, { env });
    const result = published(await run.result());
    await expectExact(stack, result, { callsPerCycle });
    expect(result.activities.retried).toBeGreaterThanOrEqual(1);
    expect(result.workers.map((share) => share.worker)).toContain(successor.name);
  });
});

/** Stops the worker while its COPY is in progress and cannot end without it. */
async function freezeIn(stack: Stack, worker: WorkerProcess, copy: string): Promise<void> {
  const inProgress = async () => {
    const { rowCount } = await stack.pool.query(
      `select from pg_stat_progress_copy progress
         join pg_stat_activity session on session.pid = progress.pid
        where progress.datname = current_database() and ${copy}`,
    );
    return rowCount === 1;
  };
  for (const deadline = Date.now() + CATCH_MS; Date.now() < deadline; ) {
    if (!(await inProgress())) continue;
    worker.kill('SIGSTOP');
    if (await settled(inProgress)) return;
    worker.kill('SIGCONT');
  }
  throw new Error('the COPY was not caught in progress');
}

/** True if the condition stays true for 100 checks, by which time the bytes that were in flight have arrived. */
async function settled(condition: () => Promise<boolean>): Promise<boolean> {
  for (let look = 0; look < 100; look++) {
    if (!(await condition())) return false;
  }
  return true;
}
