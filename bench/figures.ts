/** Settings and figures of benches: medians, and a report as a table and one line of JSON. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import type pg from 'pg';
import type { Stack } from '../test/support/stack.js';
import type { Job } from './contenders/contender.js';

export interface Spread {
  median: number;
  min: number;
  max: number;
  samples: number;
}

/** Reads a whole number from the environment. */
export function setting(name: string, otherwise: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return otherwise;
  if (!/^\d+$/.test(text)) throw new Error(`${name} must be a whole number, not ${text}`);
  return Number(text);
}

/** Reads whole numbers, separated by commas, from the environment. */
export function settings(name: string, otherwise: number[]): number[] {
  const text = process.env[name];
  if (text === undefined || text === '') return otherwise;
  if (!/^\d+(,\d+)*$/.test(text)) throw new Error(`${name} must be whole numbers separated by commas, not ${text}`);
  return text.split(',').map(Number);
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

/** The median of each part that the jobs report. */
export function medianParts(jobs: readonly Job[]): Record<string, number> {
  const names = Object.keys(jobs[0]?.parts ?? {});
  return Object.fromEntries(names.map((name) => [name, spread(jobs.map((job) => job.parts![name]!)).median]));
}

export interface Machine {
  cores: number;
  processor: string;
  memoryGiB: number;
  node: string;
  postgres: string;
  /** Settings of its PostgreSQL server, by name. */
  postgresSettings: Record<string, string>;
  date: string;
}

const SETTINGS_SHOWN = [
  'server_version',
  'shared_buffers',
  'huge_pages_status',
  'work_mem',
  'maintenance_work_mem',
  'max_wal_size',
  'jit',
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'wal_level',
  'data_checksums',
  'io_method',
];

export async function machineOf(pool: pg.Pool): Promise<Machine> {
  const { rows } = await pool.query<{ name: string; value: string }>(
    'select name, current_setting(name) as value from unnest($1::text[]) as name',
    [SETTINGS_SHOWN],
  );
  const { server_version, ...postgresSettings } = Object.fromEntries(rows.map(({ name, value }) => [name, value]));
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    postgres: server_version!,
    postgresSettings,
    date: new Date().toISOString().slice(0, 10),
  };
}

/** Prints the seconds of each kind, the ratios of medians, and then everything as one line of JSON. */
export async function report(
  stack: Stack,
  bench: string,
  seconds: Record<string, Spread>,
  ratios: Record<string, number>,
  about: Record<string, unknown>,
): Promise<void> {
  const machine = await machineOf(stack.pool);
  const width = Math.max(...[...Object.keys(seconds), ...Object.keys(ratios)].map((name) => name.length));
  const figures = Object.entries(seconds).map(
    ([name, { median, min, max, samples }]) =>
      `${name.padEnd(width)}  ${median.toFixed(3)} s  (${min.toFixed(3)} to ${max.toFixed(3)}, ${samples} samples)`,
  );
  const quotients = Object.entries(ratios).map(([name, ratio]) => `${name.padEnd(width)}  ${ratio.toFixed(2)} x`);
  process.stdout.write(`\n${[`${bench}, medians:`, ...figures, ...quotients].join('\n')}\n\n`);
  process.stdout.write(`${JSON.stringify({ bench, machine, ...about, seconds, ratios })}\n\n`);
}
