/**
 * Revert: undoes the newest published run, for example after billing at the wrong price. The records, open cycles and
 * quarantined calls of the run are deleted, the previous run becomes the newest one, and the next run bills the same
 * calls again. The row of the run remains, with the reason.
 *
 * A revert is one transaction. Its table lock prevents runs from being opened or published at the same time.
 */
import type { PriceTerms } from '../billing/price.js';
import { type Client, one, type Pool, type Queryable, transaction } from '../postgres/pool.js';
import { TERMS_SQL } from '../schema/terms.js';
import { deleteRowsOf, storeRowDigest } from './ending.js';
import { iso } from './iso-time.js';

/** The run cannot be reverted; the message says why. */
export class RevertRefusedError extends Error {
  override name = 'RevertRefusedError';
}

/** What a revert undoes. bigints and decimals are strings. */
export interface Reversal extends PriceTerms {
  runId: string;
  /** Log positions to be billed again: after `after` up to and including `to`. */
  range: { after: string; to: string };
  calls: string;
  users: string;
  cycles: string;
  amount: string;
  quarantinedCalls: string;
  publishedAt: string;
}

/** What a revert of the run would undo. Throws RevertRefusedError. */
export async function readReversal(db: Queryable, runId: string): Promise<Reversal> {
  const { rows } = await db.query<
    Reversal & { state: string; refusal: string | null; retainedPosition: string | null }
  >(
    `select run_id as "runId", json_build_object('after', watermark::text, 'to', sealed_end::text) as range, state,
            calls, users, cycles, trim_scale(amount) as amount, ${TERMS_SQL},
            quarantined_calls as "quarantinedCalls",
            ${iso('published_at')} as "publishedAt",
            (select case other.state
                      when 'active' then format('run %s, which is in progress, continues from it: wait until that run has '
                             || 'ended, or cancel it by \`meterfold cancel %1$s\`', other.run_id)
                      when 'published' then format('run %s was published after it, and only the newest run can be reverted',
                                                   other.run_id)
                      else format('run %s was published after it and then reverted: the open cycles that this run had '
                             || 'superseded are deleted', other.run_id)
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
    throw new RevertRefusedError(`Run ${runId} is in progress: cancel it by \`meterfold cancel ${runId}\`.`);
  }
  if (state !== 'published') {
    throw new RevertRefusedError(`Run ${runId} is ${state}: only a published run can be reverted.`);
  }
  if (retainedPosition !== null) {
    throw new RevertRefusedError(
      `Run ${runId} cannot be reverted: \`meterfold retain\` has released the log up to position ${retainedPosition}, ` +
        'and its calls may be gone.',
    );
  }
  if (refusal !== null) throw new RevertRefusedError(`Run ${runId} cannot be reverted: ${refusal}.`);
  return reversal;
}

/** Reverts the run, and returns what it undid. Throws RevertRefusedError. */
export function revertRun(pool: Pool, runId: string, reason: string): Promise<Reversal> {
  return transaction(pool, async (client) => {
    // Opening, publishing and discarding a run write to this table and wait. Readers and share locks of activities do
    // not.
    await client.query('lock table meterfold.runs in share row exclusive mode');
    const reversal = await readReversal(client, runId);
    await deleteRowsOf(client, BigInt(runId));
    await client.query(
      `update meterfold.runs
          set state = 'reverted', reverted_at = clock_timestamp(), revert_reason = $2
        where run_id = $1`,
      [runId, reason],
    );
    await storeRowDigest(client, BigInt(runId));
    await keepSeal(client, reversal.range.to);
    return reversal;
  });
}

/**
 * Stores the run's end as a seal without holders: every call up to there is committed or gone, so the next run need not
 * wait.
 */
async function keepSeal(client: Client, sealedEnd: string): Promise<void> {
  one(
    await client.query(
      `insert into meterfold.seals (seal_position, holders) values ($1, '[]')
       on conflict (seal_position) do update set holders = excluded.holders returning seal_position`,
      [sealedEnd],
    ),
  );
}
