/** Finds free ports on 127.0.0.1 for services whose port is not configured. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

// Below the ephemeral range of Linux, macOS and Windows, so the system does not assign a port that was found free
// before the service listens on it. Another process may still take it; the caller then tries another port.
const firstPort = 15_000;
const lastPort = 31_999;
const triesMax = 200;
const probeMs = 1_000;

/** Returns `count` different ports on which nothing listens. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let tries = 0; found.size < count; tries += 1) {
    if (tries === triesMax) throw new Error(`found no free port of 127.0.0.1 between ${firstPort} and ${lastPort}`);
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort + 1));
    if (await isPortFree(port)) found.add(port);
  }
  return [...found];
}

/** Returns whether a service can listen on this port of 127.0.0.1. */
export async function isPortFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ port, host: '127.0.0.1', exclusive: true });
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** Returns whether a service accepts connections on this port of 127.0.0.1. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(probeMs) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
