import { defineConfig } from 'vitest/config';

/**
 * Two projects: `unit` needs nothing; `servers` (test/integration, test/replay) shares one PostgreSQL and one Temporal dev
 * server, which test/support/global-setup.ts starts and removes. `npx vitest run --project unit` starts no server.
 */
export default defineConfig({
  test: {
    // A file of `servers` runs worker processes of its own: more at a time than cores would only make each other late.
    maxWorkers: 2,
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        test: {
          name: 'servers',
          include: ['test/integration/**/*.test.ts', 'test/replay/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
