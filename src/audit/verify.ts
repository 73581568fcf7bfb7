/**
 * Verify: an independent check of the whole history, or of one run, by SQL that shares no code with the pipeline. It
 * writes nothing, not even a temporary table, so it works with a read-only role and on a standby.
 *
 * All checks use one snapshot, which the connections share, so runs may be published meanwhile. The checks, in the
 * order in which their differences are reported:
 *
 *   keys.ts       no row is duplicated, and none belongs to a run that is not published
 *   log.ts        counts, sums and digests of each run; calls that cannot be billed; calls changed after they were billed
 *   runs.ts       each run continues from the previous one; its figures; its digest
 *   chain.ts      no ended run was deleted: the chain, its head, the numbering of runs
 *   retention.ts  what `meterfold retain` has released: digests, and the state from which counting continues
 *   repacked.ts   all runs of a repacked row have the same terms
 *   cycles.ts     every call up to the watermark is in exactly one published record or open cycle
 */
import { type Client, one, type Pool } from '../postgres/pool.js';
import { readSnapshot } from '../postgres/snapshot.js';
import { type ChainHead, checkChain, checkNotedHead, readHead } from './chain.js';
import { CyclesCheck } from './cycles.js';
import { checkKeys, checkLeftovers } from './keys.js';
import { checkLog, type LogCheck } from './log.js';
import { checkRepacked } from './repacked.js';
import { checkRetention } from './retention.js';
import { checkRuns, type RunsCheck } from './runs.js';
import { type Difference, type History, type Retained, readHistory, type Scope } from './scope.js';

/** bigints are strings. */
export interface Verification {
  /** The log positions checked: calls after `after` up to and including `to`. */
  range: { after: string; to: string };
  checked: { calls: string; users: string; cycles: string; runs: string };
  /** The position up to which the log was released: calls up to it are not checked. */
  retained: Pick<Retained, 'runId' | 'position' | 'at'> | null;
  /** The first differences, up to the requested number. */
  differences: Difference[];
  /** True if there are more differences. */
  more: boolean;
  /** What was not checked, with the reason. */
  notes: string[];
  /** The head of the chain as "number:hash"; null if it is missing. */
  head: string | null;
}

export interface VerifyOptions {
  /** The only run to check; absent: the whole history. */
  runId?: string;
  /** A head that was noted earlier; the present chain must continue from it. */
  notedHead?: ChainHead;
  /** The most differences to return. */
  differencesMax: number;
  onProgress?: (progress: { done: number; total: number; doing: string }) => void;
}

/** The run cannot be verified; the message says why. */
export class VerifyRefusedError extends Error {
  override name = 'VerifyRefusedError';
}

const CONNECTIONS = 2;

/** Memory for sorting the calls of a group of users and for joining its cycles with the records, on each connection. */
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

/** Verifies a history that was read on the snapshot of `leader`. Other connections share that snapshot. */
export async function verifyHistory(
  pool: Pool,
  leader: Client,
  history: History,
  options: VerifyOptions,
): Promise<Verification> {
  await leader.query(SESSION);
  const { runId, onProgress } = options;
  // One more than is returned shows whether there are more.
  const scope: Scope = { history, runId, differencesMax: options.differencesMax + 1 };
  const cycles = new CyclesCheck(scope);
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
    { doing: 'the chain', work: (client) => checkEndings(client, scope, options.notedHead, notes) },
    { doing: 'released parts', work: (client) => checkRetention(client, scope) },
    { doing: 'repacked records', work: (client) => checkRepacked(client, scope) },
    ...cycles.groups().map((group) => ({
      doing: `users, group ${group + 1} of ${cycles.count}`,
      work: (client: Client) => cycles.check(client, group),
    })),
  ];
  const found = await inParallel(pool, leader, checks, onProgress);
  const differences = [...found.flat(), ...(await cycles.compareUsers(leader))];
  const { retained } = history;
  return {
    range: rangeOf(history, runId),
    checked: { calls: log!.calls, users: cycles.users, cycles: cycles.cycles, runs: runs!.runs },
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

/** Notes on what cannot be checked because the log was released. */
function notesOn({ retained, released: releasedRuns }: History, runId: string | undefined): string[] {
  if (retained === undefined) return [];
  const { position, at } = retained;
  const released = `Log positions up to ${position}, the end of run ${retained.runId}, were released by \`meterfold retain\` at ${at}`;
  if (runId === undefined) {
    return [`${released}: calls after it are checked, and what was billed before it by its stored digests.`];
  }
  return releasedRuns.some((run) => run.runId === runId)
    ? [
        `${released}: the figures of run ${runId} are checked, not its calls. \`meterfold verify\` without a run checks its records.`,
      ]
    : [];
}

async function refuseUnlessEnded(client: Client, runId: string): Promise<void> {
  const { rows } = await client.query<{ state: string }>('select state from meterfold.runs where run_id = $1', [runId]);
  if (rows[0] === undefined) throw new VerifyRefusedError(`There is no run ${runId}: \`meterfold runs\` lists them.`);
  if (rows[0].state === 'active')
    throw new VerifyRefusedError(`Run ${runId} is in progress: verify it once it has ended.`);
}

function rangeOf(history: History, runId: string | undefined): Verification['range'] {
  if (runId === undefined) return { after: history.after, to: history.watermark };
  const run = [...history.released, ...history.runs].find((candidate) => candidate.runId === runId);
  return run === undefined ? { after: '0', to: '0' } : { after: run.watermark, to: run.sealedEnd };
}

/** Runs the checks, one at a time on each connection. Returns their differences in the order of the checks. */
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
  // The leader's transaction must end last, even if a check fails: the other transactions use its snapshot.
  const ends = await Promise.allSettled([takeChecks(leader), ...others]);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return found;
}
