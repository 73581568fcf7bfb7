import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { repositoryDir } from '../../support/repository.js';

test('where there is no cluster, the tests of Kubernetes say so in one line, and are skipped', async () => {
  const prepare = join(repositoryDir, 'test', 'kube', 'prepare.js');
  const env = { ...process.env, CLUSTER: '/nowhere/cluster' };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [prepare], { env });
  expect(stdout).toBe('test:kube is skipped: there is no cluster at /nowhere/cluster (CLUSTER names another).\n');
  expect(stderr).toBe('');
});
