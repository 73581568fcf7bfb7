/** The parts of the release checklist (docs/releasing.md) that a test can check: versions, and what the npm tarball contains. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { repositoryDir } from '../support/repository.js';

const read = (path: string) => readFileSync(join(repositoryDir, path), 'utf8');
const { version } = JSON.parse(read('package.json')) as { version: string };

describe('the version of package.json', () => {
  test('is the appVersion of the chart', () => {
    const { appVersion } = parse(read('infra/chart/Chart.yaml')) as { appVersion: string };
    expect(appVersion).toBe(version);
  });

  test('is the default version of the image', () => {
    expect(/^ARG VERSION=(.*)$/m.exec(read('Dockerfile'))?.[1]).toBe(version);
  });

  test('is the newest one in the changelog, with a date', () => {
    const [newest] = read('CHANGELOG.md').match(/^## \[\d.*$/m) ?? [];
    expect(newest).toMatch(/^## \[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}$/);
    expect(newest).toContain(`[${version}]`);
  });
});

describe('the npm tarball', () => {
  const packed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: repositoryDir,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [tarball] = JSON.parse(packed) as { files: { path: string }[] }[];
  const paths = tarball!.files.map(({ path }) => path);

  test('contains the command, its kernel, both workflow bundles, the license and the documentation', () => {
    expect(paths).toEqual(
      expect.arrayContaining([
        'package.json',
        'LICENSE',
        'README.md',
        'CHANGELOG.md',
        'docs/settings.md',
        'bin/meterfold.js',
        'dist/cli/main.js',
        'dist/engine/kernel.wasm',
        'dist/workflow-bundle.js',
        'dist/workflow-bundle-traced.js',
      ]),
    );
  });

  test('contains every SQL file of the sources', () => {
    const sql = readdirSync(join(repositoryDir, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.sql'))
      .map((name) => join('dist', name));
    expect(sql.length).toBeGreaterThan(0);
    expect(sql.filter((path) => !paths.includes(path))).toEqual([]);
  });

  test('contains neither sources nor tests nor source maps', () => {
    expect(paths.filter((path) => /^(src|test|bench|infra)\//.test(path) || path.endsWith('.map'))).toEqual([]);
  });
});
