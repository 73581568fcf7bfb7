/** Recount: counts the sealed range by one SQL statement that shares nothing with map and reduce; it runs beside reduce. */
import { recountRange } from '../db/log.js';
import type { RecountOutcome } from '../domain/proof.js';
import { type ActivityDependencies, type DoneTask, runTask, type TaskInput } from './task.js';

export function createRecount(dependencies: ActivityDependencies) {
  async function recount(input: TaskInput): Promise<DoneTask<RecountOutcome>> {
    return runTask<RecountOutcome>(dependencies, 'recount', input, ({ client, task }) =>
      recountRange(client, { first: BigInt(task.first_position), last: BigInt(task.last_position) }),
    );
  }

  return { recount };
}
