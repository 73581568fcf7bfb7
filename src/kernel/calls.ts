/** Loads the WebAssembly of assembly/calls.ts, which `npm run build` has compiled. */
import { readFileSync } from 'node:fs';

/** As Node has it: to TypeScript it is a part of the DOM. */
declare const WebAssembly: {
  Module: new (code: Uint8Array) => object;
  Instance: new (compiled: object) => { exports: object };
};

interface Global<Value> {
  readonly value: Value;
}

/** What assembly/calls.ts exports, where each is described. Places are in its memory, in bytes. */
export interface CallsKernel {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly buckets: Global<number>;
  readonly input: Global<number>;
  readonly INPUT_BYTES: Global<number>;
  readonly arena: Global<number>;
  readonly lastOffset: Global<bigint>;
  readonly held: Global<number>;
  readonly calls: Global<number>;
  readonly digest: Global<bigint>;
  readonly usageHi: Global<bigint>;
  readonly usageLo: Global<bigint>;
  readonly stopped: Global<number>;
  readonly AT_END: Global<number>;
  readonly FULL: Global<number>;
  readonly BAD_CALL: Global<number>;
  readonly DISORDERED: Global<number>;
  open(arenaBytes: number): void;
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
}

// The same path from src/ and from dist/.
const compiled = new WebAssembly.Module(readFileSync(new URL('../../dist/kernel/calls.wasm', import.meta.url)));

/** With memory of its own. */
export function openCallsKernel(): CallsKernel {
  return new WebAssembly.Instance(compiled).exports as unknown as CallsKernel;
}
