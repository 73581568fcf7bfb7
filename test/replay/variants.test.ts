/** A replay that nothing could fail would prove nothing: each kind of deliberate change to the workflow fails just the histories it touches. */
import { beforeAll, describe, expect, test } from 'vitest';
import { type History, readHistories, SHAPES } from './histories.js';
import { faultsOf, type Replay, replayAll } from './replay.js';
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

describe('the replay fails on', () => {
  test.each(VARIANTS)('$name', async (variant) => {
    const replays = await replayAll(await bundleVariant(variant), histories);
    const failed = [...replays].filter(([, replay]) => faultsOf(replay).length > 0);
    const expected = Object.keys(SHAPES).filter((name) => variant.fails(SHAPES[name]!, name));
    expect(expected).not.toHaveLength(0);
    expect(failed.map(([name]) => name)).toEqual(expected);
    expect(failed.map(([name, { refusal }]) => [name, refusal !== undefined])).toEqual(expected.map((name) => [name, variant.byReplayer]));
    expect(failed.filter(([, { differences }]) => differences.length === 0)).toEqual([]);
    expect(allDifferences(failed)).toContain(variant.says);
  });
});

function allDifferences(failed: [string, Replay][]): string {
  return failed.flatMap(([, { differences }]) => differences).join('\n');
}
