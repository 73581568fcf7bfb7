/** The recount: a range of the log, counted by plain SQL that shares nothing with map and reduce. */
import { digestText } from '../billing/digest.js';
import type { RecountOutcome } from '../billing/proof.js';
import type { PositionRange } from '../engine/cuts.js';
import { type Client, one } from '../postgres/pool.js';

/** Of one call, as the header of src/billing/digest.ts defines it. Null for a call without a user or a usage, which is in quarantine. */
const HASH = `hashint8extended(call.id, hashtextextended(call.user_id collate "C", 0) # call.usage)`;

/**
 * Counts calls and usage. In parallel it is sooner done where there are processors that have nothing else to do, and takes a fifth
 * more of them.
 */
export async function recountRange(client: Client, range: PositionRange, parallel: boolean): Promise<RecountOutcome> {
  if (!parallel) await client.query('set local max_parallel_workers_per_gather = 0');
  return one(
    await client.query<RecountOutcome>(
      `select count(*)::text as calls, coalesce(sum(usage), 0)::text as usage
         from public.api_logs
        where id >= $1 and id <= $2`,
      [range.first.toString(), range.last.toString()],
    ),
  );
}

/** The same, with the digest of the calls that the run has not put into quarantine. */
export async function recountWithDigest(
  client: Client,
  runId: bigint,
  range: PositionRange,
  parallel: boolean,
): Promise<RecountOutcome> {
  if (!parallel) await client.query('set local max_parallel_workers_per_gather = 0');
  const { calls, usage, digest } = one(
    await client.query<Required<RecountOutcome>>(
      // The sum of bigint is exact. Calls in quarantine are few: each is looked up once more.
      `select count(*)::text as calls, coalesce(sum(call.usage), 0)::text as usage,
              (coalesce(sum(${HASH}), 0)
                 - (select coalesce(sum(${HASH}), 0)
                      from meterfold.quarantine aside
                      join public.api_logs call on call.id = aside.log_position
                     where aside.run_id = $3))::text as digest
         from public.api_logs call
        where call.id >= $1 and call.id <= $2`,
      [range.first.toString(), range.last.toString(), runId.toString()],
    ),
  );
  return { calls, usage, digest: digestText(BigInt(digest)) };
}
