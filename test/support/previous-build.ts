/**
 * A build that knows the migrations up to 0006 only: the last commit before declarations, built from git. A clone without that commit (a
 * shallow one, or an archive) gets the present build without its newer migrations instead; it shows that the list of migrations is
 * accepted, but not that the older code bills on the new tables. Delete this once no supported build ends at 0006.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryDir } from './repository.js';

const run = promisify(execFile);
/** The last commit that ends at 0006. */
const COMMIT = '0e8bd9cd874078a4919a0159076686d4bec74400';
const LAST_MIGRATION = 6;

export interface PreviousBuild {
  /** Its bin/meterfold.js. */
  program: string;
  /** The commit, or how it was made. */
  origin: string;
  remove(): Promise<void>;
}

export async function previousBuild(): Promise<PreviousBuild> {
  const dir = await mkdtemp(join(tmpdir(), 'meterfold-previous-'));
  const build = { program: join(dir, 'bin', 'meterfold.js'), remove: () => rm(dir, { recursive: true }) };
  try {
    if (await hasCommit()) {
      await run('git', ['-C', repositoryDir, 'archive', '--output', join(dir, 'build.tar'), COMMIT]);
      await run('tar', ['-xf', 'build.tar'], { cwd: dir });
      await linkPackages(dir);
      await run(process.execPath, ['scripts/build.js'], { cwd: dir });
      return { ...build, origin: `commit ${COMMIT}` };
    }
    for (const part of ['bin', 'dist', 'package.json'])
      await cp(join(repositoryDir, part), join(dir, part), { recursive: true });
    await linkPackages(dir);
    const migrations = join(dir, 'dist', 'db', 'migrations');
    for (const file of await readdir(migrations)) {
      if (Number(file.slice(0, 4)) > LAST_MIGRATION) await rm(join(migrations, file));
    }
    return { ...build, origin: 'the present build without its newer migrations' };
  } catch (error) {
    await build.remove();
    throw error;
  }
}

const hasCommit = (): Promise<boolean> =>
  run('git', ['-C', repositoryDir, 'cat-file', '-e', `${COMMIT}^{commit}`]).then(
    () => true,
    () => false,
  );

/** One by one: the build would set a link in .bin, which is the repository's. */
async function linkPackages(dir: string): Promise<void> {
  const packages = join(repositoryDir, 'node_modules');
  await mkdir(join(dir, 'node_modules'));
  for (const name of await readdir(packages)) {
    if (!name.startsWith('.')) await symlink(join(packages, name), join(dir, 'node_modules', name));
  }
}
