/** Installs meterfold on the cluster with its chart, and PostgreSQL and Temporal as separate pods. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import pg from 'pg';
import { findTemporalCli } from '../../src/embedded/temporal-cli.js';
import { eventually } from '../support/eventually.js';
import { repositoryDir } from '../support/repository.js';
import { freshStack, type Stack } from '../support/stack.js';
import { addressOf, helm, kubectl, NAMESPACE } from './kubectl.js';

const RELEASE = 'meterfold';
const STATE_DIR_PREFIX = 'meterfold-kube-';
const CHART = join(repositoryDir, 'infra', 'chart');
const VALUES = join(import.meta.dirname, 'values.yaml');

/** Label selectors for the pods of a role. */
export const ACTIVITY_PODS = `app.kubernetes.io/instance=${RELEASE},app.kubernetes.io/component=activity-worker`;
export const WORKER_PODS = `app.kubernetes.io/instance=${RELEASE},app.kubernetes.io/component in (workflow-worker,activity-worker)`;

/**
 * Starts both servers without data, and returns a stack on them. Their addresses do not change when their pods are
 * replaced.
 */
export async function startServers(): Promise<Stack> {
  await kubectl('delete', 'namespace', NAMESPACE, '--ignore-not-found', '--wait');
  await kubectl('create', 'namespace', NAMESPACE);
  // Directories of earlier tests, whose servers were deleted with the namespace. Each has gigabytes.
  for (const name of await readdir(tmpdir())) {
    if (name.startsWith(STATE_DIR_PREFIX)) await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  const stateDir = await mkdtemp(join(tmpdir(), STATE_DIR_PREFIX));
  await chmod(stateDir, 0o755);
  for (const server of ['postgres', 'temporal']) {
    await mkdir(join(stateDir, server));
    // Each server runs as a different user.
    await chmod(join(stateDir, server), 0o777);
  }
  const manifest = join(stateDir, 'servers.yaml');
  const servers = await readFile(join(import.meta.dirname, 'servers.yaml'), 'utf8');
  await writeFile(manifest, servers.replaceAll('DATA', stateDir));
  await kubectl('apply', '--filename', manifest);
  await kubectl('rollout', 'status', 'deployment/postgres', 'deployment/temporal', '--timeout', '120s');
  const postgresUrl = `postgres://meterfold:meterfold@${await addressOf('postgres')}:5432/meterfold`;
  const temporalAddress = `${await addressOf('temporal')}:7233`;
  await serversAnswer(postgresUrl, temporalAddress);
  const temporalCli = await findTemporalCli(join(repositoryDir, '.meterfold', 'cache'));
  const own = { postgresUrl, temporalAddress, temporalCli, stateDir, templateDatabase: '' };
  return freshStack({ servers: own, temporalAddress, bare: true });
}

/** Waits until both servers answer. */
export function serversAnswer(postgresUrl: string, temporalAddress: string): Promise<unknown> {
  return eventually(
    'PostgreSQL and Temporal answer',
    async () => {
      const client = new pg.Client({ connectionString: postgresUrl });
      try {
        await client.connect();
        await client.query('select 1');
        const connection = await Connection.connect({ address: temporalAddress, connectTimeout: 1000 });
        await connection.workflowService.describeNamespace({ namespace: 'default' });
        await connection.close();
        return true;
      } catch {
        return false;
      } finally {
        await client.end().catch(() => {});
      }
    },
    120_000,
  );
}

/**
 * Installs or upgrades the chart. Resolves when its pods are ready, unless `wait` is false. `set` contains values for
 * `helm --set`.
 */
export async function install(
  stack: Stack,
  set: Record<string, string | number | boolean> = {},
  wait = true,
): Promise<void> {
  const values = {
    'database.url': stack.databaseUrl,
    'temporal.address': stack.temporalAddress,
    'temporal.namespace': stack.namespace,
    ...set,
  };
  const settings = Object.entries(values).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  await helm(
    'upgrade',
    RELEASE,
    CHART,
    '--install',
    '--values',
    VALUES,
    ...settings,
    ...(wait ? ['--wait', '--timeout', '5m'] : []),
  );
}
