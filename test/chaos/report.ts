/** The results of a campaign: its figures, and the page that presents them. */
import { execFile } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { addTallies, type Tally } from '../support/tally.js';
import type { CampaignResult } from './campaign.js';
import type { Observed } from './cell.js';
import { EFFECTS, type EffectKind } from './effects.js';
import type { EpisodeResult } from './episode.js';
import { FAULTS } from './faults.js';
import { PHASES, type Phase } from './phases.js';

interface Recovery {
  medianMs: number;
  longestMs: number;
}

export interface ChaosReport {
  seed: string;
  date: string;
  minutes: number;
  machine: string;
  versions: string;
  episodes: number;
  /** Faults that had an effect. */
  faults: number;
  /** Injected faults without an effect. They do not count, and were repeated. */
  withoutEffect: number;
  /** Faults with an effect: fault → phase → count. */
  matrix: Record<string, Record<Phase, number>>;
  /** The number of faults with each effect. */
  effects: Record<EffectKind, number>;
  runs: { published: number; discarded: number };
  /** The endings of the affected runs. */
  endings: { published: number; discarded: number };
  /** The number of affected runs that were small and past their plan, so that one activity did all phases. */
  small: number;
  calls: number;
  lost: number;
  doubled: number;
  recovery: Recovery;
  recoveries: Record<string, Recovery>;
  /** From Temporal's histories. The shares exclude reduces that only found that their segments were lost. */
  tasks: Tally & {
    completionByTask: number;
    completionByTry: number;
    /** By task, without tasks whose workflow was terminated, cancelled or lost. */
    completionUnlessEnded: number;
  };
}

