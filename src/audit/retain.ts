/**
 * Retain: verifies the oldest part of the history, and stores what verify needs to continue without its calls: digests
 * of the released part, and each user's open cycle at its end. The released part of the log may then be dropped;
 * meterfold itself drops nothing.
 *
 * The part ends at the end of a published run. It is verified on one snapshot while runs continue, and stored by one
 * transaction, whose figures must equal those of the snapshot.
 *
 * Order of locks: first the table of retentions, which permits one retain at a time; then the row of the run, which a
 * revert would change; last the head of the chain, the only one for which runs wait.
 */
import { digestText } from '../billing/digest.js';
import { type Client, one, type Pool, type Queryable, transaction } from '../postgres/pool.js';
import { readSnapshot } from '../postgres/snapshot.js';
import {
  computeOpenCyclesFigures,
  digestQuarantine,
  digestRecords,
  type OpenCyclesFigures,
  type RunRange,
  readOpenCyclesFigures,
  writeOpenCycles,
} from './retention-figures.js';
import { type History, readHistory } from './scope.js';
import { type Verification, type VerifyOptions, verifyHistory } from './verify.js';

/** Nothing was released: there is no such part, or it changed while it was verified. The message says which. */
export class RetainRefusedError extends Error {
  override name = 'RetainRefusedError';
}

/** The latest end of the released part: a log position, or a time in ISO 8601 with its offset. */
export type Until = { position: string } | { time: string };

/** A part that can be released: the calls of whole runs. bigints and decimals are strings, times are ISO 8601. */
export interface Release {
  /** The last run of the part. */
  runId: string;
  publishedAt: string;
  /** Log positions after `after` up to and including `to`. */
  range: { after: string; to: string };
  /** The number of published runs. */
  runs: string;
  calls: string;
  usage: string;
  quarantinedCalls: string;
  cycles: string;
  /** Calls in open cycles at the end of the range. */
  openCalls: string;
}

/** A stored release. */
export interface Retention extends Release {
  /** The number of users whose open cycles are stored, over all releases. */
  users: string;
  /** The latest called_at among the calls released. */
  newestCalledAt: string | null;
  logDigest: string;
  recordsDigest: string;
  quarantineDigest: string;
}

/** The part that a retain would release. Throws RetainRefusedError if there is none. */
export async function readRelease(db: Queryable, until: Until): Promise<Release> {
  const { rows } = await db.query<Release>(
    `with retained as (
       select coalesce(max(run_id), 0) as run_id, coalesce(max(position), 0) as position from meterfold.retentions
     ), last as (
       select run.*, retained.run_id as retained_run_id, retained.position as retained_position
         from meterfold.runs run, retained
        where state = 'published' and run.run_id > retained.run_id and sealed_end > retained.position
          and sealed_end <= coalesce($1::bigint, sealed_end) and published_at <= coalesce($2::timestamptz, published_at)
        order by run.run_id desc
        limit 1
     )
     select last.run_id as "runId",
            to_char(last.published_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "publishedAt",
            json_build_object('after', last.retained_position::text, 'to', last.sealed_end::text) as range,
            count(*) as runs, sum(own.calls) as calls, trim_scale(sum(own.usage)) as usage,
            sum(own.quarantined_calls) as "quarantinedCalls", sum(own.cycles) as cycles,
            last.carried_out_calls as "openCalls"
       from last
       join meterfold.runs own
         on own.state = 'published' and own.run_id > last.retained_run_id and own.run_id <= last.run_id
      group by last.run_id, last.published_at, last.retained_position, last.sealed_end, last.carried_out_calls`,
    ['position' in until ? until.position : null, 'time' in until ? until.time : null],
  );
  if (rows[0] !== undefined) return rows[0];
  const asked = 'position' in until ? `at or before log position ${until.position}` : `at or before ${until.time}`;
  const { position } = one(
    await db.query<{ position: string }>(`select coalesce(max(position), 0) as position from meterfold.retentions`),
  );
  const beyond = position === '0' ? '' : ` after log position ${position}, up to which the log is already released`;
  throw new RetainRefusedError(
    `There is nothing to release: no published run ended ${asked}${beyond}. \`meterfold runs\` lists the ends of runs.`,
  );
}

/** Makes PostgreSQL choose the plan that sql/retained-open-cycles.sql describes, however few rows it expects. */
const HASHED = `
  set local work_mem = '128MB';
  set local hash_mem_multiplier = 2;
  set local jit = off;
  set local enable_nestloop = off;
  set local enable_sort = off`;

interface Verified {
  verification: Verification;
  history: History;
  release: Release;
  range: RunRange;
  /** Undefined if verify found differences. */
  retention: (Retention & OpenCyclesFigures) | undefined;
  rowDigest: string;
}

