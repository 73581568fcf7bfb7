import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, type TestContext, test } from 'vitest';
import { freePorts } from '../../src/embedded/ports.js';
import { eventually } from '../support/eventually.js';
import { holdMap } from '../support/holds.js';
import * as logs from '../support/logs.js';
import { meterfold, startWorker } from '../support/processes.js';
import { published, startRun } from '../support/runs.js';
import { adminOf, freshStack, type Stack } from '../support/stack.js';

const OK = { status: 200, ok: true };

async function freshStackOf({ onTestFinished }: TestContext): Promise<Stack> {
  const stack = await freshStack();
  onTestFinished(() => stack.close());
  return stack;
}

/** The answers of a worker's probes; undefined if nothing listens. */
async function probes() {
  const [port] = await freePorts(1);
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
    return response && { status: response.status, ...((await response.json()) as { ok: boolean; reason?: string }) };
  };
  return { env: { HEALTH_PORT: String(port) }, ask };
}

test.concurrent('a worker that starts says so before it has reached anything, and its port closes with it', async (context) => {
  const stack = await freshStackOf(context);
  const { env, ask } = await probes();
  // A database that accepts connections, and sends nothing until it closes them.
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const worker = meterfold(stack, ['worker'], {
    env: { ...env, DATABASE_URL: `postgres://billing@127.0.0.1:${port}/billing` },
  });

  const starting = { status: 503, ok: false, reason: 'the worker is starting' };
  expect(await eventually('the worker answers', () => ask('/startupz'))).toEqual(starting);
  expect(await ask('/readyz')).toEqual(starting);
  expect(await ask('/livez')).toEqual(OK);
  expect(await ask('/metrics')).toMatchObject({ status: 404 });

  silent.close();
  for (const socket of sockets) socket.destroy();
  expect(await worker).toMatchObject({ code: 1 });
  expect(await ask('/livez')).toBeUndefined();
});

test.concurrent('a worker is ready while the database answers', async (context) => {
  const stack = await freshStackOf(context);
  const { env, ask } = await probes();
  await startWorker(stack, { env });
  expect(await ask('/startupz')).toEqual(OK);
  expect(await ask('/readyz')).toEqual(OK);

  const server = adminOf({ postgresUrl: stack.databaseUrl });
  await server.connect();
  context.onTestFinished(() => server.end());
  const letIn = (connections: boolean) =>
    server.query(`alter database ${stack.databaseName} allow_connections ${connections}`);
  await letIn(false);
  await server.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name like 'meterfold%'`,
    [stack.databaseName],
  );
  const unready = await eventually('the worker is not ready', async () => {
    const answer = await ask('/readyz');
    return answer?.status === 503 && answer;
  });
  expect(unready.reason).toMatch(/^PostgreSQL is not reachable: .*not currently accepting connections/);
  expect(await ask('/livez')).toEqual(OK);

  await letIn(true);
  await eventually('the worker is ready again', async () => (await ask('/readyz'))?.status === 200);
});

test.concurrent('a worker that drains is alive and not ready', async (context) => {
  const stack = await freshStackOf(context);
  const { env, ask } = await probes();
  await logs.skewed(stack.pool, { calls: 2003 });
  const worker = await startWorker(stack, { env: { ...env, SPILL_CALLS: '400' } });
  const hold = await holdMap(stack);
  const run = await startRun(stack, [{ partitions: 1, shards: 1 }]);
  await hold.waiting();
  const stopped = worker.stop();
  await worker.logged('"stopping"');
  expect(await ask('/readyz')).toEqual({ status: 503, ok: false, reason: 'the worker is stopping' });
  expect(await ask('/livez')).toEqual(OK);
  await hold.release();
  expect(await stopped).toEqual({ code: 0, signal: null });
  expect(await ask('/livez')).toBeUndefined();
  await startWorker(stack);
  published(await run.result());
});

test.concurrent('a port that is taken is a wrong setting', async (context) => {
  const stack = await freshStackOf(context);
  const { env } = await probes();
  await startWorker(stack, { env });
  const second = await meterfold(stack, ['worker'], { env });
  expect(second).toMatchObject({ code: 2, stdout: '' });
  expect(second.stderr).toMatch(
    /^meterfold: Wrong setting: cannot listen on HEALTH_HOST and HEALTH_PORT: .*EADDRINUSE.*\n$/,
  );
});
