/**
 * Verify: an independent check of the whole history, or of one run, by SQL that shares nothing with the pipeline. It reads, and
 * writes nothing, not even a temporary table: a role that may only read will do, and so will a standby.
 *
 * All of it sees one moment, so runs may be published meanwhile: the connections share a snapshot. What is checked, in the order in
 * which differences are told:
 *
 *   verify-keys.ts     no row is there twice, and none of a run that is not published       each table
 *   verify-log.ts      counts, sums and digests of each run; calls that can't be billed; calls written again after they were billed
 *   verify-runs.ts     each run follows from the one before it; figures, and the digest of all that is known of each
 *   verify-chain.ts    no ended run was deleted: the chain of endings, its head, the numbering of runs
 *   verify-repacked.ts all runs of a repacked row have the terms by which it is priced
 *   verify-retention.ts  what `meterfold retain` has released: its digests, and the state from which cycles are counted on
 *   verify-cycles.ts   every call up to the watermark in exactly one published record or one open cycle, users slice by slice
 */
import { type Client, one, type Pool } from '../postgres/pool.js';
import { readSnapshot } from '../postgres/snapshot.js';
import { type ChainHead, checkChain, checkNotedHead, readHead } from './chain.js';
import { SlicesCheck } from './cycles.js';
import { checkKeys, checkLeftovers } from './keys.js';
import { checkLog, type LogCheck } from './log.js';
import { checkRepacked } from './repacked.js';
import { checkRetention } from './retention.js';
import { checkRuns, type RunsCheck } from './runs.js';
import { type Difference, type History, type Retained, readHistory, type Scope } from './scope.js';

/** bigints are strings. */
export interface Verification {
  /** Log positions that are checked: calls after `after` up to and including `to`. */
  range: { after: string; to: string };
  checked: { calls: string; users: string; cycles: string; runs: string };
  /** Where the log was released: calls up to there are not checked. */
  retained: Pick<Retained, 'runId' | 'position' | 'at'> | null;
  /** The first ones, as many as were asked for. */
  differences: Difference[];
  /** There are more differences than those. */
  more: boolean;
  /** What could not be checked, and why. */
  notes: string[];
  /** Of the chain of endings, "number:hash"; null if it is missing. */
  head: string | null;
}

export interface VerifyOptions {
  /** Only this run; all of the history if absent. */
  runId?: string;
  /** A head of the chain that was noted earlier, which the present chain must continue. */
  notedHead?: ChainHead;
  /** How many differences are told. */
  differencesMax: number;
  onProgress?: (progress: { done: number; total: number; doing: string }) => void;
}

/** There is nothing to verify; the message says why. */
export class VerifyRefusedError extends Error {
  override name = 'VerifyRefusedError';
}

const CONNECTIONS = 2;

/** Sorting the calls of a slice of users, and joining its cycles with the records; on each connection. */
const SESSION = `
  set local work_mem = '128MB';
  set local hash_mem_multiplier = 2;
  set local jit = off;
  set local max_parallel_workers_per_gather = 0`;

interface Check {
  doing: string;
  work: (client: Client) => Promise<Difference[]>;
}

/** Throws VerifyRefusedError for a run that is unknown or in progress. */
export function verify(pool: Pool, options: VerifyOptions): Promise<Verification> {
  return readSnapshot(pool, async (leader) => {
    if (options.runId !== undefined) await refuseUnlessEnded(leader, options.runId);
    return verifyHistory(pool, leader, await readHistory(leader), options);
  });
}

