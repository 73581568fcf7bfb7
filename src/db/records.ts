/** Billing records: written packed, up to 96 cycles of a user a row. What people read is the view public.billing_records. */
import type { BucketUsers } from '../domain/bucket-users.js';
import { type CycleBatch, RECORD_CYCLES_MAX } from '../domain/reduce.js';
import { USER_BYTES_MAX } from '../domain/segment.js';
import type { RowBuffer } from './row-buffer.js';

export const recordsCopy = (schema: string) => `
  copy ${schema}.records (run_id, first_cycle, user_id, usages, first_call_ids, last_call_ids, first_called_micros, last_called_micros)
  from stdin (format binary)`;

const COLUMNS = 8;
const ROW_BYTES_MAX = 2 + 12 + 12 + 4 + USER_BYTES_MAX + 5 * (24 + 12 * RECORD_CYCLES_MAX);

export function appendRecord(
  rows: RowBuffer,
  runId: number,
  users: BucketUsers,
  user: number,
  batch: CycleBatch,
): void {
  rows.beginRow(COLUMNS, ROW_BYTES_MAX);
  rows.int8FromNumber(runId);
  rows.int8FromNumber(batch.firstCycle);
  rows.text(users.bytes, users.startOf(user), users.lengthOf(user));
  rows.int8Array(batch.usages, batch.cycles);
  rows.int8Array(batch.firstCallIds, batch.cycles);
  rows.int8Array(batch.lastCallIds, batch.cycles);
  rows.unixMicrosArray(batch.firstCalledAts, batch.cycles);
  rows.unixMicrosArray(batch.lastCalledAts, batch.cycles);
}
