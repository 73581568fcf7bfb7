/**
 * The log on a streaming replica. Copying calls out is the largest part of what a run asks of PostgreSQL; a replica takes that off
 * the server that everybody writes to.
 *
 * A replica shows the past, and after a failover perhaps another past than the primary's: one that had received more than the standby
 * which was promoted can't follow it, and continues to serve what was lost. Neither the system identifier nor a position in the WAL
 * tells the two apart, and both histories give the same ids again. So the plan stores a random number in the run's row when it has
 * sealed the run (runs.seal_id), and
 *
 *   a snapshot of the replica that shows the row as the primary sealed it holds the commit of the seal,
 *   hence all that was committed before it, hence all calls of the run: their writers had ended.
 *
 * Each part of a partition is read in one such snapshot; while the replica does not show the row, it is waited for. The recount on the
 * primary then compares the digest as well (recount.ts).
 */
import { begin, type Client, one, type Pool, prepared, type Queryable, withClient } from '../postgres/pool.js';

/** What LOG_REPLICA_URL names can't stand for the log. */
export class ReplicaUnfitError extends Error {
  override name = 'ReplicaUnfitError';
}

/** It may catch up: tried again. */
export class ReplicaBehindError extends Error {
  override name = 'ReplicaBehindError';
}

/** What a replica must show: whose replica it is, and the run as the primary has sealed it. */
export interface ReplicaTarget {
  systemIdentifier: string;
  /** A position in the primary's WAL, at or after the commit of the seal. */
  lsn: string;
  run: SealedRun;
}

interface SealedRun {
  runId: string;
  sealId: string;
  executionRunId: string;
  sealPosition: string;
  sealedEnd: string;
}

const POLL_MS_MIN = 5;
const POLL_MS_MAX = 250;
/** An attempt waits so long; then it fails, and says what the replica lacks. */
const WAIT_MS_MAX = 15_000;

/** A table, a column or the schema that the replica has not received yet, of a migration just before the run. */
const NOT_RECEIVED = new Set(['42P01', '42703', '3F000']);
/** What a managed server answers where it refuses a function: privilege, state, feature, or none of that name. */
const REFUSED = new Set(['42501', '55000', '0A000', '42883']);

/** What the primary says of a run; undefined if an earlier version has planned it, whose seals have no number. */
export async function replicaTarget(primary: Queryable, runId: bigint): Promise<ReplicaTarget | undefined> {
  const { systemIdentifier, lsn, sealId, ...run } = one(
    await askedOfWal('DATABASE_URL', () =>
      primary.query<Omit<SealedRun, 'sealId'> & Omit<ReplicaTarget, 'run'> & { sealId: string | null }>(
        prepared(
          `select system.system_identifier::text as "systemIdentifier", pg_current_wal_insert_lsn()::text as lsn,
                  run.run_id as "runId", run.seal_id as "sealId", run.execution_run_id as "executionRunId",
                  run.seal_position as "sealPosition", run.sealed_end as "sealedEnd"
             from meterfold.runs run, pg_control_system() system
            where run.run_id = $1`,
          [runId.toString()],
        ),
      ),
    ),
  );
  return sealId === null ? undefined : { systemIdentifier, lsn, run: { ...run, sealId } };
}

/**
 * Lends a connection of the replica, in a transaction on one snapshot, which shows the run as the primary has sealed it. Waits for such
 * a snapshot. Throws ReplicaUnfitError where there can be none, and ReplicaBehindError after WAIT_MS_MAX.
 */
export async function readReplica<T>(
  replica: Pool,
  target: ReplicaTarget,
  signal: AbortSignal,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  // If it aborts, to close the connection is all it takes: nothing that it reads is locked.
  return withClient(replica, { signal }, async (client) => {
    await beginSealed(client, target, signal);
    const result = await work(client);
    await client.query('commit');
    return result;
  });
}