/** The same of a history that is read already, on the snapshot of `leader`; other connections share it. */
export async function verifyHistory(
  pool: Pool,
  leader: Client,
  history: History,
  options: VerifyOptions,
): Promise<Verification> {
  await leader.query(SESSION);
  const { runId, onProgress } = options;
  // One more than is told, to know whether there are more.
  const scope: Scope = { history, runId, differencesMax: options.differencesMax + 1 };
  const slices = new SlicesCheck(scope);
  const notes = notesOn(history, runId);
  let log: LogCheck | undefined;
  let runs: RunsCheck | undefined;
  const checks: Check[] = [
    { doing: 'keys', work: (client) => checkKeys(client, scope, notes) },
    { doing: 'rows of runs that are not published', work: (client) => checkLeftovers(client, scope) },
    {
      doing: 'the log',
      work: async (client) => {
        log = await checkLog(client, scope, notes);
        return log.differences;
      },
    },
    {
      doing: 'runs',
      work: async (client) => {
        runs = await checkRuns(client, scope);
        return runs.differences;
      },
    },
    { doing: 'the chain of endings', work: (client) => checkEndings(client, scope, options.notedHead, notes) },
    { doing: 'what was released', work: (client) => checkRetention(client, scope) },
    { doing: 'repacked records', work: (client) => checkRepacked(client, scope) },
    ...slices.numbers().map((number) => ({
      doing: `users, slice ${number + 1} of ${slices.count}`,
      work: (client: Client) => slices.check(client, number),
    })),
  ];
  const found = await inParallel(pool, leader, checks, onProgress);
  const differences = [...found.flat(), ...(await slices.compareUsers(leader))];
  const { retained } = history;
  return {
    range: rangeOf(history, runId),
    checked: { calls: log!.calls, users: slices.users, cycles: slices.cycles, runs: runs!.runs },
    retained: retained === undefined ? null : { runId: retained.runId, position: retained.position, at: retained.at },
    differences: differences.slice(0, options.differencesMax),
    more: differences.length > options.differencesMax,
    notes,
    head: (await readHead(leader)) ?? null,
  };
}

async function checkEndings(
  client: Client,
  scope: Scope,
  notedHead: ChainHead | undefined,
  notes: string[],
): Promise<Difference[]> {
  const differences = await checkChain(client, scope, notes);
  return notedHead === undefined ? differences : [...differences, ...(await checkNotedHead(client, notedHead))];
}

/** What the released part of the log keeps from being checked. */
function notesOn({ retained, released: releasedRuns }: History, runId: string | undefined): string[] {
  if (retained === undefined) return [];
  const { position, at } = retained;
  const released = `Log positions up to ${position}, the end of run ${retained.runId}, were released by \`meterfold retain\` at ${at}`;
  if (runId === undefined) {
    return [`${released}: calls are checked from there on, and what was billed before by the digests kept of it.`];
  }
  return releasedRuns.some((run) => run.runId === runId)
    ? [`${released}: of run ${runId} its figures are checked, not its calls; \`meterfold verify\` checks its records.`]
    : [];
}

async function refuseUnlessEnded(client: Client, runId: string): Promise<void> {
  const { rows } = await client.query<{ state: string }>('select state from meterfold.runs where run_id = $1', [runId]);
  if (rows[0] === undefined) throw new VerifyRefusedError(`There is no run ${runId}: \`meterfold runs\` lists them.`);
  if (rows[0].state === 'active')
    throw new VerifyRefusedError(`Run ${runId} is in progress: it can be verified once it has ended.`);
}

function rangeOf(history: History, runId: string | undefined): Verification['range'] {
  if (runId === undefined) return { after: history.after, to: history.watermark };
  const run = [...history.released, ...history.runs].find((candidate) => candidate.runId === runId);
  return run === undefined ? { after: '0', to: '0' } : { after: run.watermark, to: run.sealedEnd };
}

/** Works on the checks, each connection on one at a time; the differences of each, in their order. */
async function inParallel(
  pool: Pool,
  leader: Client,
  checks: readonly Check[],
  onProgress: VerifyOptions['onProgress'],
): Promise<Difference[][]> {
  const found: Difference[][] = [];
  let next = 0;
  let done = 0;
  let failed = false;
  const takeChecks = async (client: Client) => {
    while (next < checks.length && !failed) {
      const number = next++;
      const { doing, work } = checks[number]!;
      onProgress?.({ done, total: checks.length, doing });
      try {
        found[number] = await work(client);
      } catch (error) {
        failed = true;
        throw error;
      }
      done++;
    }
  };
  const { snapshot } = one(await leader.query<{ snapshot: string }>('select pg_export_snapshot() as snapshot'));
  const others = Array.from({ length: CONNECTIONS - 1 }, () =>
    readSnapshot(
      pool,
      async (client) => {
        await client.query(SESSION);
        await takeChecks(client);
      },
      snapshot,
    ),
  );
  // Whichever fails, the others' transactions must have ended before this one does: they stand on its snapshot.
  const ends = await Promise.allSettled([takeChecks(leader), ...others]);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return found;
}
