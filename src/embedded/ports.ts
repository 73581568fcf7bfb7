/** Ports of 127.0.0.1 for services that a person did not give one. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

// Below the range from which Linux, macOS and Windows serve outgoing connections and "any port": what was found free here
// is not given away by the system before the service listens on it. Another process may still come first; who starts a
// service on such a port tries again with another.
const firstPort = 15_000;
const lastPort = 31_999;
const triesMax = 200;
const probeMs = 1_000;

/** As many different ports as asked for, nothing listening on any. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let tries = 0; found.size < count; tries += 1) {
    if (tries === triesMax) throw new Error(`found no free port of 127.0.0.1 between ${firstPort} and ${lastPort}`);
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort + 1));
    if (await isPortFree(port)) found.add(port);
  }
  return [...found];
}

/** Whether a service could listen on this port of 127.0.0.1 now. */
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

/** Whether something accepts connections on this port of 127.0.0.1. */
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
