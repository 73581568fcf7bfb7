/** The map activity: reads a partition of the log by COPY and stores its calls as spills of bounded size. */

import { addDigests } from '../billing/digest.js';
import type { MapOutcome } from '../billing/proof.js';
import type { DoneTask } from '../contract/activities.js';
import { cutSubranges, type PositionRange } from '../engine/cuts.js';
import { storeQuarantine } from '../ledger/quarantine.js';
import { type BadCall, BadCallError, readPartition } from '../log/reader.js';
import { type ReplicaTarget, readReplica, replicaTarget } from '../log/replica.js';
import type { Client, Pool } from '../postgres/pool.js';
import { storeSpill } from '../runs/segments.js';
import type { TaskMemories, TaskMemory } from './memory.js';
import { type ActivityDependencies, runTask, type TaskRequest, type TaskWork } from './task.js';

/**
 * The most quarantined calls of one partition. More of them mean that the log itself is broken, and nothing should be
 * billed.
 */
const QUARANTINED_MAX = 10_000;

export function createMap(dependencies: ActivityDependencies, memories: TaskMemories) {
  const { logReplica } = dependencies;

  async function mapPartition(input: TaskRequest): Promise<DoneTask<MapOutcome>> {
    return runTask<MapOutcome>(dependencies, 'map', input, (work) =>
      memories.lend((memory) => new PartitionMapping(memory, work, input.number, logReplica).run()),
    );
  }

  return { mapPartition };
}

/** Maps one partition, in the transaction of its task. */
class PartitionMapping {
  readonly #memory: TaskMemory;
  readonly #work: TaskWork<MapOutcome>;
  readonly #runId: bigint;
  readonly #number: number;
  readonly #logReplica: Pool | undefined;
  /** What the replica must have replayed before it is read; undefined if the partition is read from the primary. */
  #replicaTarget: ReplicaTarget | undefined;
  #quarantined: BadCall[] = [];
  #calls = 0;
  #usage = 0n;
  readonly #digests: string[] = [];
  #spills = 0;
  #segmentBytes = 0;

  constructor(memory: TaskMemory, work: TaskWork<MapOutcome>, number: number, logReplica: Pool | undefined) {
    this.#memory = memory;
    this.#work = work;
    this.#runId = BigInt(work.run.runId);
    this.#number = number;
    this.#logReplica = logReplica;
  }

  async run(): Promise<MapOutcome> {
    const { client, task } = this.#work;
    const partition = { first: BigInt(task.first_position), last: BigInt(task.last_position) };
    if (this.#logReplica !== undefined) this.#replicaTarget = await replicaTarget(client, this.#runId);
    for (const subrange of cutSubranges(partition, this.#memory.map.callsMax)) await this.#mapSubrange(subrange);
    await this.#storeQuarantine();
    return this.#outcome();
  }

  /**
   * On a replica, each subrange has a snapshot of its own: a long snapshot delays the replay, or the replay cancels it.
   */
  async #mapSubrange(subrange: PositionRange): Promise<void> {
    const { client, signal } = this.#work;
    if (this.#logReplica === undefined || this.#replicaTarget === undefined) await this.#readCalls(client, subrange);
    else {
      await readReplica(this.#logReplica, this.#replicaTarget, signal, (reader) => this.#readCalls(reader, subrange));
    }
  }

  /** Reads the calls of a subrange from `reader`, and stores their spills on the task's connection. */
  async #readCalls(reader: Client, subrange: PositionRange): Promise<void> {
    const { client, progress } = this.#work;
    const { map, rows } = this.#memory;
    const quarantinedBefore = this.#quarantined.length;
    const spills = readPartition(reader, subrange, {
      map,
      onBadCall: (call) => this.#quarantine(call),
      onRestart: () => {
        this.#quarantined.length = quarantinedBefore;
      },
      onCalls: (calls) => {
        progress.calls = this.#calls + calls;
      },
    });
    for await (const spill of spills) {
      const key = { runId: this.#runId, partition: this.#number, number: this.#spills++ };
      this.#segmentBytes += spill.data.length;
      await storeSpill(client, rows, key, spill);
    }
    this.#calls += map.calls;
    this.#usage += map.usage;
    this.#digests.push(map.digest);
  }

  #quarantine(call: BadCall): void {
    const message = `call ${call.id} in public.api_logs: ${call.reason}`;
    if (this.#work.run.badCalls === 'stop') throw new BadCallError(message);
    if (this.#quarantined.length === QUARANTINED_MAX) {
      throw new BadCallError(`${message}; ${QUARANTINED_MAX} calls before it are already quarantined`);
    }
    this.#quarantined.push(call);
  }

  async #storeQuarantine(): Promise<void> {
    const { client } = this.#work;
    if (this.#quarantined.length > 0) await storeQuarantine(client, this.#runId, this.#quarantined);
  }

  #outcome(): MapOutcome {
    return {
      calls: String(this.#calls),
      usage: String(this.#usage),
      digest: addDigests(this.#digests),
      quarantinedCalls: String(this.#quarantined.length),
      quarantinedUsage: String(this.#quarantined.reduce((sum, { usage }) => sum + (usage ?? 0n), 0n)),
      spills: this.#spills,
      segmentBytes: this.#segmentBytes,
      readFrom: this.#replicaTarget === undefined ? 'primary' : 'replica',
    };
  }
}
