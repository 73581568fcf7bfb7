import { afterAll, beforeAll } from 'vitest';
import { type RunningServers, startServers } from './servers.js';

/**
 * Servers of a test file's own, from its first test to its last. A file needs them whose server processes wait until a client takes its
 * rows: meanwhile nobody can create or drop a database on their server.
 */
export function ownServers(): () => RunningServers {
  let servers: RunningServers | undefined;
  beforeAll(async () => {
    servers = await startServers();
  });
  afterAll(() => servers?.stop());
  return () => servers!;
}
