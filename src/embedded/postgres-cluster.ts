/**
 * Where the embedded PostgreSQL keeps its cluster and its binaries, and as whom it runs.
 *
 *                 a plain user                                root
 *   runs as       that user                                   `postgres`, or `meterfold-dev`, made when needed
 *   binaries      in node_modules, or a copy in stateDir      a copy in /var/lib/meterfold-dev
 *   cluster       stateDir/postgres/                          /var/lib/meterfold-dev/cluster-*; stateDir/postgres links to it
 *
 * PostgreSQL refuses to run as root, and the user it runs as then can't reach what lies below root's closed home; hence
 * the second column. Which cluster belongs to a state folder is said by stateDir/postgres alone: with the folder removed
 * the next start begins afresh.
 *
 * A cluster is made under another name and gets its own in one step (a rename, or the link), so a start that was killed
 * half-way leaves none, and of two starts at once the later one takes the earlier one's.
 */
import { randomBytes } from 'node:crypto';
import {
  access,
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DevStackError, isRunning, runFile, type ServiceUser } from './child.js';
import { type PostgresBinaries, postgresBinaries } from './postgres-binaries.js';
import { serverUser } from './postgres-user.js';

const rootDir = '/var/lib/meterfold-dev';
const initdbMs = 120_000;
/** How long a cluster without a state folder is kept: the folder may have moved, or be on a disk that comes back. */
const abandonedMs = 24 * 3600 * 1000;

export const superuser = 'meterfold';

export interface PostgresCluster {
  readonly binaries: PostgresBinaries;
  /** PostgreSQL's data directory. */
  readonly data: string;
  readonly password: string;
  /** Whom the server runs as; this process's user if undefined. */
  readonly user: ServiceUser | undefined;
}

/** Finds the cluster of a state folder, or makes it. */
export async function openCluster(stateDir: string): Promise<PostgresCluster> {
  const asRoot = process.getuid?.() === 0;
  if (asRoot) await openRootDir();
  const binaries = await postgresBinaries(asRoot ? rootDir : stateDir, asRoot);
  const link = join(stateDir, 'postgres');
  const home = (await existingHome(link, asRoot)) ?? (await createHome(link, asRoot, binaries));
  const data = join(home, 'data');
  const owner = await stat(data);
  return {
    binaries,
    data,
    password: (await readFile(join(home, 'password'), 'utf8')).trim(),
    // The one who made it, even if `postgres` has come to this machine since.
    user: asRoot ? { uid: owner.uid, gid: owner.gid } : undefined,
  };
}

/** Removes a state folder's cluster, which for root lies elsewhere; its server must have been stopped. */
export async function removeCluster(stateDir: string): Promise<void> {
  const link = join(stateDir, 'postgres');
  const home = await readlink(link).catch(() => undefined);
  if (home !== undefined && dirname(home) === rootDir) await rm(home, { recursive: true, force: true });
  await rm(link, { recursive: true, force: true });
}

/** What a data directory's postmaster.pid says. Left behind by a kill, its number may be nobody's, or a stranger's. */
export async function recordedServer(
  data: string,
): Promise<{ pid: number; serves: boolean; stopping: boolean } | undefined> {
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return { pid, serves: await isRunning(pid, commandMarker(data)), stopping: lines[7]?.trim() === 'stopping' };
}

/** How the command line of a data directory's server begins. */
export function commandMarker(data: string): string {
  return `postgres -D ${data} -p `;
}

async function openRootDir(): Promise<void> {
  try {
    await mkdir(rootDir, { recursive: true });
    await chmod(rootDir, 0o755);
  } catch (cause) {
    const said = (cause as Error).message;
    throw new DevStackError(
      `PostgreSQL does not run as root, and its place for root can't be made (${said}): run meterfold as a plain user`,
      { cause },
    );
  }
}

