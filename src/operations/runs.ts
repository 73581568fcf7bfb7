/** Lists and shows runs: PostgreSQL has their figures, and Temporal says why those in progress stall. */
import { newestRunId, type RunDetails, type RunSummary, readRun, listRuns as readRuns } from '../runs/list.js';
import { isSameTemporal } from '../temporal/owner.js';
import { listStalledRuns, type Stall, type StalledRun } from '../temporal/stalls.js';
import { RunNotFoundError, RunOwnerError, RunStateError } from './errors.js';
import { addressesOf, explain } from './explain.js';
import type { Servers } from './servers.js';

/** How long Temporal may take to say why runs stall. */
const STALLS_MS_MAX = 3000;

/** A run in progress has the reasons why it stalls; other runs have none. */
type WithStalls<T> = T & { stalls?: readonly Stall[] };

export interface RunList {
  /** Newest first. */
  runs: WithStalls<RunSummary>[];
  /** Workflows that stall and have no run among `runs`, for example because they have not opened one. */
  others: StalledRun[];
}

export interface ShownRun {
  run: WithStalls<RunDetails>;
  /** Why Temporal could not be asked about a run in progress. */
  stallsUnknown?: string;
}

/** A Temporal that does not answer is not an error: the stalls are missing then. */
export async function listRuns(servers: Servers, limit: number): Promise<RunList> {
  const pool = await servers.database();
  const [runs, { stalled }] = await Promise.all([readRuns(pool, limit), askStalls(servers)]);
  return {
    runs: runs.map((run) => withStalls(run, stalled)),
    others: stalled.filter(({ workflowId }) => !runs.some((run) => run.workflowId === workflowId)),
  };
}

/**
 * Everything about one run, by default the newest. Throws RunNotFoundError, and RunStateError if there is no run at
 * all.
 */
export async function showRun(servers: Servers, asked?: string): Promise<ShownRun> {
  const pool = await servers.database();
  const runId = asked ?? (await newestRunId(pool));
  if (runId === undefined) throw new RunStateError('No run yet: `meterfold run` starts one.');
  const run = await readRun(pool, runId);
  if (run === undefined) throw new RunNotFoundError(runId);
  const { stalled, unknown } = await stallsOf(servers, run);
  return { run: withStalls(run, stalled), ...(unknown === undefined ? {} : { stallsUnknown: unknown }) };
}

function withStalls<T extends RunSummary>(run: T, stalled: readonly StalledRun[]): WithStalls<T> {
  if (run.state !== 'active') return run;
  return { ...run, stalls: stalled.find(({ workflowId }) => workflowId === run.workflowId)?.stalls ?? [] };
}

interface Answer {
  stalled: StalledRun[];
  /** Why Temporal could not be asked. */
  unknown?: string;
}

async function stallsOf(servers: Servers, { runId, state, temporal }: RunDetails): Promise<Answer> {
  if (state !== 'active') return { stalled: [] };
  if (isSameTemporal(temporal, servers.config.temporal)) return askStalls(servers);
  return { stalled: [], unknown: new RunOwnerError(runId, temporal).message };
}

async function askStalls(servers: Servers): Promise<Answer> {
  const { temporal } = servers.config;
  try {
    const client = await servers.temporal();
    const ask = () => listStalledRuns(client.workflow, temporal.taskQueue);
    return { stalled: await client.withDeadline(Date.now() + STALLS_MS_MAX, ask) };
  } catch (error) {
    return { stalled: [], unknown: explain(error, addressesOf(process.env, temporal)) };
  }
}
