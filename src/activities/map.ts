/** Map: reads a partition of the log by COPY and stores its calls as segments, in spills of bounded memory. */

import { readPartition } from '../db/log.js';
import { storeSpill } from '../db/segments.js';
import type { StoredOutcome } from '../db/tasks.js';
import { PartitionMap, type Spill } from '../domain/map.js';
import type { MapOutcome } from '../domain/proof.js';
import { type ActivityDependencies, runTask, type TaskInput } from './task.js';

export function createMap(dependencies: ActivityDependencies) {
  // Tables of a map are used again: at most one a slot is ever made.
  const idle: PartitionMap[] = [];

  async function mapPartition(input: TaskInput): Promise<StoredOutcome<MapOutcome>> {
    return runTask<MapOutcome>(dependencies, 'map', input, async (client, task, progress) => {
      const runId = BigInt(input.runId);
      const map = idle.pop() ?? new PartitionMap(dependencies.settings.spillCalls);
      try {
        const partition = { first: BigInt(task.first_position), last: BigInt(task.last_position) };
        let spills = 0;
        let segmentBytes = 0;
        const store = async (spill: Spill) => {
          segmentBytes += spill.data.length;
          await storeSpill(client, runId, input.number, spills++, spill);
        };
        map.reset(partition.first);
        for await (const spill of readPartition(client, partition, map, progress)) await store(spill);
        return {
          calls: String(map.calls),
          usage: String(map.usage.toBigInt()),
          digest: map.digest.toString(),
          spills,
          segmentBytes,
        };
      } finally {
        idle.push(map);
      }
    });
  }

  return { mapPartition };
}
