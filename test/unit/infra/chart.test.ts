/**
 * The chart, as Helm renders it. What it renders lies in rendered/, so that it can be read, and looked through where there is no Helm; where
 * there is one (HELM, or helm on PATH), it is rendered anew and compared. `npx vitest run test/unit/infra -u` takes a change over.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { repositoryDir } from '../../support/repository.js';
import { helm, kubeconform } from './helm.js';
import { faultOf, objectsIn, podsIn, type Resource } from './objects.js';

const chartDir = join(repositoryDir, 'infra', 'chart');
const renderedDir = join(import.meta.dirname, 'rendered');
const digestFile = join(renderedDir, 'chart.sha256');
const KUBERNETES = '1.34';
const given = ['--set', 'database.url=postgres://user:password@host/database,temporal.address=host:7233'];
const values = (name: string) => ['--values', join(chartDir, `values-${name}.yaml`)];

/** What is rendered: by the name of its file. */
const variants: Record<string, string[]> = {
  plain: given,
  try: values('try'),
  ha: values('ha'),
  versioned: [...values('ha'), '--set', 'versioning.enabled=true'],
  cpu: [...given, '--set', 'autoscaling.type=cpu,temporal.apiKey.existingSecret=key,migrate.by=none'],
};
const names = Object.keys(variants);

/** As Helm renders it now, or has rendered it. */
const manifests = Object.fromEntries(
  names.map((name) => [
    name,
    helm === undefined
      ? readFileSync(join(renderedDir, `${name}.yaml`), 'utf8')
      : helm('template', 'meterfold', chartDir, '--kube-version', KUBERNETES, ...variants[name]!),
  ]),
);

/** Of all that the chart consists of: what was rendered by another chart is noticed also where there is no Helm. */
function digestOfChart(): string {
  const files = readdirSync(chartDir, { recursive: true, encoding: 'utf8' }).sort();
  const hash = createHash('sha256');
  for (const file of files.filter((name) => statSync(join(chartDir, name)).isFile())) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(chartDir, file)))
      .update('\0');
  }
  return `${hash.digest('hex')}\n`;
}

if (helm === undefined) {
  test('what lies in rendered/ is of this chart', () => {
    expect(readFileSync(digestFile, 'utf8'), 'render it anew: HELM=… npx vitest run test/unit/infra -u').toBe(
      digestOfChart(),
    );
  });
} else {
  const run = helm;

  test('helm has nothing to complain of', () => {
    for (const args of Object.values(variants))
      run('lint', chartDir, '--strict', '--kube-version', KUBERNETES, ...args);
  });

  test.each(names)('helm renders what lies in rendered/%s.yaml', async (name) => {
    await expect(manifests[name]).toMatchFileSnapshot(join(renderedDir, `${name}.yaml`));
    await expect(digestOfChart()).toMatchFileSnapshot(digestFile);
  });

  test.each([
    ['no database', ['--set', 'temporal.address=host:7233'], 'database.url, or database.existingSecret'],
    ['no Temporal', ['--set', 'database.url=postgres://host/database'], 'temporal.address'],
    ['a minimum of no pods', [...given, '--set', 'autoscaling.minReplicas=0'], '/autoscaling/minReplicas'],
    ['a setting that has a value of its own', [...given, '--set', 'settings.WORKER_SLOTS=3'], 'WORKER_SLOTS'],
    ['a misspelt value', [...given, '--set', 'activityWorker.slots=3'], 'activityWorker'],
  ])('helm refuses %s, and says which value it is', (_what, args, named) => {
    expect(() => run('template', 'meterfold', chartDir, '--kube-version', KUBERNETES, ...args)).toThrow(named);
  });
}

if (kubeconform !== undefined) {
  const conform = kubeconform;

  test.each(names)('kubeconform finds no fault in %s', (name) => {
    expect(conform(manifests[name]!)).toBe('');
  });
}

test.each(['values.yaml', 'values-try.yaml', 'values-ha.yaml'])('%s holds to the schema of the values', (file) => {
  const schema = JSON.parse(readFileSync(join(chartDir, 'values.schema.json'), 'utf8'));
  const isValues = new Ajv({ allErrors: true, strict: false }).compile(schema);
  isValues(parse(readFileSync(join(chartDir, file), 'utf8')));
  expect(isValues.errors ?? []).toEqual([]);
});