/** Begins a transaction whose snapshot shows the run as it was sealed. */
async function beginSealed(client: Client, target: ReplicaTarget, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + WAIT_MS_MAX;
  let wasPast = false;
  for (let pollMs = POLL_MS_MIN; ; pollMs = Math.min(POLL_MS_MAX, pollMs * 2)) {
    signal.throwIfAborted();
    await begin(client, 'isolation level repeatable read, read only');
    const state = await readReplicaState(client, target.lsn);
    checkReplica(state, target.systemIdentifier);
    const known = state.behindBytes !== undefined;
    if (known && (await showsSealed(client, target.run))) return;
    await client.query('rollback');
    // Past the seal's commit before this snapshot was taken, it would show the row if it had replayed that commit.
    if (wasPast) throw new ReplicaUnfitError(otherTimeline(target.run.runId));
    wasPast = known && state.behindBytes! <= 0n;
    if (Date.now() >= deadline) throw new ReplicaBehindError(notShown(target.run.runId, state));
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** Whether the transaction's snapshot has the run's row as the primary sealed it. Where it fails, it is undone by the caller's rollback. */
async function showsSealed(replica: Client, run: SealedRun): Promise<boolean> {
  try {
    const { rowCount } = await replica.query(
      prepared(
        `select from meterfold.runs
          where run_id = $1 and seal_id = $2 and execution_run_id = $3 and seal_position = $4 and sealed_end = $5 and state = 'active'`,
        [run.runId, run.sealId, run.executionRunId, run.sealPosition, run.sealedEnd],
      ),
    );
    return rowCount === 1;
  } catch (error) {
    if (NOT_RECEIVED.has((error as { code?: string }).code ?? '')) return false;
    throw error;
  }
}

function otherTimeline(runId: string): string {
  return (
    `the replica of LOG_REPLICA_URL is past the position at which the primary has sealed run ${runId}, and does not show the run as it was ` +
    'sealed: it follows another timeline, from before a failover; rebuild it from the primary, or unset LOG_REPLICA_URL'
  );
}

function notShown(runId: string, { behindBytes }: ReplicaState): string {
  const behind =
    behindBytes === undefined
      ? 'the server does not say how far it has replayed'
      : `it is ${behindBytes} bytes of WAL behind`;
  return (
    `the replica of LOG_REPLICA_URL does not show run ${runId} as the primary has sealed it, ${WAIT_MS_MAX / 1000} s after it was asked: ` +
    `${behind}; if it does not catch up, it follows another timeline since a failover: rebuild it from the primary, or unset LOG_REPLICA_URL`
  );
}

interface ReplicaState {
  isReplica: boolean;
  systemIdentifier: string;
  /** Null where the server does not say. */
  replayedLsn: string | null;
  /** Negative or 0 once it has replayed what it must; undefined where the server does not say. */
  behindBytes: bigint | undefined;
}

/** Where a replica stands, measured from a position in the primary's WAL. */
async function readReplicaState(replica: Queryable, lsn: string): Promise<ReplicaState> {
  const row = one(
    await askedOfWal('LOG_REPLICA_URL', () =>
      replica.query<Omit<ReplicaState, 'behindBytes'> & { behindBytes: string | null }>(
        prepared(
          `select pg_is_in_recovery() as "isReplica", system_identifier::text as "systemIdentifier",
                  pg_last_wal_replay_lsn()::text as "replayedLsn",
                  pg_wal_lsn_diff($1::pg_lsn, pg_last_wal_replay_lsn())::text as "behindBytes"
             from pg_control_system()`,
          [lsn],
        ),
      ),
    ),
  );
  return { ...row, behindBytes: row.behindBytes === null ? undefined : BigInt(row.behindBytes) };
}

function checkReplica({ isReplica, systemIdentifier }: ReplicaState, expected: string): void {
  if (!isReplica) {
    throw new ReplicaUnfitError(
      'LOG_REPLICA_URL names a server that is no replica: give the URL of a streaming replica of the server of DATABASE_URL, or unset it',
    );
  }
  if (systemIdentifier !== expected) {
    throw new ReplicaUnfitError(
      `LOG_REPLICA_URL names a replica of another server (system identifier ${systemIdentifier}, not ${expected}): give one of the server of DATABASE_URL, or unset it`,
    );
  }
}

/** Asks one of the two servers for its identity and position, which a managed server may refuse to say. */
export async function askedOfWal<T>(variable: string, query: () => Promise<T>): Promise<T> {
  try {
    return await query();
  } catch (cause) {
    const { code, message } = cause as Error & { code?: string };
    if (!REFUSED.has(code ?? '')) throw cause;
    throw new ReplicaUnfitError(
      `the server of ${variable} does not say where it stands in its WAL (${message}), so that a replica can't be compared with it: unset LOG_REPLICA_URL`,
      { cause },
    );
  }
}

/** How many bytes of WAL a replica is behind its primary, now. Throws ReplicaUnfitError. */
export async function replicaLagBytes(primary: Queryable, replica: Queryable): Promise<bigint> {
  const state = await readReplicaState(replica, '0/0');
  // Asked later, the primary can't be behind a replica of its own.
  const { systemIdentifier, behindBytes } = one(
    await askedOfWal('DATABASE_URL', () =>
      primary.query<{ systemIdentifier: string; behindBytes: string | null }>(
        `select system_identifier::text as "systemIdentifier",
                pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::pg_lsn)::text as "behindBytes"
           from pg_control_system()`,
        [state.replayedLsn],
      ),
    ),
  );
  checkReplica(state, systemIdentifier);
  if (behindBytes === null) {
    throw new ReplicaUnfitError(
      'the replica of LOG_REPLICA_URL does not say how far it has replayed: give the URL of a streaming replica, or unset it',
    );
  }
  if (BigInt(behindBytes) < 0n) {
    throw new ReplicaUnfitError(
      'the replica of LOG_REPLICA_URL has replayed more than the primary has written: it follows another timeline, from before a failover; ' +
        'rebuild it from the primary, or unset LOG_REPLICA_URL',
    );
  }
  return BigInt(behindBytes);
}
