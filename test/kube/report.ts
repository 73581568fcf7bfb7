/** Writes docs/evaluation/kubernetes.md, its plot, and the figures as JSON. */
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { repositoryDir } from '../support/repository.js';
import { plotBurst } from './plot.js';
import type { Sample } from './samples.js';

/** A run that nobody harms. */
export interface Shared {
  calls: number;
  seconds: number;
  /** In as many tasks as the runs that are harmed. */
  inManyTasks: number;
  shares: { pod: string; node: string; share: number }[];
}

/** A run that was harmed. */
export interface Harmed {
  what: string;
  hit: string;
  seconds: number;
  scheduled: number;
  completed: number;
  /** Of the completed: reduces that only found that their segments were lost. */
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
  harmed: Harmed[];
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
  return `${availableParallelism()} cores and ${memory} GiB for all of it, Kubernetes ${serverVersion.gitVersion} of two nodes`;
}

function page({ shared, harmed, burst, podsMax }: Seen): string {
  const scheduled = sum(harmed, 'scheduled');
  const completed = sum(harmed, 'completed');
  return `# Reliability on Kubernetes

${completed} of ${scheduled} tasks completed (${percent(completed / scheduled)}) while pods, nodes and servers died in the middle of runs. No call was lost, and none was billed twice.

Measured on ${new Date().toISOString().slice(0, 10)} by \`npm run test:kube\`, which also writes this page: ${machine()}, PostgreSQL and Temporal as pods on the first node.
Activity workers have one slot per pod. After each run, all bills were compared with plain SQL over the log and by \`meterfold verify\`.

## Several pods share a run

${number(shared.calls)} calls, three activity pods on two nodes: ${shared.seconds.toFixed(1)} s.

| pod | node | calls read |
| --- | --- | ---: |
${shared.shares.map(({ pod, node, share }) => `| ${pod} | ${node} | ${percent(share)} |`).join('\n')}

## Pods, nodes and servers die

The same calls again, in 99 tasks, each time with a fault in the middle of the run. Without a fault it takes ${shared.inManyTasks.toFixed(1)} s. A crash of PostgreSQL loses the segments of a run: reduces that found theirs gone count as completed, have
a column of their own, and were done again after map.

| fault | what it hit | time | longer than without a fault | tasks completed / scheduled | of them without segments | attempts |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
${harmed
  .map(
    ({ what, hit, seconds, scheduled, completed, lost, tries }) =>
      `| ${what} | ${hit} | ${seconds.toFixed(1)} s | ${(seconds - shared.inManyTasks).toFixed(1)} s | ${completed} / ${scheduled} | ${lost} | ${tries} |`,
  )
  .join('\n')}

## A burst, and KEDA

${number(burst.calls)} calls at once, ten times as many as before, from one activity pod to at most ${podsMax}: the first new pod was ready after ${after(burst, ({ ready }) => ready > 1)},
the burst was billed after ${burst.drainedSeconds.toFixed(0)} s, and one pod remained ${after(burst, ({ at, pods }) => at > burst.startedAt + 1000 * burst.drainedSeconds && pods === 1)} after its start.
At most ${Math.max(...burst.samples.map(({ ready }) => ready))} pods were ready at a time. They share two cores with PostgreSQL, so more of them are not faster here.

![Pods, backlog and calls per second during the burst](kubernetes.svg)
`;
}

function sum(harmed: readonly Harmed[], key: 'scheduled' | 'completed'): number {
  return harmed.reduce((total, run) => total + run[key], 0);
}

function after({ samples, startedAt }: Burst, holds: (sample: Sample) => boolean): string {
  const sample = samples.find(holds);
  return sample === undefined ? 'never' : `${((sample.at - startedAt) / 1000).toFixed(0)} s`;
}

const number = (value: number) => value.toLocaleString('en-US');
const percent = (part: number) => `${(100 * part).toFixed(1)} %`;
