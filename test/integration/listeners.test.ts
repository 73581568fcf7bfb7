/** The addresses at which a worker's probes and metrics are served. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePorts } from '../../src/embedded/ports.js';
import { startWorker } from '../support/processes.js';
import { freshStack, type Stack } from '../support/stack.js';

let stack: Stack;
let ports: { health: number; metrics: number };
beforeEach(async () => {
  stack = await freshStack();
  const [health = 0, metrics = 0] = await freePorts(2);
  ports = { health, metrics };
});
afterEach(() => stack.close());

const env = () => ({ HEALTH_PORT: String(ports.health), METRICS_PORT: String(ports.metrics) });

/** Whether each of them answers at an address of this machine, which includes all of 127.0.0.0/8. */
async function answers(host: string): Promise<{ health: boolean; metrics: boolean }> {
  const ok = (url: string) =>
    fetch(url).then(
      (response) => response.ok,
      () => false,
    );
  return {
    health: await ok(`http://${host}:${ports.health}/livez`),
    metrics: await ok(`http://${host}:${ports.metrics}/metrics`),
  };
}

test('by default a worker answers at the loopback address only', async () => {
  await startWorker(stack, { env: env() });
  expect(await answers('127.0.0.1')).toEqual({ health: true, metrics: true });
  expect(await answers('127.0.0.2')).toEqual({ health: false, metrics: false });
});

test('with HEALTH_HOST and METRICS_HOST it answers at other addresses', async () => {
  await startWorker(stack, { env: { ...env(), HEALTH_HOST: '0.0.0.0', METRICS_HOST: '127.0.0.2' } });
  expect(await answers('127.0.0.1')).toEqual({ health: true, metrics: false });
  expect(await answers('127.0.0.2')).toEqual({ health: true, metrics: true });
});
