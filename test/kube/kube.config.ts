/** For `npm run test:kube`, which starts it inside the cluster's network: prepare.js. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'kube',
    include: ['test/kube/*.test.ts'],
    reporters: ['verbose'],
    disableConsoleIntercept: true,
    testTimeout: 15 * 60 * 1000,
    hookTimeout: 15 * 60 * 1000,
    // Each scenario goes on where the one before has left the cluster.
    bail: 1,
  },
});
