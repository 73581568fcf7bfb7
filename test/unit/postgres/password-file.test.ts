import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { passwordFromFile, passwordIn } from '../../../src/postgres/password-file.js';

const login = { host: 'db', port: 5432, database: 'calls', user: 'billing' };

// [the file, the password for `login`]
test.each([
  ['db:5432:calls:billing:secret', 'secret'],
  ['db:5433:calls:billing:other\n*:*:*:billing:secret', 'secret'],
  ['# db:5432:calls:billing:no\n\nshort:line\n*:*:*:*:a\\:b\\\\c', 'a:b\\c'],
  ['db:5432:calls:billing:first\ndb:5432:calls:billing:second', 'first'],
  ['DB:5432:calls:billing:secret', undefined],
  ['\\*:*:*:*:secret', undefined],
])('in %j the password is %j', (text, password) => {
  expect(passwordIn(text, login)).toBe(password);
});

test('a Unix socket also matches localhost', () => {
  expect(passwordIn('localhost:*:*:*:secret', { ...login, host: '/tmp' })).toBe('secret');
});

test('a file that others may read is ignored, and so is a missing file', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'meterfold-pgpass-'));
  try {
    const file = join(dir, 'pgpass');
    expect(await passwordFromFile(file, login)).toBeUndefined();
    await writeFile(file, '*:*:*:*:secret', { mode: 0o600 });
    expect(await passwordFromFile(file, login)).toBe('secret');
    await chmod(file, 0o640);
    expect(await passwordFromFile(file, login)).toBeUndefined();
  } finally {
    await rm(dir, { recursive: true });
  }
});