describe.each(names)('%s', (name) => {
  const objects = objectsIn(manifests[name]!);

  test('is made of objects as Kubernetes takes them', () => {
    expect(objects.length).toBeGreaterThan(5);
    expect(objects.map(faultOf).filter((fault) => fault !== undefined)).toEqual([]);
  });

  test('has pods that need no right at all', () => {
    expect(podsIn(objects).length).toBeGreaterThan(2);
    for (const { spec } of podsIn(objects)) {
      expect(spec).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(container.resources).toMatchObject({ requests: { memory: expect.anything() }, limits: {} });
      }
    }
  });

  test('gives workers more time to stop than they take', () => {
    for (const { spec, container } of workersIn(objects)) {
      const grace = container.env.find((variable) => variable.name === 'SHUTDOWN_GRACE_SECONDS')!;
      expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(Number(grace.value));
    }
  });

  test('asks workers at the port that they listen on', () => {
    for (const { container } of workersIn(objects)) {
      const port = (named: string) => container.ports.find((entry) => entry.name === named)?.containerPort;
      const variable = (named: string) => Number(container.env.find((entry) => entry.name === named)?.value);
      expect(port('health')).toBe(variable('HEALTH_PORT'));
      expect(port('metrics')).toBe(variable('METRICS_PORT'));
      expect(container.startupProbe).toMatchObject({ httpGet: { path: '/startupz', port: 'health' } });
      expect(container.livenessProbe).toMatchObject({ httpGet: { path: '/livez', port: 'health' } });
      expect(container.readinessProbe).toMatchObject({ httpGet: { path: '/readyz', port: 'health' } });
    }
  });
});

function workersIn(objects: Resource[]) {
  const workers = podsIn(objects).flatMap(({ spec }) =>
    spec.containers.filter(({ name }) => name === 'worker').map((container) => ({ spec, container })),
  );
  expect(workers.length).toBeGreaterThan(0);
  return workers;
}

describe('a pool that follows the backlog', () => {
  const scaled = objectsIn(manifests.ha!).find(({ kind }) => kind === 'ScaledObject')!;
  const worker = workersIn(objectsIn(manifests.ha!)).find(({ container }) => container.args.includes('activity'))!;

  test('grows by a pod for each pod full of activities', () => {
    const slots = worker.container.env.find(({ name }) => name === 'WORKER_SLOTS')!.value;
    expect(scaled.spec).toMatchObject({
      triggers: [
        { type: 'temporal', metadata: { taskQueue: 'billing', queueTypes: 'activity', targetQueueSize: slots } },
      ],
    });
  });

  test('never shrinks to nothing, and waits before it shrinks', () => {
    expect(scaled.spec.minReplicaCount).toBeGreaterThan(0);
    const { scaleDown } = scaled.spec.advanced.horizontalPodAutoscalerConfig.behavior;
    expect(scaleDown.stabilizationWindowSeconds).toBeGreaterThanOrEqual(300);
    expect(scaled.spec.fallback.behavior).toBe('currentReplicas');
  });

  test('is not set back to a number of pods by an upgrade', () => {
    const deployment = objectsIn(manifests.ha!).find(({ metadata }) => metadata.name === 'meterfold-activity-worker')!;
    expect(deployment.spec).not.toHaveProperty('replicas');
  });
});

test('versioned workers leave it to the controller where Temporal is and which version they are', () => {
  const objects = objectsIn(manifests.versioned!);
  expect(objects.filter(({ kind }) => kind === 'Deployment')).toEqual([]);
  const deployment = objects.find(({ kind }) => kind === 'WorkerDeployment')!;
  const variables = deployment.spec.template.spec.containers[0].env.map(({ name }: { name: string }) => name);
  expect(variables).not.toContain('TEMPORAL_ADDRESS');
  const template = objects.find(({ kind }) => kind === 'WorkerResourceTemplate')!;
  expect(template.spec.template.spec).toMatchObject({
    scaleTargetRef: {},
    triggers: [{ metadata: { namespace: '', workerDeploymentName: '', workerDeploymentBuildId: '' } }],
  });
});

test('the password of a database is in Secrets only', () => {
  const others = objectsIn(manifests.plain!).filter(({ kind }) => kind !== 'Secret');
  expect(JSON.stringify(others)).not.toContain('user:password');
});

test('the rules and the dashboard are those of infra/monitoring', () => {
  const file = (name: string) => readFileSync(join(repositoryDir, 'infra', 'monitoring', name), 'utf8');
  const objects = objectsIn(manifests.ha!);
  expect(objects.find(({ kind }) => kind === 'PrometheusRule')!.spec).toEqual(parse(file('alerts.yaml')));
  const dashboard = objects.find(({ kind }) => kind === 'ConfigMap') as unknown as { data: Record<string, string> };
  expect(JSON.parse(dashboard.data['meterfold.json']!)).toEqual(JSON.parse(file('dashboard.json')));
});

test('chart and image are of the same version as the package', () => {
  const read = (...path: string[]) => readFileSync(join(repositoryDir, ...path), 'utf8');
  const { version } = JSON.parse(read('package.json'));
  expect(parse(read('infra', 'chart', 'Chart.yaml'))).toMatchObject({ version, appVersion: version });
  expect(read('Dockerfile')).toContain(`ARG VERSION=${version}\n`);
});
