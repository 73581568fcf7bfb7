/**
 * Recount: counts the sealed range by one SQL statement that shares no code with map and reduce, beside reduce. It
 * always reads the primary. If map has read a replica, it also computes the digest.
 */
import type { RecountOutcome } from '../billing/proof.js';
import type { DoneTask, RecountInput } from '../contract/activities.js';
import { PARALLEL_SLOTS_MIN } from '../engine/cuts.js';
import { recountRange, recountWithDigest } from '../log/recount.js';
import { countSlots } from '../runs/worker-processes.js';
import { type ActivityDependencies, runTask, type TaskRequest } from './task.js';

export function createRecount(dependencies: ActivityDependencies) {
  const { slots } = dependencies.settings;

  async function recount(input: RecountInput & TaskRequest): Promise<DoneTask<RecountOutcome>> {
    return runTask<RecountOutcome>(dependencies, 'recount', input, async ({ client, task }) => {
      const range = { first: BigInt(task.first_position), last: BigInt(task.last_position) };
      const parallel = (await countSlots(client, slots)) >= PARALLEL_SLOTS_MIN;
      return input.digest === true
        ? recountWithDigest(client, BigInt(input.runId), range, parallel)
        : recountRange(client, range, parallel);
    });
  }

  return { recount };
}
