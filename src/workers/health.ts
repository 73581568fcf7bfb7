/**
 * What a supervisor asks a worker by plain HTTP, such as Kubernetes by its probes:
 *
 *   /startupz   it is registered, and has begun to poll
 *   /livez      its event loop answers, and it has not failed
 *   /readyz     it polls, is not stopping, and PostgreSQL answers
 *
 * 200, or 503 with the reason, as JSON. Served before anything is connected to and until all is closed: a worker that starts, or
 * drains, says so instead of refusing the connection.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from '@temporalio/worker';
import { type Listener, SettingsError } from '../config.js';
import type { Pool } from '../postgres/pool.js';

/** How long the database's answer counts: probes of any number and pace cost it one small query in that time. */
const ANSWER_KEPT_MS = 5000;
const ANSWER_MS_MAX = 2000;
const PROBE = { text: 'select 1', query_timeout: ANSWER_MS_MAX };

/** Why a probe fails; undefined if it does not. */
type Reason = string | undefined;

export interface HealthServer {
  /** Called once the worker polls. */
  polls(worker: Worker, pool: Pool): void;
  close(): Promise<void>;
}

/** Serves until it is closed. `stopping` is what stops the worker. Throws SettingsError if the port can't be had. */
export async function serveHealth({ host, port }: Listener, stopping: AbortSignal): Promise<HealthServer> {
  let polling: { worker: Worker; database: () => Promise<Reason> } | undefined;
  const starting = () => (polling === undefined ? 'the worker is starting' : undefined);
  const probes: Record<string, () => Reason | Promise<Reason>> = {
    '/startupz': starting,
    '/livez': () => (polling?.worker.getState() === 'FAILED' ? 'the worker has failed' : undefined),
    '/readyz': () => {
      if (stopping.aborted) return 'the worker is stopping';
      if (polling === undefined) return starting();
      const state = polling.worker.getState();
      return state === 'RUNNING' ? polling.database() : `the worker is ${state.toLowerCase()}`;
    },
  };
  const server = createServer(async ({ url = '' }, response) => {
    const probe = probes[url.split('?', 1)[0]!];
    if (probe === undefined) return answer(response, 404, `there are ${Object.keys(probes).join(', ')}`);
    const reason = await probe();
    answer(response, reason === undefined ? 200 : 503, reason);
  });
  server.listen(port, host);
  await once(server, 'listening').catch((cause: Error) => {
    throw new SettingsError(`Wrong setting: HEALTH_HOST and HEALTH_PORT can't be listened on: ${cause.message}`, {
      cause,
    });
  });
  return {
    polls(worker, pool) {
      polling = { worker, database: databaseProbe(pool) };
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function answer(response: ServerResponse, status: number, reason: Reason): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(reason === undefined ? { ok: true } : { ok: false, reason })}\n`);
}

/** Asks the database whether it answers, and remembers what came of it for a while. */
function databaseProbe(pool: Pool): () => Promise<Reason> {
  let answered: Promise<Reason> | undefined;
  let keptUntil = 0;
  return () => {
    if (answered === undefined || Date.now() > keptUntil) {
      keptUntil = Date.now() + ANSWER_KEPT_MS;
      answered = askDatabase(pool);
    }
    return answered;
  };
}

async function askDatabase(pool: Pool): Promise<Reason> {
  const late = delay(ANSWER_MS_MAX, `it gave no answer within ${ANSWER_MS_MAX / 1000} s`, { ref: false });
  const asked = pool.query(PROBE).then(
    () => undefined,
    (error: Error) => error.message,
  );
  const fault = await Promise.race([asked, late]);
  return fault === undefined ? undefined : `PostgreSQL is not reachable: ${fault}`;
}
