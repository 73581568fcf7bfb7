/**
 * Tests the chart as rendered by Helm. The rendered manifests are stored in rendered/, so that they can be read, and
 * tested without Helm. If Helm is installed (HELM, or helm on PATH), the chart is rendered again and compared. `npx
 * vitest run test/unit/infra -u` stores a change.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { afterAll, describe, expect, test } from 'vitest';
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

/** Helm's arguments for each file in rendered/. */
const variants: Record<string, string[]> = {
  plain: given,
  try: values('try'),
  ha: values('ha'),
  versioned: [...values('ha'), '--set', 'versioning.enabled=true'],
  written: ['--values', join(import.meta.dirname, 'values-written.yaml')],
  cpu: [...given, '--set', 'autoscaling.type=cpu,temporal.apiKey.existingSecret=key,migrate.by=none'],
};
const names = Object.keys(variants);

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

/**
 * Values that would not reach the pods as they are written: lines of a values file, and the path of the value. For a
 * refused property name Helm 4 reports a wrong path, which varies between runs, so its message is checked for the name.
 */
const refused: [lines: string, value: string, reportedByHelm?: string][] = [
  ['settings: { BACKUP_ATTEMPTS: off }', '/settings/BACKUP_ATTEMPTS'],
  ['settings: { SPILL_CALLS: 1250000 }', '/settings/SPILL_CALLS'],
  ['settings: { PRICE_PER_UNIT: 0.00004 }', '/settings/PRICE_PER_UNIT'],
  ['settings: { PRICE_PER_UNIT: 123456.000000000001 }', '/settings/PRICE_PER_UNIT'],
  ['settings: { CALLS_PER_CYCLE: 010 }', '/settings/CALLS_PER_CYCLE'],
  ['settings: { CURRENCY: NO }', '/settings/CURRENCY'],
  ['settings: { LOG_REPLICA_URL: "postgres://user:password@host/database" }', '/settings', 'LOG_REPLICA_URL'],
  ['settings: { TEMPORAL_TASK_QUEUE: "other" }', '/settings', 'TEMPORAL_TASK_QUEUE'],
  ['extraEnv: [{ name: OTEL_BSP_MAX_QUEUE_SIZE, value: 2048 }]', '/extraEnv/0/value'],
  ['image: { tag: 1.10 }', '/image/tag'],
  ['image: { tag: 0123456 }', '/image/tag'],
  [`image: { tag: "${DIGEST}" }`, '/image/tag'],
  [`image: { tag: "1@${DIGEST}", digest: "${DIGEST}" }`, '/image'],
  ['temporal: { namespace: 12 }', '/temporal/namespace'],
  ['temporal: { taskQueue: 1e3 }', '/temporal/taskQueue'],
  ['podLabels: { release: 1.10 }', '/podLabels/release'],
  ['podLabels: { release: "a b" }', '/podLabels/release'],
  ['podAnnotations: { built: 2026 }', '/podAnnotations/built'],
  ['nodeSelector: { gpu: true }', '/nodeSelector/gpu'],
  ['tolerations: [{ key: a, tolerationSeconds: 3600000 }]', '/tolerations/0/tolerationSeconds'],
  ['activityWorkers: { resources: { limits: { memory: 1073741824 } } }', '/activityWorkers/resources/limits/memory'],
  ['autoscaling: { maxReplicas: 1000000 }', '/autoscaling/maxReplicas'],
  ['listenOn: 0', '/listenOn'],
];

/**
 * Checks values against the schema as Helm does: a file is read as YAML 1.1, where off is a boolean and 010 is octal.
 */
