/**
 * The memory that map and reduce tasks work in. A task leaves it to the next one, because touching memory for the first
 * time costs more than the work in it. A slot runs a map or a reduce, never both, so the two share most of it.
 */

import { PartitionMap } from '../engine/map.js';
import { RowBuffer } from '../postgres/copy/row-buffer.js';
import { PassReader } from '../runs/segments.js';

export class TaskMemory {
  readonly map: PartitionMap;
  /** Reads segments into the map's arena. */
  readonly passes: PassReader;
  /** Rows of segments in a map, of records in a reduce. */
  readonly rows = new RowBuffer();
  readonly openCycles = new RowBuffer();

  constructor(spillCalls: number) {
    this.map = new PartitionMap(spillCalls);
    this.passes = new PassReader(this.map);
  }
}

/** A pool of memories. It creates at most one for each slot. */
export class TaskMemories {
  readonly #spillCalls: number;
  readonly #idle: TaskMemory[] = [];

  constructor(spillCalls: number) {
    this.#spillCalls = spillCalls;
  }

  /**
   * Lends a memory to `work`. After a failure, a socket may still send some of it; this is harmless, because the
   * connection is closed and nothing that it sends is committed.
   */
  async lend<T>(work: (memory: TaskMemory) => Promise<T>): Promise<T> {
    const memory = this.#idle.pop() ?? new TaskMemory(this.#spillCalls);
    memory.rows.clear();
    memory.openCycles.clear();
    try {
      return await work(memory);
    } finally {
      this.#idle.push(memory);
    }
  }
}
