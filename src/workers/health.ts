/**
 * Health of a worker over plain HTTP, for probes such as those of Kubernetes:
 *
 *   /startupz   the worker has begun to poll
 *   /livez      the event loop answers, and the worker has not failed
 *   /readyz     the worker polls, is not stopping, and PostgreSQL answers
 *
 * The answer is 200, or 503 with the reason as JSON. The server starts before the worker connects to anything and stops
 * last, so a worker that starts or drains answers instead of refusing the connection.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from '@temporalio/worker';
import { type Listener, SettingsError } from '../config.js';
import type { Pool } from '../postgres/pool.js';

/** How long an answer of the database is reused, so that frequent probes cost it one small query in that time. */
const ANSWER_KEPT_MS = 5000;
const ANSWER_MS_MAX = 2000;
const PROBE = { text: 'select 1', query_timeout: ANSWER_MS_MAX };

/** Why a probe fails; undefined if it succeeds. */
type Reason = string | undefined;

export interface HealthServer {
  /** Called once the worker polls. */
  polls(worker: Worker, pool: Pool): void;
  close(): Promise<void>;
}

/**
 * Serves until it is closed. `stopping` is the signal that stops the worker. Throws SettingsError if it cannot listen
 * on the port.
 */
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
    throw new SettingsError(`Wrong setting: cannot listen on HEALTH_HOST and HEALTH_PORT: ${cause.message}`, {
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

/** Returns a probe of the database that reuses its answer for ANSWER_KEPT_MS. */
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
