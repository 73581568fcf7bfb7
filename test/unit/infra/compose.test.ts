/** Checks compose.yaml against the Compose specification. No container engine is needed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { repositoryDir } from '../../support/repository.js';

const text = readFileSync(join(repositoryDir, 'compose.yaml'), 'utf8');

/** Returns dclint's errors. Its warnings are a matter of taste. */
function faultsOf(compose: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'meterfold-compose-'));
  try {
    writeFileSync(join(dir, 'compose.yaml'), compose);
    const dclint = join(repositoryDir, 'node_modules', 'dclint', 'bin', 'dclint.cjs');
    const { status, stdout, stderr } = spawnSync(process.execPath, [dclint, '--quiet', dir], { encoding: 'utf8' });
    return status === 0 ? '' : `${stdout}${stderr}`;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test('compose.yaml is valid by the specification', () => {
  expect(faultsOf(text)).toBe('');
});

test('an unknown field is found', () => {
  expect(faultsOf(text.replace('restart: on-failure', 'restarts: on-failure'))).toContain(
    'must NOT have additional properties',
  );
});

test('each service waits only for services that exist', () => {
  const { services } = parse(text, { merge: true }) as { services: Record<string, { depends_on?: object }> };
  const waitedFor = Object.values(services).flatMap(({ depends_on }) => Object.keys(depends_on ?? {}));
  expect(waitedFor.length).toBeGreaterThan(0);
  expect(Object.keys(services)).toEqual(expect.arrayContaining(waitedFor));
});
