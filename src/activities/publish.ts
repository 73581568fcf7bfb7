/**
 * Publish: proves the run and makes its records visible, by an update of one row. The outcomes that the workflow
 * carries must equal those that are stored: if the database was restored to an earlier moment, they differ, and the run
 * fails.
 */
import { isDeepStrictEqual } from 'node:util';
import { Context } from '@temporalio/activity';
import { needsDigest, type Outcomes, proveRun, type RecountOutcome } from '../billing/proof.js';
import type { PublishedRun, PublishInput } from '../contract/activities.js';
import { readQuarantined } from '../ledger/quarantine.js';
import { recountWithDigest } from '../log/recount.js';
import type { Client } from '../postgres/pool.js';
import { publishRun as publish } from '../runs/publish.js';
import { readPublished } from '../runs/published.js';
import { readProofTerms, readRun } from '../runs/run.js';
import { readOutcomes, type TaskKind } from '../runs/tasks.js';
import { ProofError } from './failures.js';
import { leaseOf, withHeartbeat } from './heartbeat.js';
import { checkInstallation } from './installation.js';
import { type ActivityDependencies, doneBy } from './task.js';

const NOTHING: RecountOutcome = { calls: '0', usage: '0' };

export function createPublish(dependencies: ActivityDependencies) {
  const { pool, log } = dependencies;

  async function publishRun(input: PublishInput): Promise<PublishedRun> {
    checkInstallation(dependencies.installation, input.installation);
    const runId = BigInt(input.runId);
    return withHeartbeat({ log, lease: leaseOf(dependencies, runId) }, async () => {
      const ender = { activityId: Context.current().info.activityId, signal: publishSignal() };
      await publish(pool, runId, ender, (client) => prove(client, input));
      const published = await readPublished(pool, runId);
      log.info({ run: input.runId, ...published }, 'published');
      return { ...doneBy(), figures: published };
    });
  }

  return { publishRun };
}

/**
 * A signal that aborts if the worker shuts down or the workflow no longer exists, but not if the activity is cancelled:
 * a publish that has begun is finished. The activity of a small run can be cancelled.
 */
function publishSignal(): AbortSignal {
  const context = Context.current();
  const { cancellationSignal } = context;
  cancellationSignal.throwIfAborted();
  const stop = new AbortController();
  cancellationSignal.addEventListener(
    'abort',
    () => {
      if (context.cancellationDetails?.cancelRequested !== true) stop.abort(cancellationSignal.reason);
    },
    { once: true },
  );
  return stop.signal;
}

async function prove(client: Client, input: PublishInput) {
  const runId = BigInt(input.runId);
  const carried: Outcomes = {
    maps: input.maps,
    reduces: input.reduces,
    recount: await recountFor(client, input),
    quarantine: await readQuarantined(client, runId),
  };
  const stored = await readOutcomes(client, runId);
  compareStored(runId, 'map', stored.map, carried.maps);
  compareStored(runId, 'reduce', stored.reduce, carried.reduces);
  compareStored(runId, 'recount', stored.recount, input.recount === undefined ? [] : [input.recount]);
  const { callsPerCycle, carriedIn } = await readProofTerms(client, runId);
  const proof = proveRun(carried, carriedIn, callsPerCycle);
  if (proof.differences.length > 0)
    throw new ProofError(`run ${runId} does not add up: ${proof.differences.join('; ')}`);
  return proof;
}

/**
 * The recount, with the digest if map may have read a replica. If the recount was not asked for a digest, because map
 * ran again on a replica after it had ended, the calls are counted here.
 */
async function recountFor(client: Client, { runId, recount, maps }: PublishInput): Promise<RecountOutcome> {
  if (recount === undefined) return NOTHING;
  if (recount.digest !== undefined || !needsDigest(maps)) return recount;
  const { watermark, sealedEnd } = await readRun(client, BigInt(runId));
  return recountWithDigest(client, BigInt(runId), { first: watermark + 1n, last: sealedEnd! }, true);
}

function compareStored(runId: bigint, kind: TaskKind, stored: readonly unknown[], carried: readonly unknown[]): void {
  if (stored.length !== carried.length) {
    throw new ProofError(
      `run ${runId}: ${stored.length} ${kind} tasks are stored, the workflow carries ${carried.length}`,
    );
  }
  const differing = stored.findIndex((outcome, number) => !isDeepStrictEqual(outcome, carried[number]));
  if (differing === -1) return;
  throw new ProofError(
    `run ${runId}, ${kind} task ${differing}: stored is ${JSON.stringify(stored[differing])}, the workflow carries ` +
      `${JSON.stringify(carried[differing])}; the database was restored, or a stored outcome changed`,
  );
}
