/** Loads the kernel: WebAssembly that the build compiles from wasm/. */
import { readFileSync } from 'node:fs';

/** Node has this global; TypeScript declares it only in the DOM library. */
declare const WebAssembly: {
  Module: new (code: Uint8Array) => object;
  Instance: new (compiled: object) => { exports: object };
};

interface Global<Value> {
  readonly value: Value;
}

/** The exports of wasm/index.ts, documented where they are defined. Addresses are in the kernel's memory, in bytes. */
export interface Kernel extends MapKernel, FoldKernel {
  readonly memory: KernelMemory;
  readonly arena: Global<number>;
  readonly packed: Global<number>;
  open(arenaBytes: number, packedBytes: number): void;
  hashText(at: number, length: number): bigint;
  hashInt8(value: bigint, seed: bigint): bigint;
}

export interface KernelMemory {
  /** A new buffer whenever the memory has grown; the old one is detached. */
  readonly buffer: ArrayBuffer;
}

interface MapKernel {
  readonly input: Global<number>;
  readonly INPUT_BYTES: Global<number>;
  readonly lastOffset: Global<bigint>;
  readonly held: Global<number>;
  readonly calls: Global<number>;
  readonly digest: Global<bigint>;
  readonly usageTaken: Global<number>;
  readonly stopped: Global<number>;
  readonly stoppedId: Global<bigint>;
  readonly refusal: Global<number>;
  readonly refusedUsage: Global<bigint>;
  readonly refusedUsageIsNull: Global<number>;
  begin(firstPosition: bigint, width: bigint): void;
  clear(): void;
  hasRoom(): number;
  take(at: number, end: number, rowsEnd: number, callsMax: number): number;
  append(
    bucket: number,
    hashLo: number,
    name: number,
    length: number,
    offset: bigint,
    usage: bigint,
    calledAt: bigint,
  ): void;
  pack(bucket: number, at: number): number;
}

interface FoldKernel {
  readonly BATCH_CALLS_MAX: Global<number>;
  readonly foldedCalls: Global<bigint>;
  readonly foldedDigest: Global<bigint>;
  readonly foldedUsage: Global<number>;
  readonly cyclesClosed: Global<bigint>;
  readonly billedUsage: Global<number>;
  readonly openCalls: Global<bigint>;
  readonly openUsage: Global<number>;
  readonly users: Global<number>;
  readonly firstUser: Global<number>;
  readonly newUser: Global<number>;
  readonly closedUser: Global<number>;
  readonly closedFirstCycle: Global<bigint>;
  readonly closedCycles: Global<number>;
  readonly fields: Global<number>;
  readonly fieldsBytes: Global<number>;
  beginFold(callsPerCycle: number): void;
  clearUsers(): void;
  beginSegment(at: number, end: number, basePosition: bigint): number;
  readCalls(): number;
  hasCallsLeft(): number;
  batchIsFull(): number;
  carryIn(cycle: bigint, calls: number, usage: bigint, firstId: bigint, firstCalledAt: bigint): void;
  carryNothingIn(): void;
  countOpen(): void;
  sortBatch(): number;
  foldNext(): number;
}

// This path is the same from src/ and from dist/.
const compiled = new WebAssembly.Module(readFileSync(new URL('../../dist/engine/kernel.wasm', import.meta.url)));

/** Returns a kernel with memory of its own. Call its open() before anything else. */
export function newKernel(): Kernel {
  return new WebAssembly.Instance(compiled).exports as unknown as Kernel;
}

/** Reads a 128-bit sum (wasm/sum.ts) from the kernel's memory. */
export function readSum({ memory }: Kernel, { value: at }: Global<number>): bigint {
  const view = new DataView(memory.buffer);
  return (view.getBigUint64(at + 8, true) << 64n) | view.getBigUint64(at, true);
}
