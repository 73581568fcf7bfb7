/**
 * Sealing: finds a log position up to which every call is either committed or will never be.
 *
 * Ids come from a sequence, and transactions commit in another order. So max(id) is not a safe end: a smaller id may be
 * committed later. The steps, in this order:
 *
 * 1. Read the sequence: M.
 * 2. Commit M to the run's row, durably, by the same statement. Until a later commit is flushed to disk, a crash
 *    rewinds the sequence, and the same ids are assigned again; after this commit they cannot be. If another statement
 *    read M, a crash between the two could rewind the sequence before M is committed.
 * 3. In a second statement, list the writers (src/log/writers.ts). Wait until each of them has ended, for a limited
 *    time.
 *
 * A call with an id up to M took its locks before its id, so its transaction is in the list or has ended. Writers never
 * wait, and need not know of meterfold. If the wait times out, (M, writers) is stored. A later run may bill up to the
 * largest stored M whose writers have ended, even if other transactions have begun to write since.
 *
 * M is valid only in the history in which it was committed. While this waits, the database may be restored, or fail
 * over to a standby that lags behind, and then ids up to M may be assigned again. So a seal is stored only if the run's
 * row is still the version that committed M; otherwise the attempt fails, and the next one seals again. The same check
 * stops an attempt that a later one has overtaken.
 */

import type { Writer } from '../contract/writer.js';
import { inspectSequence, noSequence, positionSql } from '../log/sequence.js';
import { listWriters, stillWriting } from '../log/writers.js';
import { one, type Pool, prepared, type Queryable } from '../postgres/pool.js';
import { RunGoneError } from './run.js';

/** The log or its sequence does not meet what sealing relies on. The run stops. */
export class LogSequenceError extends Error {
  override name = 'LogSequenceError';
}

export interface Seal {
  sealedEnd: bigint;
  /** Transactions that kept the end from being later. */
  blockedBy: Writer[];
  /** The version of the run's row: the transaction that committed the position (xmin). */
  version: string;
}

/**
 * The run's row is not the version that the seal committed: another attempt has sealed it since, or the database was
 * restored.
 */
export class SealOvertakenError extends Error {
  override name = 'SealOvertakenError';

  constructor(runId: bigint) {
    super(`run ${runId} was sealed by another attempt meanwhile, or the database was restored: its plan is retried`);
  }
}

export interface SealOptions {
  watermark: bigint;
  waitMs: number;
  /** Called before each wait. What it throws ends the sealing. */
  onWait: () => Promise<void>;
}

const POLL_MS_MIN = 10;
const POLL_MS_MAX = 250;

export async function sealRun(pool: Pool, runId: bigint, options: SealOptions): Promise<Seal> {
  const sequence = await checkedSequence(pool, options.watermark);
  const { position, version } = await commitPosition(pool, runId, sequence);
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
  if (writers.length === 0) return { sealedEnd: position, blockedBy: [], version };

  const stored = await pool.query(
    `insert into meterfold.seals (seal_position, holders)
     select $1, $2 from meterfold.runs where run_id = $3 and xmin = $4::xid
     on conflict (seal_position) do update set holders = excluded.holders`,
    [position.toString(), JSON.stringify(writers), runId.toString(), version],
  );
  if (stored.rowCount === 0) throw new SealOvertakenError(runId);
  const safe = await largestSafeSeal(pool);
  if (safe >= position) return { sealedEnd: position, blockedBy: [], version };
  return { sealedEnd: safe > options.watermark ? safe : options.watermark, blockedBy: writers, version };
}

/** Deletes the seals up to a position that a run has sealed. */
export async function dropSealsUpTo(db: Queryable, position: bigint): Promise<void> {
  await db.query(prepared('delete from meterfold.seals where seal_position <= $1', [position.toString()]));
}

async function largestSafeSeal(pool: Pool): Promise<bigint> {
  const { rows } = await pool.query<{ seal_position: string; holders: Writer[] }>(
    'select seal_position, holders from meterfold.seals order by seal_position desc',
  );
  const now = await listWriters(pool);
  const safe = rows.find((row) => stillWriting(row.holders, now).length === 0);
  return safe === undefined ? 0n : BigInt(safe.seal_position);
}

/** The name of the sequence, after checking that sealing can rely on it. Throws LogSequenceError. */
async function checkedSequence(db: Queryable, watermark: bigint): Promise<string> {
  const seals = await db.query<{ last: string }>(
    prepared('select coalesce(max(seal_position), 0) as last from meterfold.seals'),
  );
  const sealed = BigInt(one(seals).last);
  const sequence = await inspectSequence(db);
  if (sequence === undefined) {
    const { what, fix } = await noSequence(db);
    throw new LogSequenceError(`${what}: ${fix}`);
  }
  const { name, position, faults } = sequence;
  const last = sealed > watermark ? sealed : watermark;
  if (position < last) {
    const passed = last === watermark ? `the watermark ${last}` : `${last}, up to which the log was sealed`;
    throw new LogSequenceError(
      `sequence ${name} stands at ${position}, before ${passed}: the log was truncated with restart, or its sequence set back, and new ` +
        `calls would get positions that are passed already (calls that have got one are not billed, insert them again afterwards): select setval('${name}', ${last});`,
    );
  }
  if (faults[0] !== undefined) throw new LogSequenceError(`${faults[0].what}: ${faults[0].fix}`);
  return name;
}

/**
 * Reads the sequence and commits its position in one statement. The commit also flushes earlier WAL records of the
 * sequence.
 */
async function commitPosition(
  db: Queryable,
  runId: bigint,
  sequence: string,
): Promise<{ position: bigint; version: string }> {
  const { rows } = await db.query<{ position: string; version: string }>(
    prepared(
      `with durable as materialized (
         select set_config('synchronous_commit', 'on', true)
       ), given as materialized (
         select ${positionSql(sequence)} as position from ${sequence} state, durable
       )
       update meterfold.runs set seal_position = given.position
         from given
        where run_id = $1 and state = 'active'
       returning given.position, meterfold.runs.xmin::text as version`,
      [runId.toString()],
    ),
  );
  if (rows[0] === undefined) throw new RunGoneError(`run ${runId} is not active any more`);
  return { position: BigInt(rows[0].position), version: rows[0].version };
}
