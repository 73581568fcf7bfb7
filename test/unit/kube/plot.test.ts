import { expect, test } from 'vitest';
import { plotBurst } from '../../kube/plot.js';

test('the plot of a burst has panels for pods, backlog and calls, scaled to their maxima', () => {
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
  expect(texts).toEqual(expect.arrayContaining(['ready pods', 'waiting tasks', 'calls mapped per second']));
  expect(texts).toEqual(expect.arrayContaining(['4', '40', '30,000', 'seconds']));
  expect(texts).not.toContain('7');
});
