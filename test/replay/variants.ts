/** Variants of the workflow: its source with one deliberate change of the kind that a replay must find. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { repositoryDir } from '../support/repository.js';
import { bundleForReplay } from './replay.js';
import type { Step } from './steps.js';

export interface Edit {
  /** In src; workflows/billing-run.ts if absent. */
  file?: string;
  /** Throws if the source has changed so that the edit no longer applies. */
  edit: (source: string) => string;
}

export interface Variant extends Edit {
  name: string;
  /** True if the replay of the history must fail; the replays of all others must pass. */
  fails: (steps: Step[], name: string) => boolean;
  /**
   * True if the SDK's replayer finds the change in all failing histories, or in how many; only the comparison of steps
   * finds it in the others.
   */
  byReplayer: boolean | number;
  /** Text in one of the faults. */
  says: string;
}

const schedules = (activity: string) => (steps: Step[]) => steps.some(({ what }) => what.endsWith(` ${activity}`));
const coordinates = (steps: Step[]) => schedules('planRun')(steps) || schedules('discardRun')(steps);
const watchesForStragglers = (steps: Step[]) =>
  steps.some(({ fields }) => fields.summary === 'wait until a task counts as slow');
const only =
  (...names: string[]) =>
  (_: Step[], name: string) =>
    names.includes(name);
const answersWithRun = (steps: Step[]) =>
  (steps.at(-1)!.fields.result as { status?: string } | undefined)?.status === 'published';
const publishes = (steps: Step[]) =>
  schedules('publishRun')(steps) && answersWithRun(steps) && !schedules('discardRun')(steps);
const isPlanned = (steps: Step[]) => steps.some(({ fields }) => /^\d+$/.test(String(fields.meterfoldRun)));
/**
 * Activities are numbered as they are scheduled, even if the workflow is cancelled already and none is sent to
 * Temporal.
 */
const schedulesFour = (steps: Step[]) => steps.some(({ what }) => Number(/^activity (\d+)/.exec(what)?.[1]) > 4);

