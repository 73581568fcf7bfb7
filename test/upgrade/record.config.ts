/** For `npm run baseline`: the recorder runs under Vitest, which gives it TypeScript and the servers of the tests. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'baseline',
    include: ['test/upgrade/record.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['verbose'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
