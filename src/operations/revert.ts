/** Reverts the newest published run, so that its calls are billed again. */
import type { Pool } from '../postgres/pool.js';
import { readRunState } from '../runs/list.js';
import { type Reversal, readReversal, revertRun as revert } from '../runs/revert.js';
import { RunNotFoundError } from './errors.js';
import type { Servers } from './servers.js';

/** What a revert would undo; nothing is changed. Throws RunNotFoundError, RevertRefusedError. */
export async function previewRevert(servers: Servers, runId: string): Promise<Reversal> {
  return readReversal(await databaseWith(servers, runId), runId);
}

/** Throws RunNotFoundError, RevertRefusedError. */
export async function revertRun(servers: Servers, runId: string, reason: string): Promise<Reversal> {
  return revert(await databaseWith(servers, runId), runId, reason);
}

async function databaseWith(servers: Servers, runId: string): Promise<Pool> {
  const pool = await servers.database();
  if ((await readRunState(pool, runId)) === undefined) throw new RunNotFoundError(runId);
  return pool;
}
