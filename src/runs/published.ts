/** Reads the figures of a published run from its row. */
import type { PublishedFigures } from '../billing/proof.js';
import { one, prepared, type Queryable } from '../postgres/pool.js';

export async function readPublished(db: Queryable, runId: bigint): Promise<PublishedFigures> {
  const row = one(
    await db.query(
      prepared(
        `select calls, users, cycles, usage, billed_usage, trim_scale(amount)::text as amount, proof ->> 'digest' as digest,
                carried_in_calls, carried_in_usage, carried_out_calls, carried_out_usage,
                quarantined_calls, quarantined_usage
           from meterfold.runs where run_id = $1 and state in ('published', 'reverted')`,
        [runId.toString()],
      ),
    ),
  );
  return {
    calls: row.calls,
    users: row.users,
    cycles: row.cycles,
    usage: row.usage,
    billedUsage: row.billed_usage,
    amount: row.amount,
    carriedIn: { calls: row.carried_in_calls, usage: row.carried_in_usage },
    carriedOut: { calls: row.carried_out_calls, usage: row.carried_out_usage },
    quarantined: { calls: row.quarantined_calls, usage: row.quarantined_usage },
    digest: row.digest,
  };
}
