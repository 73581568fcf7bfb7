/** Recount: counts the sealed range by one SQL statement that shares nothing with map and reduce; it runs beside reduce. */
import { recountRange } from '../db/log.js';
import { countSlots } from '../db/worker-processes.js';
import type { RecountOutcome } from '../domain/proof.js';
import { type ActivityDependencies, type DoneTask, runTask, type TaskInput } from './task.js';

/** From so many on, one process takes longer for the recount than they do for all of reduce. */
const PARALLEL_SLOTS_MIN = 8;

export function createRecount(dependencies: ActivityDependencies) {
  const { slots } = dependencies.settings;

  async function recount(input: TaskInput): Promise<DoneTask<RecountOutcome>> {
    return runTask<RecountOutcome>(dependencies, 'recount', input, async ({ client, task }) => {
      const range = { first: BigInt(task.first_position), last: BigInt(task.last_position) };
      return recountRange(client, range, (await countSlots(client, slots)) >= PARALLEL_SLOTS_MIN);
    });
  }

  return { recount };
}
