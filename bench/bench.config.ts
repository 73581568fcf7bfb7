/**
 * The configuration of `npm run bench -- <name>`. Benches run under Vitest, which compiles TypeScript. README.md lists
 * them.
 */
import { defineConfig } from 'vitest/config';

/** The benches that `npm run bench` runs without arguments. The others run by name. */
const USUAL = ['performance', 'shapes'];
const BY_NAME = ['first-run', 'incremental', 'repack', 'replica', 'stragglers', 'tls', 'verify'];
const named = BY_NAME.filter((name) => process.argv.includes(name));

export default defineConfig({
  test: {
    name: 'bench',
    include: [...(named.length > 0 ? named : USUAL).map((name) => `bench/${name}.ts`)],
    reporters: ['verbose'],
    disableConsoleIntercept: true,
    // One at a time, because each needs the whole machine.
    fileParallelism: false,
    // Otherwise V8 marks the bench's own heap in the background, which takes half a core from the measured processes.
    execArgv: ['--no-incremental-marking'],
    testTimeout: 4 * 3600 * 1000,
  },
});
