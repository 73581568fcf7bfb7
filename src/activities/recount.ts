/** Recount: counts the sealed range by one SQL statement that shares nothing with map and reduce; it runs beside reduce. */
import { recountRange } from '../db/log.js';
import { countSlots } from '../db/worker-processes.js';
import { PARALLEL_SLOTS_MIN } from '../domain/partitions.js';
import type { RecountOutcome } from '../domain/proof.js';
import { type ActivityDependencies, type DoneTask, runTask, type TaskInput } from './task.js';

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
