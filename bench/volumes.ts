/** Returns the data volume of each phase of the latest published run. */
import type { Stack } from '../test/support/stack.js';

export interface Volume {
  phase: string;
  rows: number;
  bytes: number;
}

/**
 * The overhead of a row in binary COPY: the message header and the number of columns. Each field has another four bytes
 * of length.
 */
const MESSAGE_BYTES = 5 + 2;
const LOG_ROW_BYTES = MESSAGE_BYTES + 4 * 4 + 3 * 8;

export async function volumesOf({ pool }: Stack): Promise<Volume[]> {
  const { rows } = await pool.query<{ phase: string; rows: string; bytes: string }>(
    `with run as (select * from meterfold.runs where state = 'published' order by run_id desc limit 1),
          task as (select task.* from meterfold.tasks task join run using (run_id))
     select 'map reads' as phase, count(*) as rows, sum(${LOG_ROW_BYTES} + octet_length(user_id)) as bytes
       from public.api_logs, run where id > run.watermark and id <= run.sealed_end
     union all
     select 'map writes segments, reduce reads them', sum((outcome->>'spills')::bigint), sum((outcome->>'segmentBytes')::bigint)
       from task where kind = 'map'
     union all
     select 'reduce writes records', count(*), pg_table_size('meterfold.records') from meterfold.records join run using (run_id)
     union all
     select 'reduce writes open cycles', count(*), pg_table_size('meterfold.open_cycles') from meterfold.open_cycles join run using (run_id)
     union all
     select 'billing cycles in the records', cycles, null from run`,
  );
  return rows.map(({ phase, rows: count, bytes }) => ({ phase, rows: Number(count), bytes: Number(bytes ?? 0) }));
}
