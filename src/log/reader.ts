/**
 * The log as map reads it: the rows of a partition in order. The independent count is in recount.ts.
 */

import { type Positions, width } from '../engine/cuts.js';
import type { PartitionMap, Stop } from '../engine/map.js';
import { USER_BYTES_MAX } from '../engine/segment.js';
import type { Spill } from '../engine/spill.js';
import { copyRowsOut, fieldsOf, messageEnd, type RowsReader } from '../postgres/copy/copy-out.js';
import { type Client, one } from '../postgres/pool.js';
import { findPageRange, type PageRange } from './page-range.js';

/** A row that breaks what the log promises. */
export interface BadCall {
  id: bigint;
  /** As the log has it, whatever it is. */
  usage: bigint | null;
  reason: string;
}

/** The run stops at such a row, and names it. */
export class BadCallError extends Error {
  override name = 'BadCallError';
}

/** The ids of the log do not ascend where its index says they do. */
export class CallOrderError extends Error {
  override name = 'CallOrderError';
}

const USAGE_MAX = 10n ** 15n;

/** Without statistics the planner might sort; a parallel plan would mix the rows. By the index, or by the pages of a stretch. */
const PLAN =
  'set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off; set local jit = off; ' +
  'set local max_parallel_workers_per_gather = 0';

/** Where the calls of a partition, or of a part of one, go. */
export interface PartitionReader {
  map: PartitionMap;
  /** Takes a row that breaks what the log promises, or throws. */
  onBadCall: (call: BadCall) => void;
  /** The partition is read anew from its beginning: what was taken so far does not count. */
  onRestart: () => void;
  /** Told how many calls were taken so far. */
  onCalls: (calls: number) => void;
}

/**
 * Streams the calls of a partition into `map`, in the order of their ids, and yields a spill for every memory-full. A COPY can't
 * wait while its spill is stored on the same connection, so there is one COPY a spill.
 *
 * Where rows lie on disk in the order of their ids, as far as a sample shows, their pages are read as they are. Were one out of
 * order after all, or elsewhere, or were they too many for one spill, the partition is read anew by the index.
 */
export async function* readPartition(
  client: Client,
  partition: Positions,
  { map, onBadCall, onRestart, onCalls }: PartitionReader,
): AsyncGenerator<Spill> {
  const reset = () => map.reset(partition.first, width(partition));
  reset();
  await client.query(PLAN);
  const rows = new RowsOfMap(map, onBadCall, onCalls);
  const stretch = await findPageRange(client, partition);
  if (stretch !== undefined) {
    rows.begin();
    await copyCalls(client, byPage(stretch), rows);
    if (rows.refused === undefined && (await areAll(client, partition, rows.calls))) {
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
    if (rows.refused === 'disorder') {
      throw new CallOrderError(`call ${rows.refusedId} came after one with a larger id`);
    }
    if (rows.taken > 0) {
      yield* map.spills();
      map.clear();
    }
    if (rows.refused === undefined && sent < limit) return;
    first = map.lastPosition + 1n;
    // Long user ids have filled the memory before the calls did: ask for no more than fitted.
    if (rows.refused === 'full') limit = rows.calls;
  }
}

/** Takes the rows of one COPY of calls after the other into a map. */
class RowsOfMap {
  /** Why the map took no more of them, whatever came. */
  refused: Stop;
  refusedId = 0n;
  readonly #map: PartitionMap;
  readonly #onBadCall: (call: BadCall) => void;
  readonly #onCalls: (calls: number) => void;
  #takenBefore = 0;
  #setAside = 0;

  constructor(map: PartitionMap, onBadCall: (call: BadCall) => void, onCalls: (calls: number) => void) {
    this.#map = map;
    this.#onBadCall = onBadCall;
    this.#onCalls = onCalls;
  }

  begin(): void {
    this.refused = undefined;
    this.#takenBefore = this.#map.calls;
    this.#setAside = 0;
  }

  get taken(): number {
    return this.#map.calls - this.#takenBefore;
  }

  /** Of the partition, those that are set aside among them. */
  get calls(): number {
    return this.taken + this.#setAside;
  }

  readonly take: RowsReader = (bytes, view, at, end) => {
    if (this.refused !== undefined) return messageEnd(view, at);
    const map = this.#map;
    const stopped = map.take(bytes, at, end);
    this.#onCalls(map.calls);
    if (map.stopped === undefined) return stopped;
    const call = fieldsOf(stopped);
    if (map.stopped === 'bad call') {
      const badCall = badCallAt(view, call);
      this.#setAside++;
      map.pass(badCall.id);
      this.#onBadCall(badCall);
    } else {
      this.refused = map.stopped;
      this.refusedId = idAt(view, call);
    }
    return messageEnd(view, stopped);
  };
}

/** COPY takes no parameters; a bigint, or a number, can put nothing but digits into the text. */
function copyCalls(client: Client, from: string, rows: RowsOfMap): Promise<number> {
  const sql = `
    copy (select id, user_id, usage, called_at
            ${from})
      to stdout (format binary)`;
  return copyRowsOut(client, sql, rows.take);
}

function byIndex({ first, last }: Positions, limit: number): string {
  return `from public.api_logs
           where id >= ${BigInt(first)} and id <= ${BigInt(last)}
           order by id
           limit ${Number(limit)}`;
}

function byPage({ table, firstPage, lastPage }: PageRange): string {
  return `from only ${table}
           where ctid >= '(${firstPage},0)' and ctid < '(${lastPage + 1},0)'`;
}

/** Whether a partition has no more calls than these. Without gaps in the ids it can't have more; with gaps, the index tells. */
async function areAll(client: Client, { first, last }: Positions, read: number): Promise<boolean> {
  if (read === Number(width({ first, last }))) return true;
  const { calls } = one(
    await client.query<{ calls: string }>('select count(*) as calls from public.api_logs where id >= $1 and id <= $2', [
      first.toString(),
      last.toString(),
    ]),
  );
  return read === Number(calls);
}

/** A call that map does not take, and why. Its fields: id, user_id, usage and called_at; 64-bit integers, but for the user. */
function badCallAt(view: DataView, at: number): BadCall {
  const userLength = view.getInt32(at + 12);
  const usageAt = at + 16 + Math.max(0, userLength);
  const usage = view.getInt32(usageAt) === 8 ? view.getBigInt64(usageAt + 4) : null;
  const hasTime = view.getInt32(usageAt + (usage === null ? 4 : 12)) === 8;
  const reason =
    userLength < 1 || userLength > USER_BYTES_MAX
      ? 'user_id must have 1 to 256 bytes'
      : usage === null || usage < 0n || usage > USAGE_MAX
        ? 'usage must be a number from 0 to 10^15'
        : hasTime
          ? 'called_at must lie in 1970 to 2099'
          : 'called_at must not be null';
  return { id: idAt(view, at), usage, reason };
}

function idAt(view: DataView, at: number): bigint {
  return view.getBigInt64(at + 4);
}
