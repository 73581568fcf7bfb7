import { defineConfig } from 'vitest/config';

/**
 * Four projects: `unit` and `replay` need nothing; `servers` (test/integration) shares one PostgreSQL and one Temporal dev server,
 * which test/support/global-setup.ts starts and removes; `chaos` kills its own, and comes last, alone. `npx vitest run --project
 * unit` starts no server.
 */
export default defineConfig({
  test: {
    // A file of `servers` runs worker processes of its own: more at a time than cores would only make each other late.
    maxWorkers: 2,
    // What is concurrent in a file waits most of the time, for a time-out: together.
    maxConcurrency: 16,
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000 } },
      { test: { name: 'replay', include: ['test/replay/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 120_000 } },
      {
        test: {
          name: 'servers',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'chaos',
          include: ['test/chaos/**/*.test.ts'],
          testTimeout: 900_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
