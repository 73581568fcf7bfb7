/** Writes docs/evaluation/kubernetes.md, its plot and its figures as JSON. */
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { repositoryDir } from '../support/repository.js';
import { plotBurst } from './plot.js';
import type { Sample } from './samples.js';

/** An undisturbed run. */
export interface Shared {
  calls: number;
  seconds: number;
  /** The seconds of a run with as many tasks as the disturbed runs. */
  inManyTasks: number;
  shares: { pod: string; node: string; share: number }[];
}

/** A run that was disturbed by a fault. */
export interface Disturbed {
  what: string;
  hit: string;
  seconds: number;
  scheduled: number;
  completed: number;
  /** The completed reduces that only found that their segments were lost. */
  lost: number;
  tries: number;
}

export interface Burst {
  calls: number;
  startedAt: number;
  drainedSeconds: number;
  samples: Sample[];
}

interface Seen {
  shared: Shared;
  disturbed: Disturbed[];
  burst: Burst;
  podsMax: number;
}

const folder = join(repositoryDir, 'docs', 'evaluation');

export async function writeReport(seen: Seen): Promise<void> {
  const { burst } = seen;
  await writeFile(join(folder, 'kubernetes.svg'), plotBurst(burst.samples, burst.startedAt));
  await writeFile(join(folder, 'kubernetes.json'), `${JSON.stringify({ machine: machine(), ...seen }, null, 1)}\n`);
  await writeFile(join(folder, 'kubernetes.md'), page(seen));
}

function machine(): string {
  const memory = Math.round(totalmem() / 2 ** 30);
  const version = execFileSync('kubectl', ['version', '--output', 'json'], { encoding: 'utf8' });
  const { serverVersion } = JSON.parse(version) as { serverVersion: { gitVersion: string } };
  return `${availableParallelism()} cores and ${memory} GiB for everything, Kubernetes ${serverVersion.gitVersion} with two nodes`;
}

function page({ shared, disturbed, burst, podsMax }: Seen): string {
  const scheduled = sum(disturbed, 'scheduled');
  const completed = sum(disturbed, 'completed');
  return `# Reliability on Kubernetes

${completed} of ${scheduled} tasks completed (${percent(completed / scheduled)}) while pods, nodes and servers failed in the middle of runs. No call was lost, and none was billed twice.

Measured on ${new Date().toISOString().slice(0, 10)} by \`npm run test:kube\`, which also writes this page: ${machine()}, PostgreSQL and Temporal as pods on the first node.
Each activity pod has one slot. After each run, all bills were compared with plain SQL over the log and checked by \`meterfold verify\`.

## Distribution of a run over a pool

${number(shared.calls)} calls, three activity pods on two nodes: ${shared.seconds.toFixed(1)} s.

| pod | node | calls read |
| --- | --- | ---: |
${shared.shares.map(({ pod, node, share }) => `| ${pod} | ${node} | ${percent(share)} |`).join('\n')}

## Failures of pods, nodes and servers

The same calls in 99 tasks, with a fault in the middle of each run; an undisturbed run takes ${shared.inManyTasks.toFixed(1)} s. A crash of PostgreSQL empties the segments of a run: reduces that found no segments count as completed, are listed in their own column, and were repeated after map.

| fault | affected | time | longer than undisturbed | tasks completed / scheduled | of these without segments | attempts |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
${disturbed
  .map(
    ({ what, hit, seconds, scheduled, completed, lost, tries }) =>
      `| ${what} | ${hit} | ${seconds.toFixed(1)} s | ${(seconds - shared.inManyTasks).toFixed(1)} s | ${completed} / ${scheduled} | ${lost} | ${tries} |`,
  )
  .join('\n')}

## Autoscaling by KEDA

${number(burst.calls)} calls at once, ten times as many as before, with one to ${podsMax} activity pods: the first new pod was ready after ${after(burst, ({ ready }) => ready > 1)},
the burst was billed after ${burst.drainedSeconds.toFixed(0)} s, and the pool was back to one pod ${after(burst, ({ at, pods }) => at > burst.startedAt + 1000 * burst.drainedSeconds && pods === 1)} after its start.
At most ${Math.max(...burst.samples.map(({ ready }) => ready))} pods were ready at the same time. They share two cores with PostgreSQL, so more pods are not faster here.

![Pods, backlog and calls per second during the burst](kubernetes.svg)
`;
}

function sum(disturbed: readonly Disturbed[], key: 'scheduled' | 'completed'): number {
  return disturbed.reduce((total, run) => total + run[key], 0);
}

function after({ samples, startedAt }: Burst, holds: (sample: Sample) => boolean): string {
  const sample = samples.find(holds);
  return sample === undefined ? 'never' : `${((sample.at - startedAt) / 1000).toFixed(0)} s`;
}

const number = (value: number) => value.toLocaleString('en-US');
const percent = (part: number) => `${(100 * part).toFixed(1)} %`;
