/** Variants of the workflow: its source as it is, but for one deliberate change of the kind that a replay has to find. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { repositoryDir } from '../support/repository.js';
import type { Shape } from './histories.js';
import { bundleForReplay } from './replay.js';

export interface Variant {
  name: string;
  /** In src/workflows. */
  file?: string;
  edit: (source: string) => string;
  /** The histories that must fail, all others pass. */
  fails: (shape: Shape, name: string) => boolean;
  /** Whether the SDK's own replayer finds it; the comparison of steps always does, unless the workflow stops altogether. */
  byReplayer: boolean;
  /** What one of the faults says. */
  says: string;
}

const schedules = (activity: string) => (shape: Shape) => activity in shape.activities;
const only = (...names: string[]) => (_: Shape, name: string) => names.includes(name);
const succeeds = (shape: Shape) => shape.ends === 'COMPLETED' && 'publishRun' in shape.activities;

export const VARIANTS: Variant[] = [
  {
    name: 'another activity in map',
    edit: replace('tasks.mapPartition.', 'tasks.mapSlice.'),
    fails: schedules('mapPartition'),
    byReplayer: true,
    says: 'was activity 2 mapPartition, and is activity 2 mapSlice',
  },
  {
    name: 'another activity at the end',
    edit: (source) => replace('publishRun({', 'proclaimRun({')(replace(', publishRun, ', ', proclaimRun, ')(source)),
    fails: schedules('publishRun'),
    byReplayer: true,
    says: 'proclaimRun',
  },
  {
    name: 'one activity more, after publish',
    edit: replace(
      'const published = await fold(plan, progress, statistics);',
      'const published = await fold(plan, progress, statistics); await tasks.recount({ runId: plan.runId, number: 0 });',
    ),
    fails: succeeds,
    byReplayer: true,
    says: 'was end: completed, and is activity',
  },
  {
    name: 'one activity more in reduce',
    edit: replace('fanOut(plan.shards,', 'fanOut([...plan.shards, ...plan.shards.slice(0, 1)],'),
    fails: schedules('reduceShard'),
    byReplayer: true,
    says: 'was activity 10 recount, and is activity 10 reduceShard',
  },
  {
    name: 'one activity fewer: no recount',
    edit: replace('plan.to === plan.after ? [] : [plan]', '[]'),
    fails: schedules('recount'),
    byReplayer: true,
    says: 'was activity 10 recount, and is ',
  },
  {
    name: 'one activity fewer: nothing is discarded',
    edit: replace('await CancellationScope.nonCancellable(() => discardRun({ firstExecutionRunId, reason }))', "'discarded'"),
    fails: schedules('discardRun'),
    byReplayer: true,
    says: 'discardRun',
  },
  {
    name: 'stages swapped: reduce before map',
    edit: (source) => {
      const map = between(source, "  progress.phase('mapping');", "  progress.phase('reducing');");
      const end = 'await Promise.all([reduceAll, recountAll]);\n';
      return replace(end, end + map)(replace(map, '')(source));
    },
    fails: schedules('mapPartition'),
    byReplayer: true,
    says: 'was activity 2 mapPartition, and is activity 2 reduceShard',
  },
  {
    name: 'fewer activities in flight',
    edit: replace('IN_FLIGHT_MAX = 100', 'IN_FLIGHT_MAX = 3'),
    fails: schedules('mapPartition'),
    byReplayer: true,
    says: 'activity 5 mapPartition',
  },
  {
    name: 'other arguments of plan',
    edit: replace('planRun({ billing: input,', 'planRun({ billing: { ...input, currency: "EUR" },'),
    fails: schedules('planRun'),
    byReplayer: false,
    says: 'activity 1 planRun: arguments was ',
  },
  {
    name: 'other arguments of the last map only',
    edit: replace('[{ runId, number }]', '[{ runId, number: number === 3 ? 0 : number }]'),
    fails: schedules('mapPartition'),
    byReplayer: false,
    says: 'activity 5 mapPartition: arguments was ',
  },
  {
    name: 'other arguments of publish',
    edit: replace('recount, maps, reduces }', 'recount, maps: reduces, reduces: maps }'),
    fails: (shape) => 'publishRun' in shape.activities && 'mapPartition' in shape.activities,
    byReplayer: false,
    says: 'publishRun: arguments was ',
  },
  {
    name: 'other arguments of discard',
    edit: replace('discardRun({ firstExecutionRunId, reason })', "discardRun({ firstExecutionRunId, reason: 'given up' })"),
    fails: schedules('discardRun'),
    byReplayer: false,
    says: 'discardRun: arguments was ',
  },
  {
    name: 'another time-out of plan, publish and discard',
    edit: replace("startToCloseTimeout: '30m'", "startToCloseTimeout: '20m'"),
    fails: schedules('planRun'),
    byReplayer: false,
    says: 'planRun: startToCloseMs was 1800000, and is 1200000',
  },
  {
    name: 'another time-out of map, reduce and recount',
    edit: replace("startToCloseTimeout: '2h'", "startToCloseTimeout: '3h'"),
    fails: schedules('mapPartition'),
    byReplayer: false,
    says: 'activity 5 mapPartition: startToCloseMs was 7200000, and is 10800000',
  },
  {
    name: 'another heartbeat time-out',
    edit: (source) => source.replaceAll("heartbeatTimeout: '10s'", "heartbeatTimeout: '11s'"),
    fails: schedules('planRun'),
    byReplayer: false,
    says: 'planRun: heartbeatMs was 10000, and is 11000',
  },
  {
    name: 'another way to try again',
    edit: replace("maximumInterval: '10s'", "maximumInterval: '10s', maximumAttempts: 3"),
    fails: schedules('planRun'),
    byReplayer: false,
    says: 'planRun: retryAttemptsMax was 0, and is 3',
  },
  {
    name: 'another task queue for map, reduce and recount',
    edit: replace("startToCloseTimeout: '2h'", "taskQueue: 'folding', startToCloseTimeout: '2h'"),
    fails: schedules('mapPartition'),
    byReplayer: false,
    says: 'activity 2 mapPartition: taskQueue was "billing", and is "folding"',
  },
  {
    name: 'another summary',
    edit: replace('`calls ${first} to ${last}`', '`calls ${first}–${last}`'),
    fails: schedules('mapPartition'),
    byReplayer: false,
    says: 'mapPartition: summary was "calls ',
  },
  {
    name: 'another memo',
    edit: replace('upsertMemo({ meterfoldRun: plan.runId })', 'upsertMemo({ meterfoldRun: Number(plan.runId) })'),
    fails: (shape, name) => 'mapPartition' in shape.activities || name === 'finished-empty',
    byReplayer: false,
    says: 'memo: meterfoldRun was ',
  },
  {
    name: 'a run that waits until its cancelled activities have ended',
    edit: replace('ActivityCancellationType.TRY_CANCEL', 'ActivityCancellationType.WAIT_CANCELLATION_COMPLETED'),
    fails: only('cancelled-in-map', 'cancelled-in-reduce'),
    byReplayer: true,
    says: 'discardRun, and is ',
  },
  {
    name: 'a publish that can be cancelled',
    edit: replace('return CancellationScope.nonCancellable(() => publishRun(', 'return (() => publishRun('),
    fails: only('cancelled-too-late'),
    byReplayer: true,
    says: 'was end: completed, and is cancel activity 11 publishRun',
  },
  {
    name: 'another result',
    edit: replace('currency: plan.terms.currency,', "currency: 'EUR',"),
    fails: succeeds,
    byReplayer: false,
    says: 'end: completed: result was ',
  },
  {
    name: 'another count in the result',
    file: 'statistics.ts',
    edit: replace('retried: this.#retried', 'retried: 0'),
    fails: only('retried'),
    byReplayer: false,
    says: 'end: completed: result was ',
  },
  {
    name: 'another failure',
    edit: replace('the run is published, but its result was lost', 'the result was lost'),
    fails: only('failed-after-publish'),
    byReplayer: false,
    says: 'end: failed: message was ',
  },
  {
    name: 'a wrong input that is not refused',
    edit: replace('  checkInput(input);\n', ''),
    fails: only('failed-by-input'),
    byReplayer: true,
    says: 'was end: failed, and is activity 1 planRun',
  },
  {
    name: 'another workflow type',
    file: 'index.ts',
    edit: replace('{ billingRun }', '{ billingRun as billing }'),
    fails: () => true,
    byReplayer: true,
    says: 'was ',
  },
];

