/**
 * The configuration of `npm run chaos`: the long campaign and its report. The short one is a project in the root's
 * vitest.config.ts.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'chaos',
    include: ['test/chaos/long.ts'],
    reporters: ['verbose'],
    disableConsoleIntercept: true,
    testTimeout: 4 * 3600 * 1000,
  },
});