async function existingHome(link: string, asRoot: boolean): Promise<string | undefined> {
  const found = await lstat(link).catch(absent);
  if (found === undefined) return undefined;
  if (found.isSymbolicLink() !== asRoot) {
    const whose = asRoot ? 'a plain user' : 'root';
    throw new DevStackError(`${link} was made by ${whose}: start it as that user, or use another state folder`);
  }
  const home = asRoot ? await readlink(link) : link;
  if (asRoot && !(await isHomeOf(home, link))) {
    await rm(link);
    return undefined;
  }
  await access(join(home, 'data', 'PG_VERSION')).catch((cause: Error) => {
    throw new DevStackError(`${home} holds no PostgreSQL data (${cause.message}): remove ${link} to begin afresh`, {
      cause,
    });
  });
  return home;
}

/** Whether what the link leads to is there and its own: the link may have been copied along with the state folder. */
async function isHomeOf(home: string, link: string): Promise<boolean> {
  // Root follows no link to a place that it has not made itself.
  if (dirname(home) !== rootDir) return false;
  const known = await readFile(join(home, 'link'), 'utf8').catch(absent);
  if (known === undefined) return false;
  if (known !== link && (await leadsTo(known, home))) return false;
  // The state folder may have moved. Written in any case: its time says when the cluster was last used.
  await writeFile(join(home, 'link'), link);
  return true;
}

async function leadsTo(link: string, home: string): Promise<boolean> {
  return (await readlink(link).catch(() => undefined)) === home;
}

async function createHome(link: string, asRoot: boolean, binaries: PostgresBinaries): Promise<string> {
  if (asRoot) await sweepAbandoned();
  const making = await mkdtemp(asRoot ? join(rootDir, 'cluster-') : `${link}.new-`);
  try {
    const user = asRoot ? await serverUser() : undefined;
    await initialise(making, binaries, user);
    if (asRoot) await writeFile(join(making, 'link'), link);
    await (asRoot ? symlink(making, link) : rename(making, link));
    return asRoot ? making : link;
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    const code = (error as NodeJS.ErrnoException).code;
    // Another start at the same time was first.
    if (code === 'EEXIST' || code === 'ENOTEMPTY') return asRoot ? await readlink(link) : link;
    throw error;
  }
}

async function sweepAbandoned(): Promise<void> {
  for (const name of (await readdir(rootDir)).filter((entry) => entry.startsWith('cluster-'))) {
    const home = join(rootDir, name);
    try {
      const link = await readFile(join(home, 'link'), 'utf8').catch(absent);
      const used = await stat(link === undefined ? home : join(home, 'link'));
      if (link !== undefined && (await leadsTo(link, home))) continue;
      if (Date.now() - used.mtimeMs < abandonedMs || (await recordedServer(join(home, 'data')))?.serves) continue;
      await rm(home, { recursive: true });
    } catch {
      // Another start sweeps as well, or it can't be removed: the next start tries again.
    }
  }
}

/**
 * The cluster asks for a password, even from this machine: otherwise any user of the machine would be superuser there, and
 * could by COPY … PROGRAM act as the user it runs as. UTF-8 whatever the machine's locale; texts compare by code point.
 */
async function initialise(home: string, binaries: PostgresBinaries, user: ServiceUser | undefined): Promise<void> {
  const data = join(home, 'data');
  const password = join(home, 'password');
  await mkdir(data, { mode: 0o700 });
  await writeFile(password, `${randomBytes(12).toString('hex')}\n`, { mode: 0o600 });
  if (user !== undefined) {
    // The server's user may read the password, which initdb has to, but owns nothing that root follows.
    await chmod(home, 0o755);
    await chown(data, user.uid, user.gid);
    await chown(password, 0, user.gid);
    await chmod(password, 0o640);
  }
  const locale = ['--encoding=UTF8', '--no-locale', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const login = ['--auth=scram-sha-256', `--username=${superuser}`, `--pwfile=${password}`];
  await runFile(binaries.initdb, ['-D', data, ...locale, ...login], {
    cwd: '/',
    env: postgresEnvironment(),
    timeout: initdbMs,
    ...user,
  }).catch((error: Error & { stderr?: string }) => {
    const said = error.stderr?.trim() || error.message;
    throw new DevStackError(`PostgreSQL's initdb failed in ${home}:\n${said}`, { cause: error });
  });
}

/** Without a person's own PG* and LC_*, which would reach into the embedded server. */
export function postgresEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