export const VARIANTS: Variant[] = [
  {
    name: 'another activity in map',
    edit: replace('tasks.mapPartition.', 'tasks.mapRange.'),
    fails: schedules('mapPartition'),
    byReplayer: true,
    says: 'was activity 2 mapPartition, and is activity 2 mapRange',
  },
  {
    name: 'another activity at the end',
    file: 'workflows/activities.ts',
    edit: replace('publishRun,', 'proclaimRun: publishRun,'),
    fails: schedules('publishRun'),
    byReplayer: true,
    says: 'proclaimRun',
  },
  {
    name: 'one activity more, after publish',
    edit: replace(
      'return this.#result(plan, await this.#publish(plan));',
      'const published = await this.#publish(plan); await recount({ runId: plan.runId, number: 0 }); return this.#result(plan, published);',
    ),
    fails: publishes,
    byReplayer: true,
    says: 'was end: completed, and is activity',
  },
  {
    name: 'one activity more in reduce',
    edit: replace('items: plan.shards,', 'items: plan.shards.concat(plan.shards.slice(0, 1)),'),
    fails: schedules('reduceShard'),
    byReplayer: true,
    says: 'was activity 11 publishRun, and is activity 11 reduceShard',
  },
  {
    name: 'one activity fewer: no recount',
    edit: replace('if (to === after || this.#recounted !== undefined) return;', 'return;'),
    fails: schedules('recount'),
    byReplayer: true,
    says: 'was activity 6 recount, and is activity 6 reduceShard',
  },
  {
    name: 'one activity fewer: nothing is discarded',
    file: 'workflows/give-up.ts',
    edit: replace("progress.phase('discarding');", 'throw error;'),
    fails: schedules('discardRun'),
    byReplayer: true,
    says: 'discardRun',
  },
  {
    name: 'stages swapped: recount and reduce before map',
    edit: replace(
      'await this.#map(plan); await Promise.all([this.#recount(plan), this.#reduceAll(plan)]);',
      'await Promise.all([this.#recount(plan), this.#reduceAll(plan)]); await this.#map(plan);',
    ),
    fails: schedulesFour,
    byReplayer: true,
    says: 'was activity 2 mapPartition, and is activity 2 recount',
  },
  {
    name: 'fewer activities in flight',
    edit: replace('IN_FLIGHT_MAX = 100', 'IN_FLIGHT_MAX = 3'),
    fails: schedulesFour,
    byReplayer: true,
    says: 'activity 5 mapPartition',
  },
  {
    name: 'other arguments of plan',
    edit: replace('{ billing: this.#input,', "{ billing: { ...this.#input, currency: 'EUR' },"),
    fails: schedules('planRun'),
    byReplayer: false,
    says: 'activity 1 planRun: arguments was ',
  },
  {
    name: 'other arguments of the last map only',
    edit: replace('[input]), callsIn', '[{ ...input, number: input.number === 3 ? 0 : input.number }]), callsIn'),
    fails: schedules('mapPartition'),
    byReplayer: false,
    says: 'activity 5 mapPartition: arguments was ',
  },
  {
    name: 'other arguments of publish',
    edit: replace('maps: this.#maps, reduces: this.#reduces,', 'maps: this.#reduces, reduces: this.#maps,'),
    fails: (steps) => schedules('publishRun')(steps) && schedules('mapPartition')(steps),
    byReplayer: false,
    says: 'publishRun: arguments was ',
  },
  {
    name: 'other arguments of discard',
    file: 'workflows/give-up.ts',
    edit: replace('{ firstExecutionRunId, reason, ', "{ firstExecutionRunId, reason: 'given up', "),
    fails: schedules('discardRun'),
    byReplayer: false,
    says: 'discardRun: arguments was ',
  },
  {
    name: 'another timeout of plan, publish and discard',
    file: 'workflows/activities.ts',
    edit: replace("startToCloseTimeout: '30m'", "startToCloseTimeout: '20m'"),
    fails: coordinates,
    byReplayer: false,
    says: 'planRun: startToCloseMs was 1800000, and is 1200000',
  },
  {
    name: 'another timeout of map, reduce and recount',
    file: 'workflows/activities.ts',
    edit: replace("startToCloseTimeout: '2h'", "startToCloseTimeout: '3h'"),
    fails: schedules('mapPartition'),
    byReplayer: false,
    says: 'activity 5 mapPartition: startToCloseMs was 7200000, and is 10800000',
  },
  {
    name: 'another heartbeat timeout',
    file: 'workflows/activities.ts',
    edit: (source) => source.replaceAll('heartbeatTimeout: HEARTBEAT_TIMEOUT_MS', "heartbeatTimeout: '11s'"),
    fails: coordinates,
    byReplayer: false,
    says: 'planRun: heartbeatMs was 10000, and is 11000',
  },
  {
    name: 'another retry policy',
    file: 'workflows/activities.ts',
    edit: replace('maximumInterval: RETRY_MS_MAX', 'maximumInterval: RETRY_MS_MAX, maximumAttempts: 3'),
    fails: coordinates,
    byReplayer: false,
    says: 'planRun: retryAttemptsMax was 0, and is 3',
  },
  {
    name: 'another priority of recount',
    file: 'workflows/activities.ts',
    edit: replace('priorityKey: 1', 'priorityKey: 2'),
    fails: schedules('recount'),
    byReplayer: false,
    says: 'recount: priority was {"priorityKey":1,"fairnessKey":"","fairnessWeight":0}, and is {"priorityKey":2,',
  },
  {
    name: 'another task queue for map, reduce and recount',
    file: 'workflows/activities.ts',
    edit: replace("startToCloseTimeout: '2h'", "taskQueue: 'folding', startToCloseTimeout: '2h'"),
    fails: schedules('mapPartition'),
    byReplayer: false,
    says: 'activity 2 mapPartition: taskQueue was "billing", and is "folding"',
  },
  {
    name: 'another summary',
    edit: replace('`calls $', '`from $'),
    fails: schedules('mapPartition'),
    byReplayer: false,
    says: 'mapPartition: summary was "calls ',
  },
  {
    name: 'another memo',
    file: 'workflows/progress.ts',
    edit: replace('upsertMemo({ meterfoldRun: plan.runId })', 'upsertMemo({ meterfoldRun: Number(plan.runId) })'),
    fails: isPlanned,
    byReplayer: false,
    says: 'memo: meterfoldRun was ',
  },
  {
    name: 'a cancelled run that waits for the end of its maps and reduces',
    file: 'workflows/activities.ts',
    edit: replace('ActivityCancellationType.TRY_CANCEL', 'ActivityCancellationType.WAIT_CANCELLATION_COMPLETED'),
    fails: only('cancelled-in-map', 'cancelled-in-reduce', 'given-up-in-map', 'backup-lost'),
    byReplayer: 3,
    says: 'discardRun, and is ',
  },
  {
    name: 'a publish that can be cancelled',
    edit: replace(
      ".nonCancellable(() => this.#statistics.count({ name: 'publish' }",
      ".cancellable(() => this.#statistics.count({ name: 'publish' }",
    ),
    fails: only('cancelled-too-late'),
    byReplayer: true,
    says: 'was end: completed, and is cancel activity 11 publishRun',
  },
  {
    name: 'another result',
    file: 'workflows/result.ts',
    edit: replace('priceIn(plan.terms)', "{ ...priceIn(plan.terms), currency: 'EUR' }"),
    fails: answersWithRun,
    byReplayer: false,
    says: 'end: completed: result was ',
  },
  {
    name: 'another count in the result',
    file: 'workflows/statistics.ts',
    edit: replace('retried, backups', 'retried: 0, backups'),
    fails: only('tried-again', 'tried-again-and-reported'),
    byReplayer: false,
    says: 'end: completed: result was ',
  },
  {
    name: 'another result of a cancelled run',
    file: 'workflows/give-up.ts',
    edit: replace('was cancelled by an operator: nothing', 'was cancelled: nothing'),
    fails: only('given-up-at-start', 'given-up-in-map', 'held-and-given-up'),
    byReplayer: false,
    says: 'end: completed: result was ',
  },
  {
    name: 'a pause without effect',
    file: 'workflows/control.ts',
    edit: replace('this.#progress.now.paused ? this.#resumed() : undefined', 'undefined'),
    fails: only('paused', 'cancelled-while-paused', 'map-restarted'),
    byReplayer: true,
    says: 'and is ',
  },
  {
    name: 'a failed run that is held for longer',
    file: 'workflows/control.ts',
    edit: replace('seconds * 1000', 'seconds * 2000'),
    fails: (_, name) => name.startsWith('held-'),
    byReplayer: false,
    says: 'timer',
  },
  {
    name: 'a failed run that opens another run when it is retried',
    edit: replace('this.#plan ??= await', 'this.#plan = await'),
    fails: only('held-and-retried'),
    byReplayer: true,
    says: 'planRun',
  },
  {
    name: 'lost segments without a restart of map',
    edit: replace("if ('segmentsLost' in reduced)", "if ('nothing' in reduced)"),
    fails: only('map-restarted'),
    byReplayer: true,
    says: 'was ',
  },
  {
    name: 'a map that restarts later',
    file: 'workflows/map-restarts.ts',
    edit: replace('FIRST_DELAY_MS = 1000', 'FIRST_DELAY_MS = 2000'),
    fails: only('map-restarted'),
    byReplayer: false,
    says: 'ms was 1000, and is 2000',
  },
  {
    name: 'lost segments whose outcomes are kept',
    edit: replace('this.#maps.length = 0;', ''),
    fails: only('map-restarted'),
    byReplayer: true,
    says: 'was activity ',
  },
  {
    name: 'backups that begin earlier',
    file: 'backups/stragglers.ts',
    edit: replace('SLOW_MS_MIN = 1000', 'SLOW_MS_MIN = 900'),
    fails: watchesForStragglers,
    byReplayer: false,
    says: 'timer',
  },
  {
    name: 'an attempt that continues when the other one has won',
    file: 'backups/stragglers.ts',
    edit: replace('if (hasBackup) scope.cancel();', ''),
    fails: only('backup-won', 'backup-lost'),
    byReplayer: true,
    says: 'cancel activity',
  },
  {
    name: 'a wrong input that is not refused',
    edit: replace('  checkInput(input);\n', ''),
    fails: only('failed-by-input'),
    byReplayer: true,
    says: 'was end: failed, and is activity 1 planRun',
  },
];

