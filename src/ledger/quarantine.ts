/** Calls that cannot be billed, and that a run with BAD_CALLS=quarantine has quarantined. The view quarantined_calls shows them. */

import type { CallSum } from '../billing/proof.js';
import type { PositionRange } from '../engine/cuts.js';
import type { BadCall } from '../log/reader.js';
import { one, type Queryable } from '../postgres/pool.js';

/** Stores the quarantined calls of a partition. The table has no schema here: backups/attempt.ts says why. */
export async function storeQuarantine(db: Queryable, runId: bigint, calls: readonly BadCall[]): Promise<void> {
  await db.query(
    `insert into quarantine (run_id, log_position, usage, reason)
     select $1, log_position, usage, reason
       from unnest($2::bigint[], $3::bigint[], $4::text[]) as call (log_position, usage, reason)`,
    [
      String(runId),
      calls.map(({ id }) => String(id)),
      calls.map(({ usage }) => (usage === null ? null : String(usage))),
      calls.map(({ reason }) => reason),
    ],
  );
}

/** Deletes the quarantined calls of a partition, before map restarts it. */
export async function deleteQuarantined(db: Queryable, runId: bigint, { first, last }: PositionRange): Promise<void> {
  await db.query('delete from meterfold.quarantine where run_id = $1 and log_position between $2 and $3', [
    String(runId),
    String(first),
    String(last),
  ]);
}

/** The run's quarantined calls, counted in the table. */
export async function readQuarantined(db: Queryable, runId: bigint): Promise<CallSum> {
  const { calls, usage } = one(
    await db.query<{ calls: string; usage: string }>(
      'select count(*) as calls, coalesce(sum(usage), 0) as usage from meterfold.quarantine where run_id = $1',
      [String(runId)],
    ),
  );
  return { calls: BigInt(calls), usage: BigInt(usage) };
}
