/**
 * What tasks work in, and hand on to the next one: to the system, memory that is touched for the first time is dearer than what is done in
 * it. A slot does a map or a reduce at a time, so that they share most of it.
 */

import { PartitionMap } from '../engine/map.js';
import { RowBuffer } from '../postgres/copy/row-buffer.js';
import { PassReader } from '../runs/segments.js';

export class TaskMemory {
  readonly map: PartitionMap;
  /** Of a reduce, where a map has its calls. */
  readonly passes: PassReader;
  /** Of segments, or of records. */
  readonly rows = new RowBuffer();
  readonly openCycles = new RowBuffer();

  constructor(spillCalls: number) {
    this.map = new PartitionMap(spillCalls);
    this.passes = new PassReader(this.map);
  }
}

/** At most one a slot is ever made. */
export class TaskMemories {
  readonly #spillCalls: number;
  readonly #idle: TaskMemory[] = [];

  constructor(spillCalls: number) {
    this.#spillCalls = spillCalls;
  }

  /** After a failure a socket may still be at some of it; but its connection is closed, and what it sends is not committed. */
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
