/** For `npm run histories`: the recorder runs under Vitest, which gives it TypeScript and the servers of the tests. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'record',
    include: ['test/replay/record.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['verbose'],
    // Each recording goes on from what the one before it has left in the log.
    bail: 1,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
