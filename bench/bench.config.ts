/** For `npm run bench -- <name>`: a bench runs under Vitest, which gives it TypeScript. README.md tells what there is. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'bench',
    include: ['bench/{incremental,stragglers,verify}.ts'],
    reporters: ['verbose'],
    disableConsoleIntercept: true,
    // One after the other: each wants the machine for itself.
    fileParallelism: false,
    testTimeout: 4 * 3600 * 1000,
  },
});
