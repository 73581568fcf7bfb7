/**
 * Reads the log from a streaming replica. Copying calls out is the largest part of a run's load on PostgreSQL; a
 * replica removes that load from the primary.
 *
 * A replica lags behind the primary, and after a failover it may have diverged: a replica that had received more WAL
 * than the promoted standby cannot follow it, and continues to serve what was lost. Neither the system identifier nor a
 * WAL position distinguishes the two timelines, and both assign the same ids. Therefore the plan stores a random number
 * in the run's row when it seals the run (runs.seal_id), and
 *
 *   a snapshot of the replica that shows the row as sealed on the primary includes the commit of the seal,
 *   hence everything committed before it, hence all calls of the run, whose writers had ended.
 *
 * Each subrange of a partition is read in one such snapshot. If the replica does not show the row yet, the attempt
 * waits. The recount on the primary then compares the digest as well (recount.ts).
 */
import { begin, type Client, one, type Pool, prepared, type Queryable, withClient } from '../postgres/pool.js';

/** The server of LOG_REPLICA_URL cannot replace the primary for reading the log. Not retried. */
export class ReplicaUnfitError extends Error {
  override name = 'ReplicaUnfitError';
}

/** The replica does not show the sealed run yet. Retried, because it may catch up. */
export class ReplicaBehindError extends Error {
  override name = 'ReplicaBehindError';
}

/** What a replica must show: the primary's system identifier, and the run as sealed on the primary. */
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
/** How long an attempt waits for the replica before it fails. */
const WAIT_MS_MAX = 15_000;

/**
 * SQLSTATEs of a missing table, column or schema: the replica has not yet replayed a migration that preceded the run.
 */
const NOT_RECEIVED = new Set(['42P01', '42703', '3F000']);
/** SQLSTATEs with which managed servers refuse a function: privilege, state, unsupported feature, unknown function. */
const REFUSED = new Set(['42501', '55000', '0A000', '42883']);

/**
 * Reads from the primary what a replica must show for a run; undefined for a run of an earlier version, whose seal has
 * no number.
 */
export async function replicaTarget(primary: Queryable, runId: bigint): Promise<ReplicaTarget | undefined> {
  const { systemIdentifier, lsn, sealId, ...run } = one(
    await queryWalState('DATABASE_URL', () =>
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
 * Runs `work` on the replica in a transaction whose snapshot shows the run as sealed on the primary. Waits for such a
 * snapshot. Throws ReplicaUnfitError if there can be none, and ReplicaBehindError after WAIT_MS_MAX.
 */
export async function readReplica<T>(
  replica: Pool,
  target: ReplicaTarget,
  signal: AbortSignal,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  // On abort it is enough to close the connection, because the read holds no locks.
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
    // The replica was past the seal's commit before this snapshot was taken. If it had replayed that commit, it would
    // show the row.
    if (wasPast) throw new ReplicaUnfitError(otherTimeline(target.run.runId));
    wasPast = known && state.behindBytes! <= 0n;
    if (Date.now() >= deadline) throw new ReplicaBehindError(notShown(target.run.runId, state));
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/**
 * Returns whether the transaction's snapshot shows the run's row as sealed on the primary. After an error the caller
 * rolls back.
 */
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
    `the replica of LOG_REPLICA_URL is past the WAL position at which the primary sealed run ${runId}, but does not show the run as it was ` +
    'sealed: it follows another timeline, from before a failover; rebuild it from the primary, or unset LOG_REPLICA_URL'
  );
}

function notShown(runId: string, { behindBytes }: ReplicaState): string {
  const behind =
    behindBytes === undefined
      ? 'the server does not report how far it has replayed'
      : `it is ${behindBytes} bytes of WAL behind`;
  return (
    `the replica of LOG_REPLICA_URL did not show run ${runId} as sealed on the primary within ${WAIT_MS_MAX / 1000} s: ` +
    `${behind}; if it does not catch up, it follows another timeline since a failover: rebuild it from the primary, or unset LOG_REPLICA_URL`
  );
}

interface ReplicaState {
  isReplica: boolean;
  systemIdentifier: string;
  /** Null if the server does not report it. */
  replayedLsn: string | null;
  /** At most 0 once it has replayed the required position; undefined if the server does not report it. */
  behindBytes: bigint | undefined;
}

/** Reads a replica's progress relative to a position in the primary's WAL. */
async function readReplicaState(replica: Queryable, lsn: string): Promise<ReplicaState> {
  const row = one(
    await queryWalState('LOG_REPLICA_URL', () =>
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
      'LOG_REPLICA_URL names a server that is not a replica: give the URL of a streaming replica of the server of DATABASE_URL, or unset it',
    );
  }
  if (systemIdentifier !== expected) {
    throw new ReplicaUnfitError(
      `LOG_REPLICA_URL names a replica of another server (system identifier ${systemIdentifier}, not ${expected}): give one of the server of DATABASE_URL, or unset it`,
    );
  }
}

/** Queries the primary or the replica for its identity and WAL position, which a managed server may refuse. */
export async function queryWalState<T>(variable: string, query: () => Promise<T>): Promise<T> {
  try {
    return await query();
  } catch (cause) {
    const { code, message } = cause as Error & { code?: string };
    if (!REFUSED.has(code ?? '')) throw cause;
    throw new ReplicaUnfitError(
      `the server of ${variable} does not report its position in the WAL (${message}), so a replica can't be compared with it: unset LOG_REPLICA_URL`,
      { cause },
    );
  }
}

/** Returns the number of bytes of WAL by which a replica is behind its primary. Throws ReplicaUnfitError. */
export async function replicaLagBytes(primary: Queryable, replica: Queryable): Promise<bigint> {
  const state = await readReplicaState(replica, '0/0');
  // The primary is queried last, so it cannot be behind its own replica.
  const { systemIdentifier, behindBytes } = one(
    await queryWalState('DATABASE_URL', () =>
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
      'the replica of LOG_REPLICA_URL does not report how far it has replayed: give the URL of a streaming replica, or unset it',
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
