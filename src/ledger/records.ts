/**
 * Billing records. A run writes them packed, up to RECORD_CYCLES_MAX cycles of a user per row, to meterfold.records.
 * Repacking (repack.ts) moves rows of old runs to meterfold.repacked_records, which inherits from meterfold.records: a
 * row there has cycles of several runs with the same terms. The view public.billing_records shows one row per cycle.
 */
import { USER_BYTES_MAX } from '../billing/call.js';
import { RECORD_CYCLES_MAX } from '../engine/layout.js';
import type { ClosedCycles, FoldedUser } from '../engine/reduce.js';
import type { RowBuffer } from '../postgres/copy/row-buffer.js';
import { amountSql } from '../schema/terms.js';

/** The columns with a number for each cycle, packed as bit strings, in the order in which the kernel writes them. */
export const PACKED_COLUMNS = [
  'usages',
  'first_call_ids',
  'last_call_ids',
  'first_called_micros',
  'last_called_micros',
] as const;
const COLUMNS = ['run_id', 'first_cycle', 'user_id', ...PACKED_COLUMNS];

/** The table has no schema here: backups/attempt.ts says why. */
export const RECORDS_COPY = `
  copy records (${COLUMNS.join(', ')})
  from stdin (format binary)`;

// SQL expressions for statements that read packed rows as `packed`.
/** The number of cycles in a row. */
export const CYCLES = 'length(packed.usages) / 64';
/** A subquery with the indexes of the row's cycles, from 1. The limit tells the planner how many there can be. */
export const CYCLE_INDEXES = `(select generate_series(1, ${CYCLES}) as index limit ${RECORD_CYCLES_MAX})`;
/** The number in a packed column at `cycle.index`. */
export const numberAt = (column: string) => `meterfold.number_at(packed.${column}, cycle.index)`;
/** The exact amount of the cycle at `cycle.index` at the price of `run`. */
export const AMOUNT = amountSql({ usage: numberAt('usages') });
/** The run of the cycle at `cycle.index` in a row of packedRows(). */
export const RUN_AT = 'coalesce(meterfold.run_at(packed.run_ids, packed.run_starts, cycle.index), packed.run_id)';
/** A range that contains all runs of a repacked row. It has an index. */
export const RUN_RANGE = 'meterfold.run_range(packed.run_ids, packed.run_id)';

const NUMBERS = PACKED_COLUMNS.map((column) => `packed.${column}`).join(', ');

/**
 * A subquery with the rows of both tables. Each table has its own condition on `packed`, so that an index of that table
 * finds the rows. Rows of meterfold.records have null as run_ids and run_starts.
 */
export const packedRows = (condition: { records: string; repacked: string }) => `(
    select packed.user_id, packed.first_cycle, packed.run_id, ${NUMBERS},
           null::bit varying as run_ids, null::bit varying as run_starts
      from only meterfold.records packed
     where ${condition.records}
    union all
    select packed.user_id, packed.first_cycle, packed.run_id, ${NUMBERS}, packed.run_ids, packed.run_starts
      from meterfold.repacked_records packed
     where ${condition.repacked})`;

/** Bytes of a row without its numbers. */
const HEAD_BYTES_MAX = 2 + 12 + 12 + 4 + USER_BYTES_MAX;

export function appendRecord(rows: RowBuffer, runId: number, user: FoldedUser, closed: ClosedCycles): void {
  rows.beginRow(COLUMNS.length, HEAD_BYTES_MAX + closed.fieldsBytes);
  rows.int8FromNumber(runId);
  rows.int8FromNumber(closed.firstCycle);
  rows.text(user.bytes, user.nameAt, user.nameLength);
  rows.fields(user.bytes, closed.fieldsAt, closed.fieldsBytes);
}
