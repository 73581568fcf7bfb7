/** Loads the kernels: WebAssembly, which `npm run build` has compiled of assembly/. */
import { readFileSync } from 'node:fs';

/** As Node has it: to TypeScript it is a part of the DOM. */
declare const WebAssembly: {
  Module: new (code: Uint8Array) => object;
  Instance: new (compiled: object) => { exports: object };
};

interface Global<Value> {
  readonly value: Value;
}

/** What assembly/index.ts exports; each is described where it is defined. Places are in its memory, in bytes. */
export interface Kernel extends MapKernel, FoldKernel {
  /** Its buffer is another one when it has grown. */
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly arena: Global<number>;
  readonly packed: Global<number>;
  open(arenaBytes: number, packedBytes: number): void;
  hashText(at: number, length: number): bigint;
  hashInt8(value: bigint, seed: bigint): bigint;
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
  begin(firstPosition: bigint, width: bigint): void;
  clear(): void;
  hasRoom(): number;
  pass(position: bigint): void;
  take(at: number, end: number, callsMax: number): number;
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
  readonly PORTION_CALLS_MAX: Global<number>;
  readonly RECORD_CYCLES_MAX: Global<number>;
  readonly foldedCalls: Global<bigint>;
  readonly foldedDigest: Global<bigint>;
  readonly foldedUsage: Global<number>;
  readonly cyclesClosed: Global<bigint>;
  readonly billedUsage: Global<number>;
  readonly openCalls: Global<bigint>;
  readonly openUsage: Global<number>;
  readonly users: Global<number>;
  readonly firstUser: Global<number>;
  readonly batchUser: Global<number>;
  readonly batchFirstCycle: Global<bigint>;
  readonly batchCycles: Global<number>;
  readonly fields: Global<number>;
  readonly fieldsBytes: Global<number>;
  beginFold(callsPerCycle: number): void;
  clearUsers(): void;
  beginSegment(at: number, end: number, basePosition: bigint): number;
  readCalls(): number;
  hasCallsLeft(): number;
  portionIsFull(): number;
  hasNewUser(): number;
  carryIn(cycle: bigint, calls: number, usage: bigint, firstId: bigint, firstCalledAt: bigint): void;
  carryNothingIn(): void;
  countOpen(): void;
  beginPortion(): number;
  foldNext(): number;
}

// The same path from src/ and from dist/.
const compiled = new WebAssembly.Module(readFileSync(new URL('../../dist/engine/kernel.wasm', import.meta.url)));

/** With memory of its own, which is open()ed first of all. */
export function newKernel(): Kernel {
  return new WebAssembly.Instance(compiled).exports as unknown as Kernel;
}

/** A sum in the kernel's memory, as assembly/sum.ts has it. */
export function readSum({ memory }: Kernel, { value: at }: Global<number>): bigint {
  const view = new DataView(memory.buffer);
  return (view.getBigUint64(at + 8, true) << 64n) | view.getBigUint64(at, true);
}