/** Replaces a piece of the source that must occur exactly once, with any line breaks. */
function replace(piece: string, by: string): (source: string) => string {
  const pattern = new RegExp(piece.split(/\s+/).map(literally).join('\\s+'), 'g');
  return (source) => {
    const times = source.match(pattern)?.length ?? 0;
    if (times !== 1) throw new Error(`the source has ${times} × ${piece}: adapt test/replay/variants.ts to it`);
    return source.replace(pattern, () => by);
  };
}

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

const sourceDir = join(repositoryDir, 'src');
const EDITED = 'workflows/billing-run.ts';
/** Folders of src whose files may be edited. */
const COPIED = ['workflows', 'backups'];

/** The source before and after an edit. */
export function edited({ file = EDITED, edit }: Edit): { before: string; after: string } {
  const before = readFileSync(join(sourceDir, file), 'utf8');
  return { before, after: edit(before) };
}

/** The workflow type of an edit in the common bundle. */
export function typeOf(number: number): string {
  return `billingRun${number}`;
}

/**
 * Bundles copies of the workflow, one per edit, each as a workflow type of its own. A bundle per edit would take most
 * of the tests' time. A copy whose edit throws is not changed.
 */
export async function bundleEdits(edits: readonly Edit[]): Promise<WorkflowBundleWithSourceMap> {
  const dir = mkdtempSync(join(tmpdir(), 'meterfold-variants-'));
  try {
    symlinkSync(join(repositoryDir, 'node_modules'), join(dir, 'node_modules'));
    const index = edits.map((one, number) => {
      const copy = join(dir, `${number}`);
      mkdirSync(copy);
      for (const room of readdirSync(sourceDir)) {
        if (COPIED.includes(room)) cpSync(join(sourceDir, room), join(copy, room), { recursive: true });
        else symlinkSync(join(sourceDir, room), join(copy, room));
      }
      try {
        writeFileSync(join(copy, one.file ?? EDITED), edited(one).after);
      } catch {}
      return `export { billingRun as ${typeOf(number)} } from './${number}/workflows/index.js';\n`;
    });
    writeFileSync(join(dir, 'index.ts'), index.join(''));
    return await bundleForReplay(join(dir, 'index.ts'));
  } finally {
    rmSync(dir, { recursive: true });
  }
}
