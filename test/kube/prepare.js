/**
 * `npm run test:kube`: bills on a real Kubernetes cluster with two nodes, and writes the results to
 * docs/evaluation/kubernetes.md.
 *
 * CLUSTER (default: ../shared/kube/cluster) is a program for the operations that the Kubernetes API does not provide:
 * start the cluster (`up`, `base`, `keda`, `node2 up`), build and load images (`image TAG CONTEXT DOCKERFILE`), cut a
 * node off or power it off (`node2 cut`, `heal`, `kill`), and run a command inside its network (`run COMMAND…`). If it
 * does not exist, the tests are skipped.
 */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, copyFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { postgresBinaries } from '../../dist/embedded/postgres-binaries.js';
import { findTemporalCli } from '../../dist/embedded/temporal-cli.js';

const here = dirname(fileURLToPath(import.meta.url));
const repository = join(here, '..', '..');
const program = resolve(repository, process.env.CLUSTER ?? '../shared/kube/cluster');

/** The tags of meterfold's images; a roll-out changes from the first to the second. */
const OURS = ['meterfold.test/meterfold:test', 'meterfold.test/meterfold:test-next'];

const missing = whyMissing();
if (missing === undefined) {
  await prepare();
  const vitest = join(repository, 'node_modules', 'vitest', 'vitest.mjs');
  const args = [
    'run',
    process.execPath,
    vitest,
    'run',
    '--config',
    join(here, 'kube.config.ts'),
    ...process.argv.slice(2),
  ];
  try {
    cluster(args, { env: { ...process.env, CLUSTER: program } });
  } catch {
    process.exitCode = 1;
  }
} else {
  process.stdout.write(`test:kube is skipped: ${missing}.\n`);
}

function whyMissing() {
  try {
    accessSync(program, constants.X_OK);
  } catch {
    return `there is no cluster at ${program} (CLUSTER names another)`;
  }
  return undefined;
}

function cluster(args, options = {}) {
  execFileSync(program, args, { cwd: repository, stdio: 'inherit', ...options });
}

function asks(...args) {
  try {
    return execFileSync(program, ['run', 'kubectl', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return '';
  }
}

/** Starts the parts of the cluster that are not running, and loads the images. */
async function prepare() {
  if (asks('get', 'nodes') === '') cluster(['up']);
  if (!/^node2\s+Ready/m.test(asks('get', 'nodes'))) cluster(['node2', 'up']);
  cluster(['base']);
  if (asks('-n', 'keda', 'get', 'deploy', 'keda-operator') === '') cluster(['keda']);
  for (const tag of OURS) cluster(['image', tag, repository, join(repository, 'Dockerfile')]);
  const context = mkdtempSync(join(tmpdir(), 'meterfold-kube-'));
  try {
    const cache = join(repository, '.meterfold', 'cache');
    const { postgres } = await postgresBinaries(cache, false);
    cpSync(dirname(dirname(postgres)), join(context, 'native'), { recursive: true, dereference: true });
    copyFileSync(join(here, 'images', 'postgres-entrypoint.sh'), join(context, 'postgres-entrypoint.sh'));
    copyFileSync(await findTemporalCli(cache), join(context, 'temporal'));
    cluster(['image', 'meterfold.test/postgres:test', context, join(here, 'images', 'postgres.Dockerfile')]);
    cluster(['image', 'meterfold.test/temporal:test', context, join(here, 'images', 'temporal.Dockerfile')]);
  } finally {
    rmSync(context, { recursive: true });
  }
}
