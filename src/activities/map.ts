/** Map: reads a partition of the log by COPY and stores its calls as segments, in spills of bounded memory. */

import { addDigests } from '../billing/digest.js';
import type { MapOutcome } from '../billing/proof.js';
import type { DoneTask } from '../contract/activities.js';
import { cutParts, type Positions } from '../engine/cuts.js';
import { storeQuarantine } from '../ledger/quarantine.js';
import { type BadCall, BadCallError, readPartition } from '../log/reader.js';
import { readReplica, replicaTarget } from '../log/replica.js';
import type { Client } from '../postgres/pool.js';
import { storeSpill } from '../runs/segments.js';
import type { TaskMemories } from './memory.js';
import { type ActivityDependencies, runTask, type TaskRequest } from './task.js';

/** Of one partition. A log that is full of bad calls has something wrong with it that nobody should bill past. */
const QUARANTINED_MAX = 10_000;

export function createMap(dependencies: ActivityDependencies, memories: TaskMemories) {
  const { logReplica } = dependencies;

  async function mapPartition(input: TaskRequest): Promise<DoneTask<MapOutcome>> {
    return runTask<MapOutcome>(dependencies, 'map', input, ({ client, task, run, progress, signal }) =>
      memories.lend(async ({ map, rows }) => {
        const runId = BigInt(input.runId);
        const partition = { first: BigInt(task.first_position), last: BigInt(task.last_position) };
        const aside: BadCall[] = [];
        const onBadCall = (call: BadCall) => {
          const named = `call ${call.id} in public.api_logs: ${call.reason}`;
          if (run.badCalls === 'stop') throw new BadCallError(named);
          if (aside.length === QUARANTINED_MAX) {
            throw new BadCallError(`${named}; ${QUARANTINED_MAX} calls before it were put into quarantine already`);
          }
          aside.push(call);
        };
        let calls = 0;
        let usage = 0n;
        const digests: string[] = [];
        let spills = 0;
        let segmentBytes = 0;
        const storePart = async (reader: Client, part: Positions) => {
          const [callsBefore, asideBefore] = [calls, aside.length];
          const onRestart = () => {
            aside.length = asideBefore;
          };
          const onCalls = (own: number) => {
            progress.calls = callsBefore + own;
          };
          for await (const spill of readPartition(reader, part, { map, onBadCall, onRestart, onCalls })) {
            segmentBytes += spill.data.length;
            await storeSpill(client, rows, { runId, partition: input.number, number: spills++ }, spill);
          }
          calls += map.calls;
          usage += map.usage;
          digests.push(map.digest);
        };
        const target = logReplica === undefined ? undefined : await replicaTarget(client, runId);
        for (const part of cutParts(partition, map.callsMax)) {
          // Each part in a snapshot of its own: a long one on a replica holds up its replay, or is cancelled by it.
          if (logReplica === undefined || target === undefined) await storePart(client, part);
          else await readReplica(logReplica, target, signal, (reader) => storePart(reader, part));
        }
        if (aside.length > 0) await storeQuarantine(client, runId, aside);
        return {
          calls: String(calls),
          usage: String(usage),
          digest: addDigests(digests),
          quarantinedCalls: String(aside.length),
          quarantinedUsage: String(aside.reduce((sum, { usage }) => sum + (usage ?? 0n), 0n)),
          spills,
          segmentBytes,
          readFrom: target === undefined ? 'primary' : 'replica',
        };
      }),
    );
  }

  return { mapPartition };
}
