/** Replays find changes of the workflow: each kind of deliberate change fails exactly the histories that it affects. */
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { beforeAll, describe, expect, test } from 'vitest';
import { type History, readHistories } from './histories.js';
import { faultsOf, type Replay, replayAll } from './replay.js';
import { stepsOfHistory } from './steps.js';
import { bundleEdits, type Edit, edited, typeOf, VARIANTS } from './variants.js';

const unchanged: Edit = { edit: (source) => source };

let histories: Map<string, History>;
let bundle: WorkflowBundleWithSourceMap;

beforeAll(async () => {
  histories = readHistories();
  bundle = await bundleEdits([...VARIANTS, unchanged]);
});

/** Replays all histories as if the workflow that recorded them had this type. */
function replayAs(workflowType: string): Promise<Map<string, Replay>> {
  const renamed = [...histories].map(([name, history]) => {
    const copy = structuredClone(history);
    copy.events[0]!.workflowExecutionStartedEventAttributes.workflowType.name = workflowType;
    return [name, copy] as const;
  });
  return replayAll(bundle, new Map(renamed));
}

test('an unchanged copy of the workflow passes', async () => {
  const replays = await replayAs(typeOf(VARIANTS.length));
  expect([...replays.keys()]).toEqual([...histories.keys()]);
  expect([...replays.values()].flatMap(faultsOf)).toEqual([]);
});

describe('the replay fails on', () => {
  test.each(VARIANTS.map((variant, number) => ({ ...variant, number })))('$name', async (variant) => {
    const { before, after } = edited(variant);
    expect(after).not.toBe(before);
    const expected = [...histories].filter(([name, history]) => variant.fails(stepsOfHistory(history), name));
    expect(expected).not.toHaveLength(0);

    const replays = await replayAs(typeOf(variant.number));
    const failed = [...replays].filter(([, replay]) => faultsOf(replay).length > 0);
    expect(failed.map(([name]) => name)).toEqual(expected.map(([name]) => name));
    const refused = failed.filter(([, { refusal }]) => refusal !== undefined);
    const { byReplayer } = variant;
    expect(refused).toHaveLength(typeof byReplayer === 'number' ? byReplayer : byReplayer ? failed.length : 0);
    expect(failed.flatMap(([, replay]) => faultsOf(replay)).join('\n')).toContain(variant.says);
  });

  test('another workflow type', async () => {
    const replays = await replayAs('billing');
    expect([...replays].filter(([, { refusal }]) => refusal === undefined)).toEqual([]);
  });
});
