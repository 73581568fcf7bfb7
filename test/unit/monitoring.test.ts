import { expect, test } from 'vitest';
import { METRICS } from '../../src/contract/metrics.js';
import { alerts, alertsSeenFiring, expressions, metricsIn } from '../support/monitoring.js';

test('every expression of the rules and the dashboard is valid PromQL, and uses a metric', () => {
  expect(expressions.length).toBeGreaterThan(15);
  for (const { location, promql } of expressions) {
    expect({ location, metrics: metricsIn(promql).length }).not.toEqual({ location, metrics: 0 });
  }
});

test('invalid PromQL is found, and a metric by its name', () => {
  expect(() => metricsIn('sum(rate(meterfold_runs_total[5m])')).toThrow('not valid PromQL');
  expect(() => metricsIn('max(a) > > 1')).toThrow('not valid PromQL');
  expect(metricsIn('time() - max by (pod) (a_b{c="d"}) > 3 * sum(rate(e[5m] offset 1h))')).toEqual(['a_b', 'e']);
});

test('every alert has a severity, a summary and a description, and fires in a test of promtool', () => {
  for (const { alert, labels, annotations } of alerts) {
    expect({ alert, ...labels, ...annotations }).toEqual({
      alert,
      severity: expect.stringMatching(/^(critical|warning)$/),
      summary: expect.any(String),
      description: expect.stringContaining(' '),
    });
  }
  expect([...new Set(alertsSeenFiring)].sort()).toEqual(alerts.map(({ alert }) => alert).sort());
});

test('every metric is used by the dashboard or an alert', () => {
  const read = expressions.flatMap(({ promql }) => metricsIn(promql));
  for (const { name } of Object.values(METRICS)) {
    expect({ name, read: read.some((metric) => metric.startsWith(name)) }).toEqual({ name, read: true });
  }
});
