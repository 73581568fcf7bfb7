/** Billing records: written packed, up to 96 cycles of a user a row. What people read is the view public.billing_records. */
import type { CycleBatch, FoldedUser } from '../domain/reduce.js';
import { USER_BYTES_MAX } from '../domain/segment.js';
import type { RowBuffer } from './row-buffer.js';

export const recordsCopy = (schema: string) => `
  copy ${schema}.records (run_id, first_cycle, user_id, usages, first_call_ids, last_call_ids, first_called_micros, last_called_micros)
  from stdin (format binary)`;

// For SQL that reads rows of records as `packed`.
/** How many cycles a row has. */
export const CYCLES = 'length(packed.usages) / 64';
/** Their places, of which the planner is told how many there can be. */
export const PLACES = `(select generate_series(1, ${CYCLES}) as place limit 96)`;
/** One of a row's numbers, at `cycle.place`. */
export const numberAt = (column: string) => `meterfold.number_at(packed.${column}, cycle.place)`;

const COLUMNS = 8;
/** Beside the numbers. */
const HEAD_BYTES_MAX = 2 + 12 + 12 + 4 + USER_BYTES_MAX;

export function appendRecord(rows: RowBuffer, runId: number, user: FoldedUser, batch: CycleBatch): void {
  rows.beginRow(COLUMNS, HEAD_BYTES_MAX + batch.fieldsBytes);
  rows.int8FromNumber(runId);
  rows.int8FromNumber(batch.firstCycle);
  rows.text(user.bytes, user.nameAt, user.nameLength);
  rows.fields(user.bytes, batch.fieldsAt, batch.fieldsBytes);
}
