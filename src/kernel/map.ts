/** Loads the kernel of map: WebAssembly, which `npm run build` has compiled of assembly/. */
import { readFileSync } from 'node:fs';

/** As Node has it: to TypeScript it is a part of the DOM. */
declare const WebAssembly: {
  Module: new (code: Uint8Array) => object;
  Instance: new (compiled: object) => { exports: object };
};

interface Global<Value> {
  readonly value: Value;
}

/** What assembly/index.ts exports, where each is described. Places are in its memory, in bytes. */
export interface MapKernel {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly input: Global<number>;
  readonly INPUT_BYTES: Global<number>;
  readonly arena: Global<number>;
  readonly packed: Global<number>;
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
  open(arenaBytes: number, packedBytes: number): void;
  begin(firstPosition: bigint, width: bigint): void;
  clear(): void;
  hasRoom(): number;
  pass(position: bigint): void;
  pack(bucket: number, at: number): number;
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
const compiled = new WebAssembly.Module(readFileSync(new URL('../../dist/kernel/map.wasm', import.meta.url)));

/** With memory of its own. */
export function openMapKernel(): MapKernel {
  return new WebAssembly.Instance(compiled).exports as unknown as MapKernel;
}
