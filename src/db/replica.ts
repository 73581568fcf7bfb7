/**
 * The log on a streaming replica. Copying calls out is the largest part of what a run asks of PostgreSQL; a replica takes that off
 * the server that everybody writes to.
 *
 * The seal holds there, too: when its writers had ended, the plan has stored where the primary's own log (WAL) stood. Each of their
 * commits lies before that position, so a replica that has replayed that much shows every call of the run. Until then it is waited for.
 *
 * Nothing is believed of the replica that the primary does not confirm: recount counts and sums the range on the primary.
 */
import { type Client, lend, one, type Pool, prepared, type Queryable } from './pool.js';

/** What LOG_REPLICA_URL names can't stand for the log. */
export class ReplicaUnfitError extends Error {
  override name = 'ReplicaUnfitError';
}

/** It may catch up: tried again. */
export class ReplicaBehindError extends Error {
  override name = 'ReplicaBehindError';
}

/** How far a replica must be: the server whose replica it must be, and the position in its WAL. */
export interface ReplicaTarget {
  systemIdentifier: string;
  lsn: string;
}

const POLL_MS_MIN = 5;
const POLL_MS_MAX = 250;
/** An attempt waits so long; then it fails, and says by how much the replica is behind. */
const WAIT_MS_MAX = 60_000;

/** What the primary says of the run: who it is, and where its WAL stood when the run was sealed. */
export async function replicaTarget(primary: Queryable, runId: bigint): Promise<ReplicaTarget> {
  return one(
    await primary.query<ReplicaTarget>(
      prepared(
        `select system.system_identifier::text as "systemIdentifier", run.sealed_lsn::text as lsn
           from meterfold.runs run, pg_control_system() system
          where run.run_id = $1`,
        [runId.toString()],
      ),
    ),
  );
}

/** Lends a connection of the replica, in a transaction that reads only, once it has come as far as the target. */
export async function readReplica<T>(
  replica: Pool,
  target: ReplicaTarget,
  signal: AbortSignal,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  // If it aborts, to close the connection is all it takes: nothing that it reads is locked.
  return lend(replica, { signal }, async (client) => {
    await catchUp(client, target, signal);
    await client.query('begin isolation level read committed read only');
    const result = await work(client);
    await client.query('commit');
    return result;
  });
}

async function catchUp(client: Client, { systemIdentifier, lsn }: ReplicaTarget, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + WAIT_MS_MAX;
  for (let pollMs = POLL_MS_MIN; ; pollMs = Math.min(POLL_MS_MAX, pollMs * 2)) {
    signal.throwIfAborted();
    const state = await readReplicaState(client, lsn);
    checkReplica(state, systemIdentifier);
    if (state.behindBytes <= 0n) return;
    if (Date.now() >= deadline) {
      throw new ReplicaBehindError(
        `the replica of LOG_REPLICA_URL is ${state.behindBytes} bytes of WAL behind the end of the run, ${WAIT_MS_MAX / 1000} s after it was asked`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

interface ReplicaState {
  isReplica: boolean;
  systemIdentifier: string;
  /** Negative or 0 once it has replayed what it must. */
  behindBytes: bigint;
}

/** Where a replica stands, measured from a position in the primary's WAL. */
async function readReplicaState(replica: Queryable, lsn: string): Promise<ReplicaState> {
  const row = one(
    await replica.query<{ isReplica: boolean; systemIdentifier: string; behindBytes: string | null }>(
      prepared(
        `select pg_is_in_recovery() as "isReplica", system_identifier::text as "systemIdentifier",
                pg_wal_lsn_diff($1::pg_lsn, pg_last_wal_replay_lsn())::text as "behindBytes"
           from pg_control_system()`,
        [lsn],
      ),
    ),
  );
  return { ...row, behindBytes: BigInt(row.behindBytes ?? 0) };
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

/** How many bytes of WAL a replica is behind its primary, now. Throws ReplicaUnfitError. */
export async function replicaLagBytes(primary: Queryable, replica: Queryable): Promise<bigint> {
  const target = one(
    await primary.query<ReplicaTarget>(
      `select system_identifier::text as "systemIdentifier", pg_current_wal_insert_lsn()::text as lsn from pg_control_system()`,
    ),
  );
  const state = await readReplicaState(replica, target.lsn);
  checkReplica(state, target.systemIdentifier);
  return state.behindBytes > 0n ? state.behindBytes : 0n;
}
