/**
 * The location of the embedded PostgreSQL's cluster and binaries, and the user it runs as.
 *
 *                 ordinary user                               root
 *   runs as       that user                                   `postgres`, or `meterfold-dev`, created if needed
 *   binaries      in node_modules, or a copy in stateDir      a copy in /var/lib/meterfold-dev
 *   cluster       stateDir/postgres/                          /var/lib/meterfold-dev/cluster-*; stateDir/postgres links to it
 *
 * PostgreSQL refuses to run as root, and the user it then runs as cannot read files in root's home directory; hence the
 * second column. Only stateDir/postgres identifies the cluster of a state directory: if the directory is removed, the
 * next start creates a new cluster.
 *
 * A cluster is created under a temporary name and published in one step (a rename, or creating the link). Therefore a
 * start that is killed leaves no incomplete cluster, and if two start at once, the later one uses the cluster of the
 * earlier one.
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
/**
 * How long a cluster without a state directory is kept: the directory may have moved, or its disk may be mounted again.
 */
const abandonedMs = 24 * 3600 * 1000;

export const superuser = 'meterfold';

export interface PostgresCluster {
  readonly binaries: PostgresBinaries;
  /** PostgreSQL's data directory. */
  readonly data: string;
  readonly password: string;
  /** The user that the server runs as; this process's user if undefined. */
  readonly user: ServiceUser | undefined;
}

/** Opens the cluster of a state directory, and creates it if it does not exist. */
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
    // The owner of the data, even if the user `postgres` was added to this machine later.
    user: asRoot ? { uid: owner.uid, gid: owner.gid } : undefined,
  };
}

/** Removes a state directory's cluster, which for root is outside of it. Its server must have been stopped. */
export async function removeCluster(stateDir: string): Promise<void> {
  const link = join(stateDir, 'postgres');
  const home = await readlink(link).catch(() => undefined);
  if (home !== undefined && dirname(home) === rootDir) await rm(home, { recursive: true, force: true });
  await rm(link, { recursive: true, force: true });
}

/**
 * Reads a data directory's postmaster.pid. After a kill, the process id in it may be unused, or belong to another
 * program.
 */
export async function recordedServer(
  data: string,
): Promise<{ pid: number; serves: boolean; stopping: boolean } | undefined> {
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return { pid, serves: await isRunning(pid, commandMarker(data)), stopping: lines[7]?.trim() === 'stopping' };
}

/** The text that identifies the command line of a data directory's server. */
export function commandMarker(data: string): string {
  return `postgres -D ${data} -p `;
}

async function openRootDir(): Promise<void> {
  try {
    await mkdir(rootDir, { recursive: true });
    await chmod(rootDir, 0o755);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new DevStackError(
      `PostgreSQL does not run as root, and its directory ${rootDir} can't be created (${reason}): run meterfold as an ordinary user`,
      { cause },
    );
  }
}

async function existingHome(link: string, asRoot: boolean): Promise<string | undefined> {
  const found = await lstat(link).catch(absent);
  if (found === undefined) return undefined;
  if (found.isSymbolicLink() !== asRoot) {
    const creator = asRoot ? 'an ordinary user' : 'root';
    throw new DevStackError(`${link} was created by ${creator}: start it as that user, or use another state directory`);
  }
  const home = asRoot ? await readlink(link) : link;
  if (asRoot && !(await isHomeOf(home, link))) {
    await rm(link);
    return undefined;
  }
  await access(join(home, 'data', 'PG_VERSION')).catch((cause: Error) => {
    throw new DevStackError(
      `${home} holds no PostgreSQL data (${cause.message}): remove ${link} to create a new cluster`,
      {
        cause,
      },
    );
  });
  return home;
}

/**
 * Returns whether the link's target exists and belongs to it: the link may have been copied with the state directory.
 */
async function isHomeOf(home: string, link: string): Promise<boolean> {
  // As root, only links to directories that meterfold created are followed.
  if (dirname(home) !== rootDir) return false;
  const known = await readFile(join(home, 'link'), 'utf8').catch(absent);
  if (known === undefined) return false;
  if (known !== link && (await leadsTo(known, home))) return false;
  // The state directory may have moved. The file is always written: its modification time is the cluster's last use.
  await writeFile(join(home, 'link'), link);
  return true;
}

async function leadsTo(link: string, home: string): Promise<boolean> {
  return (await readlink(link).catch(() => undefined)) === home;
}

async function createHome(link: string, asRoot: boolean, binaries: PostgresBinaries): Promise<string> {
  if (asRoot) await sweepAbandoned();
  const temporary = await mkdtemp(asRoot ? join(rootDir, 'cluster-') : `${link}.new-`);
  try {
    const user = asRoot ? await serverUser() : undefined;
    await initialise(temporary, binaries, user);
    if (asRoot) await writeFile(join(temporary, 'link'), link);
    await (asRoot ? symlink(temporary, link) : rename(temporary, link));
    return asRoot ? temporary : link;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    const code = (error as NodeJS.ErrnoException).code;
    // A concurrent start was first.
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
      // A concurrent start sweeps too, or the cluster cannot be removed: the next start tries again.
    }
  }
}

/**
 * Runs initdb. The cluster requires a password even for local connections: otherwise any user of the machine would be
 * its superuser, and could use COPY … PROGRAM to act as the user it runs as. The encoding is UTF-8 regardless of the
 * machine's locale, and text is compared by code point.
 */
async function initialise(home: string, binaries: PostgresBinaries, user: ServiceUser | undefined): Promise<void> {
  const data = join(home, 'data');
  const password = join(home, 'password');
  await mkdir(data, { mode: 0o700 });
  await writeFile(password, `${randomBytes(12).toString('hex')}\n`, { mode: 0o600 });
  if (user !== undefined) {
    // The server's user can read the password, which initdb needs, but owns no path that root follows.
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
    const reason = error.stderr?.trim() || error.message;
    throw new DevStackError(`PostgreSQL's initdb failed in ${home}:\n${reason}`, { cause: error });
  });
}

/** The environment without the user's PG* and LC_* variables, which would affect the embedded server. */
export function postgresEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
