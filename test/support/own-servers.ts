import { afterAll, beforeAll } from 'vitest';
import { type RunningServers, startServers } from './servers.js';

/**
 * Starts servers for one test file. A file needs its own servers if its server processes wait for a client to read
 * rows, because meanwhile no database can be created or dropped on the same server.
 */
export function ownServers(): () => RunningServers {
  let servers: RunningServers | undefined;
  beforeAll(async () => {
    servers = await startServers();
  });
  afterAll(() => servers?.stop());
  return () => servers!;
}
