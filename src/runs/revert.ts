/**
 * Revert: takes the newest published run back, for the day somebody billed by a wrong price. Its records, open cycles and quarantine go, the
 * run before it is the last one again, and the next run bills the same calls anew; the row of the run stays, with the reason.
 *
 * All of it is one transaction, under a lock that keeps runs from being opened or published meanwhile.
 */
import { type Client, one, type Pool, type Queryable, transaction } from '../postgres/pool.js';
import { deleteRowsOf, storeRowDigest } from './ending.js';
import { iso } from './list.js';

/** The run can't be taken back; the message says why. */
export class RevertRefusedError extends Error {
  override name = 'RevertRefusedError';
}

/** What a revert takes back. bigints and decimals are strings. */
export interface Reversal {
  runId: string;
  /** Log positions that wait to be billed again: after `after` up to and including `to`. */
  range: { after: string; to: string };
  calls: string;
  users: string;
  cycles: string;
  amount: string;
  currency: string;
  pricePerUnit: string;
  quarantinedCalls: string;
  publishedAt: string;
}

/** What a revert of the run would take back. Throws RevertRefusedError. */
export async function readReversal(db: Queryable, runId: string): Promise<Reversal> {
  const { rows } = await db.query<
    Reversal & { state: string; refusal: string | null; retainedPosition: string | null }
  >(
    `select run_id as "runId", json_build_object('after', watermark::text, 'to', sealed_end::text) as range, state,
            calls, users, cycles, trim_scale(amount) as amount, currency, trim_scale(price_per_unit) as "pricePerUnit",
            quarantined_calls as "quarantinedCalls",
            ${iso('published_at')} as "publishedAt",
            (select case other.state
                      when 'active' then format('run %s is in progress and stands on it: let it end, or cancel it by \`meterfold cancel %1$s\`', other.run_id)
                      when 'published' then format('run %s stands on it: only the newest run is reverted', other.run_id)
                      else format('run %s stood on it, and was published before it was reverted: what this one had superseded is gone', other.run_id)
                    end
               from meterfold.runs other
              where other.previous_run_id = run.run_id and other.state <> 'discarded'
              order by other.run_id desc limit 1) as refusal,
            (select max(position) from meterfold.retentions where retentions.run_id >= run.run_id) as "retainedPosition"
       from meterfold.runs run
      where run_id = $1`,
    [runId],
  );
  if (rows[0] === undefined) throw new RevertRefusedError(`There is no run ${runId}: \`meterfold runs\` lists them.`);
  const { state, refusal, retainedPosition, ...reversal } = rows[0];
  if (state === 'active') {
    throw new RevertRefusedError(`Run ${runId} is in progress: give it up by \`meterfold cancel ${runId}\`.`);
  }
  if (state !== 'published') throw new RevertRefusedError(`Run ${runId} is ${state}: there is nothing to take back.`);
  if (retainedPosition !== null) {
    throw new RevertRefusedError(
      `Run ${runId} can't be reverted: \`meterfold retain\` has released the log up to position ${retainedPosition}, and its calls may be gone.`,
    );
  }
  if (refusal !== null) throw new RevertRefusedError(`Run ${runId} can't be reverted: ${refusal}.`);
  return reversal;
}

/** Takes the run back; what it took back. Throws RevertRefusedError. */
export function revertRun(pool: Pool, runId: string, reason: string): Promise<Reversal> {
  return transaction(pool, async (client) => {
    // Whoever opens, publishes or discards a run writes to this table; readers and the activities' share locks go on.
    await client.query('lock table meterfold.runs in share row exclusive mode');
    const reversal = await readReversal(client, runId);
    await deleteRowsOf(client, BigInt(runId));
    await client.query(
      `update meterfold.runs set state = 'reverted', reverted_at = clock_timestamp(), revert_reason = $2 where run_id = $1`,
      [runId, reason],
    );
    await storeRowDigest(client, BigInt(runId));
    await keepSeal(client, reversal.range.to);
    return reversal;
  });
}

/** Up to there every call is committed or gone for good, whoever has begun to write since. */
async function keepSeal(client: Client, sealedEnd: string): Promise<void> {
  one(
    await client.query(
      `insert into meterfold.seals (seal_position, holders) values ($1, '[]')
       on conflict (seal_position) do update set holders = excluded.holders returning seal_position`,
      [sealedEnd],
    ),
  );
}
