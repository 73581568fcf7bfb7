/**
 * Which tasks an attempt has overtaken. A workflow learns when a task ends, but not when a worker begins it. The table
 * of attempts knows both, so each task that ends reports the tasks that were begun before it and still run. A slow task
 * is overtaken by all others; a task that waits for a free slot is overtaken by none.
 */
import type { Overtaken } from '../contract/activities.js';
import { type Client, prepared } from '../postgres/pool.js';
import type { TaskKind } from '../runs/tasks.js';

/** Tasks of the kind whose newest attempt began before the attempt `attemptId` and has not ended. */
export async function readOvertaken(
  client: Client,
  runId: bigint,
  kind: TaskKind,
  attemptId: string,
): Promise<Overtaken[]> {
  const { rows } = await client.query<{ number: number; ms: string }>(
    prepared(
      `select task_number as number, round(1000 * extract(epoch from clock_timestamp() - max(begun_at))) as ms
         from meterfold.attempts
        where run_id = $1 and task_kind = $2
        group by task_number
       having max(attempt_id) < $3`,
      [runId.toString(), kind, attemptId],
    ),
  );
  return rows.map(({ number, ms }) => ({ number, ms: Number(ms) }));
}
