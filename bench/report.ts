/** What a bench tells in the end: a table of figures, and the same as one line of JSON. */
import { availableParallelism, totalmem } from 'node:os';
import type { Stack } from '../test/support/stack.js';

export interface Spread {
  median: number;
  min: number;
  max: number;
  samples: number;
}

/** A whole number from the environment. */
export function setting(name: string, otherwise: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return otherwise;
  if (!/^\d+$/.test(text)) throw new Error(`${name} must be a whole number, not ${text}`);
  return Number(text);
}

export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}

export function spread(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const median = (sorted[Math.ceil(half) - 1]! + sorted[Math.floor(half)]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)!, samples: sorted.length };
}

/** Seconds by what was measured, then the rest of the report; ratios are of medians. */
export async function report(
  stack: Stack,
  bench: string,
  seconds: Record<string, Spread>,
  ratios: Record<string, number>,
  about: Record<string, unknown>,
): Promise<void> {
  const { rows } = await stack.pool.query<{ server_version: string }>('show server_version');
  const machine = {
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    postgres: rows[0]!.server_version,
    date: new Date().toISOString().slice(0, 10),
  };
  const width = Math.max(...[...Object.keys(seconds), ...Object.keys(ratios)].map((name) => name.length));
  const figures = Object.entries(seconds).map(
    ([name, { median, min, max, samples }]) =>
      `${name.padEnd(width)}  ${median.toFixed(3)} s  (${min.toFixed(3)} to ${max.toFixed(3)}, ${samples} samples)`,
  );
  const quotients = Object.entries(ratios).map(([name, ratio]) => `${name.padEnd(width)}  ${ratio.toFixed(2)} x`);
  process.stdout.write(`\n${[`${bench}, medians:`, ...figures, ...quotients].join('\n')}\n\n`);
  process.stdout.write(`${JSON.stringify({ bench, machine, ...about, seconds, ratios })}\n\n`);
}
