import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { repositoryDir } from '../../support/repository.js';

test('without a cluster, the Kubernetes tests are skipped with one line of explanation', async () => {
  const prepare = join(repositoryDir, 'test', 'kube', 'prepare.js');
  const env = { ...process.env, CLUSTER: '/nowhere/cluster' };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [prepare], { env });
  expect(stdout).toBe('test:kube is skipped: there is no cluster at /nowhere/cluster (CLUSTER names another).\n');
  expect(stderr).toBe('');
});
