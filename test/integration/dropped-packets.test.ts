/**
 * A database that vanishes: its packets are dropped in the worker's network namespace, without FIN, RST or ICMP. The
 * worker notices on its own and reports the failure to Temporal, and another worker continues.
 */
import { expect, type TestContext, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { hold } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { NetworkNamespace, namespaceFault } from '../support/network-namespace.js';
import { ownServers } from '../support/own-servers.js';
import { startHeld } from '../support/phases.js';
import { startCommand, startWorker } from '../support/processes.js';
import { expectExact, fannedOut, published, type RunHandle, startRun } from '../support/runs.js';
import { say } from '../support/say.js';
import { freshStack, type Stack } from '../support/stack.js';

const TIMEOUT_MS = 180_000;
/** A COPY of these calls has many times the bytes after which its packets are dropped. */
const MANY_CALLS = 400_000;
const COPIED_BYTES = 500_000;
const env = { SPILL_CALLS: String(MANY_CALLS) };

const fault = await namespaceFault();

const servers = ownServers();

test('packets can be dropped here; otherwise the reason is printed, and CI fails', () => {
  if (fault !== undefined) say(fault);
  expect(process.env.CI === 'true' ? fault : undefined).toBeUndefined();
});

interface Struck {
  run: RunHandle;
  /** Called when the failure was noticed. */
  release?: () => Promise<void>;
}

interface Case {
  where: string;
  calls: number;
  strike(stack: Stack, namespace: NetworkNamespace): Promise<Struck>;
  failure: RegExp;
}

const NOT_ANSWERED = /DeadConnectionError|ETIMEDOUT|connection timeout/;
/** TCP keepalive may notice first. */
const DEAD = /DeadConnectionError: the connection to PostgreSQL is dead|ETIMEDOUT/;

const inPhase =
  (phase: Parameters<typeof startHeld>[1]) =>
  async (stack: Stack, namespace: NetworkNamespace): Promise<Struck> => {
    const { run, held } = await startHeld(stack, phase);
    await namespace.drop();
    return { run, release: () => held.release() };
  };

const inCopy =
  (direction: 'down' | 'up') =>
  async (stack: Stack, namespace: NetworkNamespace): Promise<Struck> => {
    namespace.dropAfter(direction, COPIED_BYTES);
    const run = await startRun(stack, [fannedOut]);
    await namespace.dropped();
    return { run };
  };

const cases: Case[] = [
  {
    where: 'idle in the pool',
    calls: 2003,
    failure: NOT_ANSWERED,
    async strike(stack, namespace) {
      await namespace.drop();
      return { run: await startRun(stack, [fannedOut]) };
    },
  },
  { where: 'while it waits to seal', calls: 2003, failure: NOT_ANSWERED, strike: inPhase('sealing') },
  { where: 'in a COPY out', calls: MANY_CALLS, failure: DEAD, strike: inCopy('down') },
  { where: 'in a COPY in', calls: MANY_CALLS, failure: DEAD, strike: inCopy('up') },
  { where: 'while it waits for a lock', calls: 2003, failure: DEAD, strike: inPhase('reducing') },
  {
    where: 'in the recount',
    calls: 2003,
    failure: DEAD,
    async strike(stack, namespace) {
      const { run, held } = await startHeld(stack, 'recounting');
      const log = await hold(stack, 'lock table public.api_logs in access exclusive mode');
      await held.release();
      await log.waiting({ query: 'api_logs' });
      await namespace.drop();
      return { run, release: () => log.release() };
    },
  },
];

async function stackWith(calls: number, { onTestFinished }: TestContext): Promise<Stack> {
  const stack = await freshStack({ servers: servers() });
  onTestFinished(() => stack.close());
  await logs.skewed(stack.pool, { calls });
  return stack;
}

/** Waits until an attempt has failed, and returns the failure that Temporal received. */
function failedAttempt(run: RunHandle): Promise<string> {
  return eventually('an activity has failed', async () => {
    const { raw } = await run.describe();
    const failures = (raw.pendingActivities ?? []).map(({ lastFailure }) => lastFailure);
    const failure = failures.find((one) => one !== undefined && one !== null);
    return failure && `${failure.applicationFailureInfo?.type}: ${failure.message}`;
  });
}

test.concurrent.for(fault === undefined ? cases : [])(
  'a database that vanishes $where is noticed, and another worker continues',
  {
    timeout: TIMEOUT_MS,
  },
  async ({ calls, strike, failure }, context) => {
    const stack = await stackWith(calls, context);
    const namespace = await NetworkNamespace.open(stack);
    await startWorker(stack, { env: { ...env, ...namespace.env }, by: namespace.enter });
    const { run, release } = await strike(stack, namespace);
    expect(await failedAttempt(run)).toMatch(failure);
    const other = await startWorker(stack, { env });
    await release?.();
    const result = published(await run.result());
    await expectExact(stack, result);
    expect(result.activities.retried).toBeGreaterThanOrEqual(1);
    expect(result.workers.map(({ worker }) => worker)).toContain(other.name);
  },
);

test.concurrent.for(fault === undefined ? ['verify', 'status'] : [])(
  'meterfold %s ends with an error when its database vanishes',
  { timeout: TIMEOUT_MS },
  async (command, context) => {
    const stack = await stackWith(10, context);
    const namespace = await NetworkNamespace.open(stack);
    const held = await hold(stack, 'lock table meterfold.runs in access exclusive mode');
    const started = startCommand(stack, [command], { env: namespace.env, by: namespace.enter });
    await held.waiting({ application: 'meterfold cli' });
    await namespace.drop();
    const { code, stderr } = await started.result;
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(
        /^meterfold: (The connection to PostgreSQL is dead: .*|PostgreSQL is not reachable at .*)\n$/,
      ),
    });
  },
);
