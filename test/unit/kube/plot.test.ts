import { expect, test } from 'vitest';
import { plotBurst } from '../../kube/plot.js';

test('a plot of a burst has a panel each for pods, backlog and calls, up to their largest', () => {
  const samples = [0, 1, 2, 3].map((second) => ({
    at: 5000 + 1000 * second,
    pods: 7,
    ready: 1 + second,
    backlog: 40 - 10 * second,
    calls: 30_000 * second,
  }));
  const svg = plotBurst(samples, 5000);
  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
  expect(svg).toMatch(/^<svg .*<\/svg>\n$/s);
  expect(texts).toEqual(
    expect.arrayContaining(['pods that are ready', 'tasks that wait for a worker', 'calls mapped a second']),
  );
  expect(texts).toEqual(expect.arrayContaining(['4', '40', '30,000', 'seconds']));
  expect(texts).not.toContain('7');
});