/** Replaces a piece of the source that must be there just once. */
function replace(piece: string, by: string): (source: string) => string {
  return (source) => {
    const times = source.split(piece).length - 1;
    if (times !== 1) throw new Error(`the source has ${times} × ${JSON.stringify(piece)}: adapt test/replay/variants.ts to it`);
    return source.replace(piece, () => by);
  };
}

function between(source: string, from: string, to: string): string {
  const [start, end] = [source.indexOf(from), source.indexOf(to)];
  if (start === -1 || end < start) throw new Error(`the source has no ${from} … ${to}: adapt test/replay/variants.ts to it`);
  return source.slice(start, end);
}

/** Bundles a copy of the source after a change, which must be one. */
export async function bundleVariant({ file = 'billing-run.ts', edit }: Pick<Variant, 'file' | 'edit'>): Promise<WorkflowBundleWithSourceMap> {
  return bundleCopy((dir) => {
    const path = join(dir, 'workflows', file);
    const source = readFileSync(path, 'utf8');
    const changed = edit(source);
    if (changed === source) throw new Error(`the change has changed nothing in ${file}`);
    writeFileSync(path, changed);
  });
}

/** Bundles a copy of src/, after it was changed in its place. */
export async function bundleCopy(change: (sourceDir: string) => void = () => {}): Promise<WorkflowBundleWithSourceMap> {
  const dir = mkdtempSync(join(tmpdir(), 'meterfold-variant-'));
  try {
    symlinkSync(join(repositoryDir, 'node_modules'), join(dir, 'node_modules'), 'junction');
    cpSync(join(repositoryDir, 'src'), join(dir, 'src'), { recursive: true });
    change(join(dir, 'src'));
    return await bundleForReplay(join(dir, 'src'));
  } finally {
    rmSync(dir, { recursive: true });
  }
}