function faultsOfValues(text: string): string[] {
  const schema = JSON.parse(readFileSync(join(chartDir, 'values.schema.json'), 'utf8'));
  const isValues = new Ajv({ allErrors: true, strict: false }).compile(schema);
  isValues(parse(text, { version: '1.1' }));
  return (isValues.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** The manifests by variant: rendered now if Helm is installed, otherwise as stored. */
const manifests = Object.fromEntries(
  names.map((name) => [
    name,
    helm === undefined
      ? readFileSync(join(renderedDir, `${name}.yaml`), 'utf8')
      : helm('template', 'meterfold', chartDir, '--kube-version', KUBERNETES, ...variants[name]!),
  ]),
);

/** The digest of all files of the chart, which detects outdated manifests even without Helm. */
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
  test('the manifests in rendered/ are of the current chart', () => {
    expect(readFileSync(digestFile, 'utf8'), 'render it again: HELM=… npx vitest run test/unit/infra -u').toBe(
      digestOfChart(),
    );
  });
} else {
  const run = helm;
  const valuesDir = mkdtempSync(join(tmpdir(), 'meterfold-values-'));
  afterAll(() => rmSync(valuesDir, { recursive: true }));

  test('helm lint finds no fault', () => {
    for (const args of Object.values(variants))
      run('lint', chartDir, '--strict', '--kube-version', KUBERNETES, ...args);
  });

  test.each(names)('helm renders rendered/%s.yaml', async (name) => {
    await expect(manifests[name]).toMatchFileSnapshot(join(renderedDir, `${name}.yaml`));
    await expect(digestOfChart()).toMatchFileSnapshot(digestFile);
  });

  test.each([
    ['a missing database', ['--set', 'temporal.address=host:7233'], 'database.url, or database.existingSecret'],
    ['a missing address of Temporal', ['--set', 'database.url=postgres://host/database'], 'temporal.address'],
    ['a minimum of zero pods', [...given, '--set', 'autoscaling.minReplicas=0'], '/autoscaling/minReplicas'],
    ['a setting that has its own value in the chart', [...given, '--set', 'settings.WORKER_SLOTS=3'], 'WORKER_SLOTS'],
    ...refused.map(([lines, value, reported = value], index): [string, string[], string] => {
      const file = join(valuesDir, `${index}.yaml`);
      writeFileSync(file, `${lines}\n`);
      return [`"${lines}"`, [...given, '--values', file], reported];
    }),
    ['a misspelt value', [...given, '--set', 'activityWorker.slots=3'], 'activityWorker'],
  ])('helm refuses %s and names the value', (_what, args, named) => {
    expect(() => run('template', 'meterfold', chartDir, '--kube-version', KUBERNETES, ...args)).toThrow(named);
  });
}

if (kubeconform !== undefined) {
  const conform = kubeconform;

  test.each(names)('kubeconform finds no fault in %s', (name) => {
    expect(conform(manifests[name]!)).toBe('');
  });
}

test.each(['values.yaml', 'values-try.yaml', 'values-ha.yaml'])('%s is valid by the schema of the values', (file) => {
  expect(faultsOfValues(readFileSync(join(chartDir, file), 'utf8'))).toEqual([]);
});

test('values in quotes are valid by the schema', () => {
  expect(faultsOfValues(readFileSync(join(import.meta.dirname, 'values-written.yaml'), 'utf8'))).toEqual([]);
});

test.each(refused)('the schema refuses "%s" and names the value', (lines, value) => {
  expect(faultsOfValues(lines).map((fault) => fault.split(' ')[0])).toContain(value);
});

describe('values in quotes', () => {
  const objects = objectsIn(manifests.written!);

  test('reach the pods as they are written', () => {
    for (const { container } of workersIn(objects)) {
      expect(container.env).toEqual(
        expect.arrayContaining([
          { name: 'BACKUP_ATTEMPTS', value: 'off' },
          { name: 'SPILL_CALLS', value: '1250000' },
          { name: 'PRICE_PER_UNIT', value: '123456.000000000001' },
          { name: 'CALLS_PER_CYCLE', value: '010' },
          { name: 'CURRENCY', value: 'NO' },
          { name: 'TEMPORAL_TASK_QUEUE', value: '007' },
          { name: 'TEMPORAL_API_KEY', valueFrom: { secretKeyRef: { name: '1234', key: 'api-key' } } },
        ]),
      );
    }
    for (const { spec } of podsIn(objects)) expect(spec).toMatchObject({ priorityClassName: '1e3' });
  });

  test('give the task queue to all pods and to the autoscaler', () => {
    const scaled = objects.find(({ kind }) => kind === 'ScaledObject')!;
    expect(scaled.spec.triggers[0].metadata.taskQueue).toBe('007');
    for (const { spec } of podsIn(objects)) {
      for (const { env } of spec.containers) {
        expect(env.find(({ name }) => name === 'TEMPORAL_TASK_QUEUE')?.value).toBe('007');
      }
    }
  });

  test('may have a digest in the tag of the image, which is not part of any label', () => {
    for (const { container } of workersIn(objects))
      expect(container).toMatchObject({ image: `meterfold:1.10@${DIGEST}` });
    for (const { metadata } of objects) expect(metadata.labels?.['app.kubernetes.io/version']).toBe('1.10');
  });
});

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const LABEL = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;

test.each(names)('Kubernetes accepts each label in %s', (name) => {
  const labels = objectsIn(manifests[name]!).flatMap((object) => [
    ...Object.values(object.metadata.labels ?? {}),
    ...Object.values((object.spec?.template?.metadata?.labels ?? {}) as Record<string, string>),
  ]);
  expect(labels.length).toBeGreaterThan(20);
  for (const label of labels) expect(label).toMatch(LABEL);
});

describe.each(names)('%s', (name) => {
  const objects = objectsIn(manifests[name]!);

  test('consists of valid Kubernetes objects', () => {
    expect(objects.length).toBeGreaterThan(5);
    expect(objects.map(faultOf).filter((fault) => fault !== undefined)).toEqual([]);
  });

  test('has pods that need no privileges', () => {
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

  test('gives workers more time to stop than their own limit', () => {
    for (const { spec, container } of workersIn(objects)) {
      const grace = container.env.find((variable) => variable.name === 'SHUTDOWN_GRACE_SECONDS')!;
      expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(Number(grace.value));
    }
  });

  test('probes workers on the port on which they listen', () => {
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

  test('grows by one pod for every `slots` waiting activities', () => {
    const slots = worker.container.env.find(({ name }) => name === 'WORKER_SLOTS')!.value;
    expect(scaled.spec).toMatchObject({
      triggers: [
        { type: 'temporal', metadata: { taskQueue: 'billing', queueTypes: 'activity', targetQueueSize: slots } },
      ],
    });
  });

  test('never shrinks to zero, and waits before it shrinks', () => {
    expect(scaled.spec.minReplicaCount).toBeGreaterThan(0);
    const { scaleDown } = scaled.spec.advanced.horizontalPodAutoscalerConfig.behavior;
    expect(scaleDown.stabilizationWindowSeconds).toBeGreaterThanOrEqual(300);
    expect(scaled.spec.fallback.behavior).toBe('currentReplicas');
  });

  test('keeps its number of pods during an upgrade', () => {
    const deployment = objectsIn(manifests.ha!).find(({ metadata }) => metadata.name === 'meterfold-activity-worker')!;
    expect(deployment.spec).not.toHaveProperty('replicas');
  });
});

test('versioned workers get the address of Temporal and their version from the controller', () => {
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

test.each(['plain', 'written'])(
  'the password of a database and values derived from it are in Secrets only: %s',
  (name) => {
    const objects = objectsIn(manifests[name]!);
    const secrets = objects.filter(({ kind }) => kind === 'Secret') as unknown as {
      stringData: Record<string, string>;
    }[];
    const urls = secrets.flatMap(({ stringData }) => Object.values(stringData));
    expect(urls.length).toBeGreaterThan(0);
    const others = JSON.stringify(objects.filter(({ kind }) => kind !== 'Secret'));
    for (const url of urls) {
      expect(url).toContain('user:password');
      for (const algorithm of ['sha256', 'sha1', 'md5']) {
        expect(others).not.toContain(createHash(algorithm).update(url).digest('hex').slice(0, 8));
      }
    }
    expect(others).not.toContain('user:password');
  },
);

test('the URL of a log replica comes from a Secret', () => {
  const names = podsIn(objectsIn(manifests.written!)).flatMap(({ spec }) =>
    spec.containers.flatMap(({ env }) => env.filter(({ name }) => name === 'LOG_REPLICA_URL')),
  );
  const variable = {
    name: 'LOG_REPLICA_URL',
    valueFrom: { secretKeyRef: { name: 'meterfold-log-replica', key: 'LOG_REPLICA_URL' } },
  };
  // Both kinds of workers and the doctor.
  expect(names).toEqual([variable, variable, variable]);
});

test('the rules and the dashboard are the files of infra/monitoring', () => {
  const file = (name: string) => readFileSync(join(repositoryDir, 'infra', 'monitoring', name), 'utf8');
  const objects = objectsIn(manifests.ha!);
  expect(objects.find(({ kind }) => kind === 'PrometheusRule')!.spec).toEqual(parse(file('alerts.yaml')));
  const dashboard = objects.find(({ kind }) => kind === 'ConfigMap') as unknown as { data: Record<string, string> };
  expect(JSON.parse(dashboard.data['meterfold.json']!)).toEqual(JSON.parse(file('dashboard.json')));
});

test('chart and image have the version of the package', () => {
  const read = (...path: string[]) => readFileSync(join(repositoryDir, ...path), 'utf8');
  const { version } = JSON.parse(read('package.json'));
  expect(parse(read('infra', 'chart', 'Chart.yaml'))).toMatchObject({ version, appVersion: version });
  expect(read('Dockerfile')).toContain(`ARG VERSION=${version}\n`);
});
