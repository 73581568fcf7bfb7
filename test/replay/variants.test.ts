/**
 * A replay that nothing could fail would prove nothing: each kind of deliberate change to the workflow fails just the histories
 * that it touches.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { type History, readHistories } from './histories.js';
import { faultsOf, replayAll } from './replay.js';
import { stepsOfHistory } from './steps.js';
import { bundleCopy, bundleVariant, VARIANTS } from './variants.js';

let histories: Map<string, History>;

beforeAll(() => {
  histories = readHistories();
});

test('an unchanged copy of the workflow passes', async () => {
  const replays = await replayAll(await bundleCopy(), histories);
  expect(replays.size).toBe(histories.size);
  expect([...replays.values()].flatMap(faultsOf)).toEqual([]);
});

test('a change that changes nothing is an error', async () => {
  await expect(bundleVariant({ edit: (source) => source })).rejects.toThrow('changed nothing');
});

describe.concurrent('the replay fails on', () => {
  test.each(VARIANTS)('$name', async (variant) => {
    const expected = [...histories].filter(([name, history]) => variant.fails(stepsOfHistory(history), name));
    expect(expected).not.toHaveLength(0);

    const replays = await replayAll(await bundleVariant(variant), histories);
    const failed = [...replays].filter(([, replay]) => faultsOf(replay).length > 0);
    expect(failed.map(([name]) => name)).toEqual(expected.map(([name]) => name));
    const refused = failed.filter(([, { refusal }]) => refusal !== undefined);
    expect(refused).toHaveLength(variant.byReplayer ? failed.length : 0);
    expect(failed.flatMap(([, replay]) => faultsOf(replay)).join('\n')).toContain(variant.says);
  });
});
