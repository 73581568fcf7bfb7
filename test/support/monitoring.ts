/** The rules and the dashboard of infra/monitoring, and the metrics that they use. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';
import { repositoryDir } from './repository.js';

export interface Alert {
  alert: string;
  expr: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

interface Dashboard {
  panels: { title: string; targets: { expr: string }[] }[];
}

const read = (name: string) => readFileSync(join(repositoryDir, 'infra', 'monitoring', name), 'utf8');

export const alerts: Alert[] = parse(read('alerts.yaml')).groups.flatMap((group: { rules: Alert[] }) => group.rules);

/** Names of the alerts that fire in promtool's tests. */
export const alertsSeenFiring: string[] = parse(read('alerts.test.yaml')).tests.flatMap(
  (test: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }) =>
    test.alert_rule_test.filter(({ exp_alerts }) => exp_alerts.length > 0).map(({ alertname }) => alertname),
);

const dashboard: Dashboard = JSON.parse(read('dashboard.json'));

/** All PromQL expressions with the alert or panel that contains them. Grafana's interval variables are relocationd. */
export const expressions: { location: string; promql: string }[] = [
  ...alerts.map(({ alert, expr }) => ({ location: alert, promql: expr })),
  ...dashboard.panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ location: title, promql: expr.replaceAll('$__rate_interval', '5m') })),
  ),
];

/** Returns the names of the metrics in an expression. Throws if it is not valid PromQL. */
export function metricsIn(promql: string): string[] {
  const names: string[] = [];
  parser.parse(promql).iterate({
    enter({ type, from, to, node }) {
      if (type.isError) throw new Error(`not valid PromQL: ${promql.slice(0, from)}⚠${promql.slice(from)}`);
      if (type.name === 'Identifier' && node.parent?.name === 'VectorSelector') names.push(promql.slice(from, to));
    },
  });
  return names;
}
