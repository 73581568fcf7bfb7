/** The configuration of `npm run test:kube`. prepare.js runs it inside the cluster's network. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'kube',
    include: ['test/kube/*.test.ts'],
    reporters: ['verbose'],
    disableConsoleIntercept: true,
    testTimeout: 15 * 60 * 1000,
    hookTimeout: 15 * 60 * 1000,
    // Each scenario continues with the cluster's state after the previous one.
    bail: 1,
  },
});