/** Verifies a part and releases it. `retention` is undefined if verify found differences; nothing was changed then. */
export async function retain(
  pool: Pool,
  until: Until,
  options: Pick<VerifyOptions, 'differencesMax' | 'onProgress'>,
): Promise<{ verification: Verification; release: Release; retention: Retention | undefined }> {
  const verified = await readSnapshot(pool, (leader) => verifyRelease(pool, leader, until, options));
  const { verification, release, retention } = verified;
  if (retention === undefined) return { verification, release, retention };
  options.onProgress?.({ done: 1, total: 2, doing: "users' open cycles, to store them" });
  await transaction(pool, (client) => store(client, until, verified, retention));
  const { openCyclesDigest: _, openUsage: __, ...stored } = retention;
  return { verification, release, retention: stored };
}

async function verifyRelease(
  pool: Pool,
  leader: Client,
  until: Until,
  options: Pick<VerifyOptions, 'differencesMax' | 'onProgress'>,
): Promise<Verified> {
  const release = await readRelease(leader, until);
  const { runId } = release;
  const history = await readHistory(leader, runId);
  const verification = await verifyHistory(pool, leader, history, options);
  const range = { afterRunId: history.retained?.runId ?? '0', runId };
  const { rowDigest, logDigest } = one(
    await leader.query<{ rowDigest: string; logDigest: string }>(
      `select (select row_digest from meterfold.runs where run_id = $2) as "rowDigest",
              sum(('x' || (proof ->> 'digest'))::bit(64)::bigint) as "logDigest"
         from meterfold.runs
        where state = 'published' and run_id > $1 and run_id <= $2`,
      [range.afterRunId, runId],
    ),
  );
  if (verification.differences.length > 0) {
    return { verification, history, release, range, retention: undefined, rowDigest };
  }
  options.onProgress?.({ done: 0, total: 2, doing: "digests and users' open cycles" });
  const records = await digestRecords(leader, range);
  const quarantine = await digestQuarantine(leader, range);
  await leader.query(HASHED);
  const openCycles = await computeOpenCyclesFigures(leader, range, history);
  if (openCycles.openCalls !== release.openCalls) {
    throw new RetainRefusedError(
      `Nothing was released: users' open cycles have ${openCycles.openCalls} calls after run ${runId}, which carried out ` +
        `${release.openCalls}. Run \`meterfold verify\`.`,
    );
  }
  const retention = {
    ...release,
    ...openCycles,
    logDigest: digestText(BigInt(logDigest)),
    recordsDigest: records.digest,
    quarantineDigest: quarantine.digest,
  };
  return { verification, history, release, range, retention, rowDigest };
}

async function store(
  client: Client,
  until: Until,
  { history, range, rowDigest }: Verified,
  retention: Retention & OpenCyclesFigures,
): Promise<void> {
  await client.query('lock table meterfold.retentions in share row exclusive mode');
  const newest = await client.query<{ runId: string | null }>(
    'select max(run_id) as "runId" from meterfold.retentions',
  );
  if ((one(newest).runId ?? '0') !== range.afterRunId)
    throw new RetainRefusedError(changed('another `meterfold retain` has released a part'));
  await client.query(HASHED);
  await writeOpenCycles(client, range, history);
  await checkRun(client, range.runId, rowDigest);
  const stored = await readOpenCyclesFigures(client);
  for (const figure of ['users', 'openCalls', 'openUsage', 'openCyclesDigest'] as const) {
    if (stored[figure] !== retention[figure])
      throw new RetainRefusedError(changed(`the log, the records or the stored state (${figure}) changed`));
  }
  // An earlier revert has changed the row; a later one finds the retention.
  await checkRun(client, range.runId, rowDigest, 'for no key update');
  await client.query(
    `insert into meterfold.retentions (run_id, after_position, position, until_time, newest_called_at, runs, calls, usage,
                                       quarantined_calls, cycles, log_digest, records_digest, quarantine_digest,
                                       users, open_calls, open_usage, open_cycles_digest)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
    [
      ...[retention.runId, retention.range.after, retention.range.to, 'time' in until ? until.time : null],
      ...[retention.newestCalledAt, retention.runs, retention.calls, retention.usage],
      ...[retention.quarantinedCalls, retention.cycles],
      ...[retention.logDigest, retention.recordsDigest, retention.quarantineDigest],
      ...[retention.users, retention.openCalls, retention.openUsage, retention.openCyclesDigest],
    ],
  );
}

/** Throws RetainRefusedError unless the run is published and its row is as it was when it was verified. */
async function checkRun(client: Client, runId: string, rowDigest: string, lock = ''): Promise<void> {
  const { rows } = await client.query<{ state: string; rowDigest: string }>(
    `select state, row_digest as "rowDigest" from meterfold.runs where run_id = $1 ${lock}`,
    [runId],
  );
  const [run] = rows;
  if (run?.state !== 'published') throw new RetainRefusedError(changed(`run ${runId} is ${run?.state ?? 'gone'}`));
  if (run.rowDigest !== rowDigest) throw new RetainRefusedError(changed(`the row of run ${runId} was changed`));
}

const changed = (what: string) =>
  `Nothing was released: ${what} since it was verified. Run \`meterfold retain\` again.`;
