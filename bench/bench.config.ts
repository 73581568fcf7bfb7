/** For `npm run bench -- <name>`: a bench runs under Vitest, which gives it TypeScript. README.md tells what there is. */
import { defineConfig } from 'vitest/config';

/** Those that take part in a bare `npm run bench`; the others are asked for by name. */
const USUAL = ['performance', 'shapes'];
const BY_NAME = ['first-run', 'incremental', 'repack', 'replica', 'stragglers', 'tls', 'verify'];
const named = BY_NAME.filter((name) => process.argv.includes(name));

export default defineConfig({
  test: {
    name: 'bench',
    include: [...(named.length > 0 ? named : USUAL).map((name) => `bench/${name}.ts`)],
    reporters: ['verbose'],
    disableConsoleIntercept: true,
    // One after the other: each wants the machine for itself.
    fileParallelism: false,
    // Else V8 marks the heap of the bench itself in the background, which takes half a core from what is measured.
    execArgv: ['--no-incremental-marking'],
    testTimeout: 4 * 3600 * 1000,
  },
});
