/** Reads the calls of a partition from the log into a map, in the order of their ids. */

import { REFUSAL_TEXTS } from '../billing/call.js';
import { type PositionRange, width } from '../engine/cuts.js';
import { STOP } from '../engine/layout.js';
import type { PartitionMap } from '../engine/map.js';
import type { Spill } from '../engine/spill.js';
import { copyRowsOut, type RowsReader } from '../postgres/copy/copy-out.js';
import { type Client, one } from '../postgres/pool.js';
import { findPageRange, type PageRange } from './page-range.js';

/** A call that violates a limit of src/billing/call.ts. */
export interface BadCall {
  id: bigint;
  /** The log's value, even outside the limits. */
  usage: bigint | null;
  reason: string;
}

/** Ends a run at a call that cannot be billed. The message names the call. */
export class BadCallError extends Error {
  override name = 'BadCallError';
}

/** The log's index returned ids that do not ascend. */
export class CallOrderError extends Error {
  override name = 'CallOrderError';
}

/** Without statistics, the planner might sort. A parallel plan would change the order of the rows. */
const PLAN =
  'set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off; set local jit = off; ' +
  'set local max_parallel_workers_per_gather = 0';

export interface PartitionReader {
  map: PartitionMap;
  /** Called for each call that cannot be billed. May throw to end the read. */
  onBadCall: (call: BadCall) => void;
  /** Called when the read starts again from the beginning: everything reported so far is void. */
  onRestart: () => void;
  /** Called with the number of calls taken so far. */
  onCalls: (calls: number) => void;
}

/**
 * Reads a partition, or a subrange of one, into `map` and yields its spills. There is one COPY for each memory-full of
 * calls: a COPY cannot pause while its spills are stored on the same connection.
 *
 * If samples show that the rows lie on disk in the order of their ids, their pages are read in the order of the table.
 * If a row is out of order or missing after all, or if the rows need several memory-fulls, the read starts again by the
 * index.
 */
export async function* readPartition(
  client: Client,
  partition: PositionRange,
  { map, onBadCall, onRestart, onCalls }: PartitionReader,
): AsyncGenerator<Spill> {
  const reset = () => map.reset(partition.first, width(partition));
  reset();
  await client.query(PLAN);
  const rows = new MapReader(map, onBadCall, onCalls);
  const pages = await findPageRange(client, partition);
  if (pages !== undefined) {
    rows.begin();
    await copyCalls(client, byPage(pages), rows);
    if (!rows.done && (await areAll(client, partition, rows.calls))) {
      yield* map.spills();
      map.clear();
      return;
    }
    reset();
    onRestart();
  }

  let limit = map.callsMax;
  let first = partition.first;
  while (first <= partition.last) {
    rows.begin();
    const sent = await copyCalls(client, byIndex({ first, last: partition.last }, limit), rows);
    if (rows.stopped === STOP.DISORDER) {
      throw new CallOrderError(`call ${rows.stoppedId} came after one with a larger id`);
    }
    if (rows.taken > 0) {
      yield* map.spills();
      map.clear();
    }
    if (!rows.done && sent < limit) return;
    first = map.lastPosition + 1n;
    // Long user ids filled the memory before the calls did: request only as many calls as fitted.
    if (rows.stopped === STOP.FULL) limit = rows.calls;
  }
}

/** Reads the rows of one COPY after another into a map. */
class MapReader implements RowsReader {
  /** FULL or DISORDER once the map takes no further rows of the current COPY. */
  stopped: number | undefined;
  stoppedId = 0n;
  readonly #map: PartitionMap;
  readonly #onBadCall: (call: BadCall) => void;
  readonly #onCalls: (calls: number) => void;
  #takenBefore = 0;
  #badCalls = 0;

  constructor(map: PartitionMap, onBadCall: (call: BadCall) => void, onCalls: (calls: number) => void) {
    this.#map = map;
    this.#onBadCall = onBadCall;
    this.#onCalls = onCalls;
  }

  /** Starts a COPY. */
  begin(): void {
    this.stopped = undefined;
    this.#takenBefore = this.#map.calls;
    this.#badCalls = 0;
  }

  get done(): boolean {
    return this.stopped !== undefined;
  }

  /** The calls of this COPY that the map took. */
  get taken(): number {
    return this.#map.calls - this.#takenBefore;
  }

  /** The calls of this COPY that belong to the partition, bad calls included. */
  get calls(): number {
    return this.taken + this.#badCalls;
  }

  read(bytes: Buffer, _view: DataView, at: number, end: number): number {
    const map = this.#map;
    const stoppedAt = map.take(bytes, at, end);
    this.#onCalls(map.calls);
    if (map.stopped === STOP.REFUSED) {
      const { id, usage, refusal } = map.refused;
      this.#badCalls++;
      this.#onBadCall({ id, usage, reason: REFUSAL_TEXTS[refusal] });
    } else if (map.stopped !== STOP.NO_ROW) {
      this.stopped = map.stopped;
      this.stoppedId = map.stoppedId;
    }
    return stoppedAt;
  }
}

/** COPY takes no parameters. `from` contains only names and digits, so its text is safe. */
function copyCalls(client: Client, from: string, rows: MapReader): Promise<number> {
  const sql = `
    copy (select id, usage, called_at, user_id
            ${from})
      to stdout (format binary)`;
  return copyRowsOut(client, sql, rows);
}

function byIndex({ first, last }: PositionRange, limit: number): string {
  return `from public.api_logs
           where id >= ${BigInt(first)} and id <= ${BigInt(last)}
           order by id
           limit ${Number(limit)}`;
}

function byPage({ table, firstPage, lastPage }: PageRange): string {
  return `from only ${table}
           where ctid >= '(${firstPage},0)' and ctid < '(${lastPage + 1},0)'`;
}

/** True if `read` calls are all calls of the partition. If the ids have gaps, the index is counted. */
async function areAll(client: Client, { first, last }: PositionRange, read: number): Promise<boolean> {
  if (read === Number(width({ first, last }))) return true;
  const { calls } = one(
    await client.query<{ calls: string }>('select count(*) as calls from public.api_logs where id >= $1 and id <= $2', [
      first.toString(),
      last.toString(),
    ]),
  );
  return read === Number(calls);
}
