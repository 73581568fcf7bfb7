/**
 * Starts the servers before the first test file and stops them after the last, even if tests fail or Ctrl-C ends the
 * run.
 */
import type { TestProject } from 'vitest/node';
import { type Servers, startServers } from './servers.js';

declare module 'vitest' {
  export interface ProvidedContext {
    servers: Servers;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const starting = startServers();
  const restore = stopOnSignals(() => starting.then((servers) => servers.stop()).catch(() => {}));
  const { stop, ...servers } = await starting;
  project.provide('servers', servers);
  return () => stop().finally(restore);
}

/**
 * Vitest exits within a millisecond of a signal. Therefore its listeners are called only after the servers have
 * stopped.
 */
function stopOnSignals(stop: () => Promise<void>): () => void {
  const restores = (['SIGINT', 'SIGTERM'] as const).map((signal) => {
    const others = process.rawListeners(signal);
    const takeOver: NodeJS.SignalsListener = (...received) => {
      void stop().finally(() => {
        restore();
        for (const listener of others) listener.apply(process, received);
      });
    };
    const restore = () => {
      process.off(signal, takeOver);
      for (const listener of others) process.on(signal, listener as NodeJS.SignalsListener);
    };
    process.removeAllListeners(signal);
    process.on(signal, takeOver);
    return restore;
  });
  return () => {
    for (const restore of restores) restore();
  };
}