export async function reportOf({ seed, results, startedAt, temporalCli }: CampaignResult): Promise<ChaosReport> {
  const all = results.flatMap(({ observed }) => observed);
  const counted = all.filter(({ effects }) => effects.length > 0);
  const count = (which: (one: Observed) => boolean) => counted.filter(which).length;
  const total = (of: (one: EpisodeResult) => number) => results.reduce((sum, one) => sum + of(one), 0);
  const tally = addTallies(results.map((one) => one.tally));
  const [done, asked] = [tally.completed - tally.lost, tally.scheduled - tally.lost];
  return {
    seed,
    date: startedAt.toISOString().slice(0, 10),
    minutes: Math.round((Date.now() - startedAt.getTime()) / 6000) / 10,
    machine: `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    versions: [
      `Node.js ${process.versions.node}`,
      `PostgreSQL ${results[0]!.postgresVersion}`,
      (await promisify(execFile)(temporalCli, ['--version'])).stdout.trim(),
    ].join('; '),
    episodes: results.length,
    faults: counted.length,
    withoutEffect: all.length - counted.length,
    matrix: byKey(
      FAULTS,
      (fault) =>
        Object.fromEntries(
          PHASES.map((phase) => [phase, count((one) => one.fault === fault && one.phase === phase)]),
        ) as Record<Phase, number>,
    ),
    effects: Object.fromEntries(
      EFFECTS.map((kind) => [kind, count(({ effects }) => effects.some((effect) => effect.kind === kind))]),
    ) as Record<EffectKind, number>,
    runs: { published: total(({ runs }) => runs.published), discarded: total(({ runs }) => runs.discarded) },
    endings: {
      published: count(({ ending }) => ending === 'published'),
      discarded: count(({ ending }) => ending === 'discarded'),
    },
    small: count(({ small }) => small),
    calls: total(({ bills }) => bills.calls),
    lost: total(({ bills }) => bills.lost),
    doubled: total(({ bills }) => bills.doubled),
    recovery: recoveryOf(counted),
    recoveries: byKey(FAULTS, (fault) => recoveryOf(counted.filter((one) => one.fault === fault))),
    tasks: {
      ...tally,
      completionByTask: done / asked,
      completionUnlessEnded: done / (asked - tally.notCompleted.abandoned),
      completionByTry: done / tally.tries,
    },
  };
}

function byKey<T>(faults: readonly { name: string }[], of: (name: string) => T): Record<string, T> {
  return Object.fromEntries(faults.map(({ name }) => [name, of(name)]));
}

function recoveryOf(observed: readonly Observed[]): Recovery {
  const sorted = observed.map(({ recoveryMs }) => recoveryMs).sort((a, b) => a - b);
  return { medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0, longestMs: sorted.at(-1) ?? 0 };
}

/** Returns the cells of the matrix without a fault that had an effect. */
export function emptyCells({ matrix }: ChaosReport): string[] {
  return Object.entries(matrix).flatMap(([fault, phases]) =>
    PHASES.filter((phase) => phases[phase] === 0).map((phase) => `${fault} × ${phase}`),
  );
}

export function markdownOf(report: ChaosReport, command: string): string {
  const { tasks, runs, endings, recovery } = report;
  const [done, asked] = [tasks.completed - tasks.lost, tasks.scheduled - tasks.lost];
  const failures = Object.entries(tasks.failures).map(([failure, count]) => `- ${count} × ${failure}`);
  return `# Reliability

${grouped(report.faults)} faults were injected into workers, connections, PostgreSQL and Temporal in the middle of runs: ${grouped(report.lost)} calls were lost, and ${grouped(report.doubled)} were billed twice.

Measured on ${report.date} by \`${command}\` in ${report.minutes} minutes (${report.machine}; ${report.versions}).
The command writes this page. \`test/chaos\` defines the faults and their effects.

| figure | |
| --- | --- |
| observed faults | ${grouped(report.faults)}, in ${report.episodes} episodes, each with its own PostgreSQL, Temporal, three workers, schedule (every 2 s) and writers |
| tasks scheduled per fault | ${Math.round(tasks.scheduled / report.faults)} |
| calls billed | ${grouped(report.calls)} |
| **calls lost** | **${grouped(report.lost)}** |
| **calls billed twice** | **${grouped(report.doubled)}** |
| runs | ${grouped(runs.published)} published, ${grouped(runs.discarded)} discarded without a trace |
| affected runs | ${grouped(endings.published)} published, ${grouped(endings.discarded)} discarded; the next run billed their calls |
| affected runs in which one activity did all phases | ${grouped(report.small)} |
| recovery | median ${seconds(recovery.medianMs)}, longest ${seconds(recovery.longestMs)} |
| reduces that only found that a crash of PostgreSQL had emptied their segments, and were repeated after map (completed for Temporal, but not counted below) | ${grouped(tasks.lost)} |
| **tasks completed / scheduled** | **${grouped(done)} / ${grouped(asked)} = ${percent(tasks.completionByTask)}** |
| the same, without workflows that were terminated, cancelled or lost | ${grouped(done)} / ${grouped(asked - tasks.notCompleted.abandoned)} = ${percent(tasks.completionUnlessEnded)} |
| tasks completed / attempts | ${grouped(done)} / ${grouped(tasks.tries)} = ${percent(tasks.completionByTry)} |

A fault counts only if an effect was observed: ${EFFECTS.map((kind) => `${kind} (${report.effects[kind]})`).join(', ')}. Faults without an effect: ${report.withoutEffect}; they were repeated.
Between two faults, two runs bill undisturbed, in addition to those of the schedule. After each fault, all bills were compared with plain SQL over the log, user by user, and checked
by \`meterfold verify\`. At the end of each episode, the log was compared with the commits that its writers had received.

## Faults by phase

The number of faults in each phase, and the recovery time: from the repair (from the fault, if nothing is repaired) until bills were
published again. It includes the 10 s after which Temporal gives a silent activity to another worker.

| fault | ${PHASES.join(' | ')} | recovery, median | longest |
| --- | ${PHASES.map(() => '---:').join(' | ')} | ---: | ---: |
${Object.entries(report.matrix)
  .map(([fault, phases]) => {
    const { medianMs, longestMs } = report.recoveries[fault]!;
    return `| ${fault} | ${PHASES.map((phase) => phases[phase]).join(' | ')} | ${seconds(medianMs)} | ${seconds(longestMs)} |`;
  })
  .join('\n')}

## Tasks, from Temporal's histories

${grouped(tasks.workflows.started)} workflows: ${grouped(tasks.workflows.published)} published, ${grouped(tasks.workflows.skipped)} were skipped because another run was active, ${tasks.workflows.failed} failed,
${tasks.workflows.cancelled} were cancelled and ${tasks.workflows.ended} terminated by faults, and ${tasks.workflows.open} were still open when their Temporal was lost.

Of the tasks that did not complete, ${tasks.notCompleted.failed} failed permanently, ${tasks.notCompleted.cancelled} were cancelled, and ${tasks.notCompleted.abandoned} belonged to workflows that were terminated, cancelled or lost; none of their calls was lost.
${failures.length === 0 ? '' : `\nErrors of failed tasks and workflows:\n\n${failures.join('\n')}\n`}`;
}

const grouped = (count: number) => count.toLocaleString('en-US');
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
