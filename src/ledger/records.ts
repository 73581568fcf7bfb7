/**
 * Billing records: written packed, up to 96 cycles of a user a row. What people read is the view public.billing_records.
 *
 * A run writes rows to meterfold.records. Repacking (repack.ts) moves rows of old runs to meterfold.repacked_records, which inherits
 * from it; a row there holds cycles of several runs with the same terms.
 */
import { USER_BYTES_MAX } from '../billing/call.js';
import { RECORD_CYCLES_MAX } from '../engine/layout.js';
import type { ClosedCycles, FoldedUser } from '../engine/reduce.js';
import type { RowBuffer } from '../postgres/copy/row-buffer.js';

/** The table has no schema here: backups/attempt.ts says why. */
export const RECORDS_COPY = `
  copy records (run_id, first_cycle, user_id, usages, first_call_ids, last_call_ids, first_called_micros, last_called_micros)
  from stdin (format binary)`;

// For SQL that reads rows of records as `packed`.
/** How many cycles a row has. */
export const CYCLES = 'length(packed.usages) / 64';
/** Their places, of which the planner is told how many there can be. */
export const PLACES = `(select generate_series(1, ${CYCLES}) as place limit ${RECORD_CYCLES_MAX})`;
/** One of a row's numbers, at `cycle.place`. */
export const numberAt = (column: string) => `meterfold.number_at(packed.${column}, cycle.place)`;
/** The exact amount of the cycle at `cycle.place`, by the terms of `run`. */
export const AMOUNT = `meterfold.amount_of(${numberAt('usages')}, run.price_per_unit)`;
/** The run of the cycle at `cycle.place`, of a row of packedRows(). */
export const RUN_AT = 'coalesce(meterfold.run_at(packed.run_ids, packed.run_starts, cycle.place), packed.run_id)';
/** All runs of a repacked row lie in this range, which has an index. */
export const RUN_RANGE = 'meterfold.run_range(packed.run_ids, packed.run_id)';

const NUMBERS =
  'packed.usages, packed.first_call_ids, packed.last_call_ids, packed.first_called_micros, packed.last_called_micros';

/**
 * Rows of both tables. Each has a condition of its own, in which its rows are `packed`, so that each is found by its index. In rows as
 * runs wrote them run_ids and run_starts are null.
 */
export const packedRows = (condition: { records: string; repacked: string }) => `(
    select packed.user_id, packed.first_cycle, packed.run_id, ${NUMBERS}, null::bit varying as run_ids, null::bit varying as run_starts
      from only meterfold.records packed
     where ${condition.records}
    union all
    select packed.user_id, packed.first_cycle, packed.run_id, ${NUMBERS}, packed.run_ids, packed.run_starts
      from meterfold.repacked_records packed
     where ${condition.repacked})`;

const COLUMNS = 8;
/** Bytes of a row without its numbers. */
const HEAD_BYTES_MAX = 2 + 12 + 12 + 4 + USER_BYTES_MAX;

export function appendRecord(rows: RowBuffer, runId: number, user: FoldedUser, closed: ClosedCycles): void {
  rows.beginRow(COLUMNS, HEAD_BYTES_MAX + closed.fieldsBytes);
  rows.int8FromNumber(runId);
  rows.int8FromNumber(closed.firstCycle);
  rows.text(user.bytes, user.nameAt, user.nameLength);
  rows.fields(user.bytes, closed.fieldsAt, closed.fieldsBytes);
}
