/**
 * The current workflow code continues runs that began under the code that recorded the histories: it takes the same
 * steps, with the same fields, to the same end.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { traceInterceptors } from '../../src/workers/bundle.js';
import { ALL, type History, historiesDir, readHistories, shapeOf } from './histories.js';
import { bundleForReplay, faultsOf, type Replay, replayAll } from './replay.js';
import { compareSteps, type Step, stepsOfHistory } from './steps.js';

const names = Object.keys(ALL);
const scheduledIn = (history: History) =>
  history.events.filter(({ eventType }) => eventType === 'EVENT_TYPE_ACTIVITY_TASK_SCHEDULED');

let bundle: WorkflowBundleWithSourceMap;
let histories: Map<string, History>;
let replays: Map<string, Replay>;

beforeAll(async () => {
  histories = readHistories();
  bundle = await bundleForReplay();
  replays = await replayAll(bundle, histories);
});

describe('the current workflow replays', () => {
  test.each(names)('%s', (name) => {
    expect(faultsOf(replays.get(name)!)).toEqual([]);
  });

  test('every saved history, and no other', () => {
    expect(names).toHaveLength(31);
    expect([...replays.keys()]).toEqual(names);
  });

  test('without dispatching map, reduce or recount eagerly, which histories do not show', () => {
    const scheduled = [...replays.values()].flatMap(({ commands }) =>
      commands.flatMap((one) => one.scheduleActivity ?? []),
    );
    const tasks = scheduled.filter(({ activityType }) =>
      ['mapPartition', 'reduceShard', 'recount'].includes(activityType!),
    );
    expect(tasks).not.toHaveLength(0);
    expect(tasks.filter((one) => !one.doNotEagerlyExecute)).toEqual([]);
  });
});

test('a worker that traces continues runs that began without traces: activities get a header, and nothing else differs', async () => {
  const traced = await bundleForReplay(undefined, [traceInterceptors]);
  const faults = [...(await replayAll(traced, histories))].flatMap(([name, replay]) =>
    faultsOf(replay).map((fault) => `${name}: ${fault}`),
  );
  const header = /: header was {}, and is {"_tracer-data":{[^}]*}}$/;
  expect(faults.length).toBeGreaterThan(names.length);
  expect(faults.filter((fault) => !header.test(fault))).toEqual([]);
});

describe('the saved histories', () => {
  test.each(names)('%s has its expected shape', (name) => {
    expect(shapeOf(histories.get(name)!)).toEqual(ALL[name]);
  });

  test('that are missing are an error, also if all are', () => {
    const dir = scratchDir();
    expect(() => readHistories(dir)).toThrow(`histories are missing: ${names.join(', ')}`);
    cpSync(historiesDir, dir, { recursive: true });
    rmSync(join(dir, 'tried-again.json'));
    expect(() => readHistories(dir)).toThrow('histories are missing: tried-again');
  });

  test('that are unexpected are an error', () => {
    const dir = scratchDir();
    cpSync(historiesDir, dir, { recursive: true });
    writeFileSync(join(dir, 'forgotten.json'), '{"events":[]}');
    expect(() => readHistories(dir)).toThrow('unexpected histories: forgotten');
  });
});

describe('the comparison', () => {
  test('covers every activity that a history schedules', () => {
    const compared = names.map((name) => replays.get(name)!.steps.filter(isActivity).length);
    expect(compared).toEqual(names.map((name) => scheduledIn(histories.get(name)!).length));
    expect(compared.reduce((sum, count) => sum + count)).toBeGreaterThan(100);
  });

  test.each(names)('finds each field of each step that differs, in %s', (name) => {
    const { steps } = replays.get(name)!;
    const recorded = stepsOfHistory(histories.get(name)!);
    recorded.forEach((step, at) => {
      for (const particular of Object.keys(step.fields)) {
        const other = { ...step, fields: { ...step.fields, [particular]: 'another' } };
        const faults = compareSteps(recorded.with(at, other), steps);
        expect(faults).toEqual([expect.stringContaining(`${step.what}: ${particular} was "another", and is `)]);
      }
    });
  });

  test.each(names)('finds a missing step and an additional one, in %s', (name) => {
    const { steps } = replays.get(name)!;
    for (const at of steps.keys()) {
      expect(compareSteps(steps, steps.toSpliced(at, 1))).toHaveLength(1);
      expect(compareSteps(steps.toSpliced(at, 1), steps)).toHaveLength(1);
    }
  });

  test("finds other arguments of the last activity, which the SDK's replayer accepts", async () => {
    const altered = new Map<string, History>();
    for (const [name, history] of histories) {
      if (scheduledIn(history).length > 0) altered.set(name, withOtherArguments(history));
    }
    expect(altered.size).toBe(names.length - 1);
    for (const [name, { refusal, differences }] of await replayAll(bundle, altered)) {
      const last = stepsOfHistory(histories.get(name)!).findLast(isActivity)!;
      expect(refusal).toBeUndefined();
      expect(differences).toEqual([expect.stringContaining(`${last.what}: arguments was ["another"], and is `)]);
    }
  });
});

function isActivity({ what }: Step): boolean {
  return what.startsWith('activity ');
}

/** A copy of the history in which the last activity has other arguments. */
function withOtherArguments(history: History): History {
  const copy = structuredClone(history);
  const { input } = scheduledIn(copy).at(-1)!.activityTaskScheduledEventAttributes;
  input.payloads[0].data = Buffer.from('"another"').toString('base64');
  return copy;
}

function scratchDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'meterfold-histories-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}
