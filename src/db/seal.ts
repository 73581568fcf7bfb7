/**
 * Sealing: finds a log position up to which every call is either committed or gone for good.
 *
 * Ids come from a sequence and transactions commit out of that order, so max(id) can hide a smaller id that is still to commit.
 * In this order:
 *
 * 1. Read the sequence: M.
 * 2. Commit M to the run row, durably. Until a later commit is flushed, a crash rewinds the sequence and the same ids are given
 *    again; after this commit they can't be.
 * 3. In a second statement, list the writers: whoever holds a RowExclusiveLock on the log. Wait, bounded, until each has ended.
 *
 * A call with an id up to M took that lock before it took its id, so its transaction is on the list or has ended. No writer waits,
 * and none has to know of meterfold. Where the wait times out, (M, writers) is stored: a later run may bill up to the largest
 * stored M whose writers have ended, whoever else has begun to write since.
 */
import { stillWriting, type Writer } from '../domain/writers.js';
import { one, type Pool, type Queryable } from './pool.js';

/** The log or its sequence is not what sealing stands on; the run stops. */
export class LogSequenceError extends Error {
  override name = 'LogSequenceError';
}

export interface Seal {
  sealedEnd: bigint;
  /** Those who kept the end from being later; empty when nobody did. */
  heldUpBy: Writer[];
}

export interface SealOptions {
  watermark: bigint;
  waitMs: number;
  /** Called while waiting; throws to give up. */
  onWait: () => Promise<void>;
}

const POLL_MS_MIN = 10;
const POLL_MS_MAX = 250;

export async function sealRun(pool: Pool, runId: bigint, options: SealOptions): Promise<Seal> {
  const position = await readSequence(pool, options.watermark);
  await pool.query(
    `with durable as (select set_config('synchronous_commit', 'on', true))
     update meterfold.runs set seal_position = $2 from durable where run_id = $1 and state = 'active'`,
    [runId.toString(), position.toString()],
  );
  let writers = await listWriters(pool);
  const deadline = Date.now() + options.waitMs;
  for (
    let pollMs = POLL_MS_MIN;
    writers.length > 0 && Date.now() < deadline;
    pollMs = Math.min(POLL_MS_MAX, pollMs * 2)
  ) {
    await options.onWait();
    await new Promise((resolve) => setTimeout(resolve, pollMs));
    writers = stillWriting(writers, await listWriters(pool));
  }
  if (writers.length === 0) return { sealedEnd: position, heldUpBy: [] };

  await pool.query(
    `insert into meterfold.seals (seal_position, holders) values ($1, $2)
     on conflict (seal_position) do update set holders = excluded.holders`,
    [position.toString(), JSON.stringify(writers)],
  );
  const safe = await largestSafeSeal(pool);
  return { sealedEnd: safe > options.watermark ? safe : options.watermark, heldUpBy: writers };
}

/** Forgets the seals that a published or planned end has overtaken. */
export async function dropSealsUpTo(db: Queryable, position: bigint): Promise<void> {
  await db.query('delete from meterfold.seals where seal_position <= $1', [position.toString()]);
}

async function largestSafeSeal(pool: Pool): Promise<bigint> {
  const { rows } = await pool.query<{ seal_position: string; holders: Writer[] }>(
    'select seal_position, holders from meterfold.seals order by seal_position desc',
  );
  const now = await listWriters(pool);
  const safe = rows.find((row) => stillWriting(row.holders, now).length === 0);
  return safe === undefined ? 0n : BigInt(safe.seal_position);
}

/** Transactions that may have written to the log and have not ended. What of them one may not see is null. */
export async function listWriters(db: Queryable): Promise<Writer[]> {
  const { rows } = await db.query<Writer>(`
    select lock.virtualtransaction as transaction,
           min(lock.pid) as pid,
           min(activity.application_name) as application,
           min(activity.usename) as "user",
           to_char(min(coalesce(activity.xact_start, prepared.prepared)), 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "startedAt"
      from pg_locks lock
      left join pg_stat_activity activity on activity.pid = lock.pid
      left join pg_prepared_xacts prepared on lock.pid is null and lock.virtualtransaction = '-1/' || prepared.transaction::text
     where lock.locktype = 'relation'
       and lock.mode = 'RowExclusiveLock'
       and lock.granted
       and lock.database = (select oid from pg_database where datname = current_database())
       -- The tree of a table without partitions is empty: it does not even hold the table itself.
       and (lock.relation = 'public.api_logs'::regclass
            or lock.relation in (select relid from pg_partition_tree('public.api_logs')))
       and lock.pid is distinct from pg_backend_pid()
     group by lock.virtualtransaction
     order by "startedAt"`);
  return rows;
}

/** The last position given out, after checking that sealing can rely on the sequence. Throws LogSequenceError. */
async function readSequence(db: Queryable, watermark: bigint): Promise<bigint> {
  const { name } = one(
    await db.query<{ name: string | null }>(`select pg_get_serial_sequence('public.api_logs', 'id') as name`),
  );
  if (name === null) {
    throw new LogSequenceError(
      'public.api_logs.id has no sequence: make it an identity column, as `meterfold migrate` does',
    );
  }
  const read = async () =>
    one(
      await db.query<{ position: string; increment: string; cycles: boolean; cache: string }>(
        `select case when state.is_called then state.last_value else state.last_value - 1 end as position,
                definition.seqincrement as increment, definition.seqcycle as cycles, definition.seqcache as cache
           from ${name} state, pg_sequence definition
          where definition.seqrelid = $1::regclass`,
        [name],
      ),
    );
  const sequence = await read();
  const position = BigInt(sequence.position);
  if (BigInt(sequence.increment) <= 0n || sequence.cycles || BigInt(sequence.cache) !== 1n) {
    throw new LogSequenceError(
      `sequence ${name} must ascend without cycle or cache: alter sequence ${name} increment 1 no cycle cache 1`,
    );
  }
  if (position < watermark) {
    throw new LogSequenceError(
      `sequence ${name} stands at ${position}, before the watermark ${watermark}: the log was truncated with restart, or its sequence ` +
        `set back, and new calls would get positions that are billed already. Set it forward: select setval('${name}', ${watermark})`,
    );
  }
  const { last } = one(await db.query<{ last: string | null }>('select max(id) as last from public.api_logs'));
  const after = BigInt((await read()).position);
  if (last !== null && BigInt(last) > after) {
    throw new LogSequenceError(
      `call ${last} lies beyond its sequence ${name}, which stands at ${after}: ids were written by hand or by replication. ` +
        `Set the sequence forward: select setval('${name}', ${last})`,
    );
  }
  return position;
}
