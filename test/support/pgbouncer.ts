/**
 * A real PgBouncer in front of the shared PostgreSQL. `.ci/run` installs Debian's package. If it is not installed, it
 * is extracted from Debian's packages; if that fails, the tests fail with an explanation.
 */
import { execFile } from 'node:child_process';
import { access, chmod, chown, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { startService } from '../../src/embedded/child.js';
import { accepts, freePorts } from '../../src/embedded/ports.js';
import { serverUser } from '../../src/embedded/postgres-user.js';
import type { Servers } from './servers.js';

const runFile = promisify(execFile);
const PACKAGES = ['pgbouncer', 'libevent-2.1-7', 'libc-ares2'];
const READY_MS = 30_000;

export interface PgBouncer {
  /** Returns the URL of a database through PgBouncer. */
  urlOf(database: string): string;
  /** Runs a command of its admin console. */
  admin(command: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts PgBouncer with its defaults, except for `settings`. */
export async function startPgBouncer(servers: Servers, settings: Readonly<Record<string, string>>): Promise<PgBouncer> {
  const program = await findPgBouncer();
  const [port] = await freePorts(1);
  const server = new URL(servers.postgresUrl);
  // PgBouncer refuses to run as root, as PostgreSQL does.
  const user = process.getuid?.() === 0 ? await serverUser() : undefined;
  const folder = await mkdtemp(join(servers.stateDir, 'pgbouncer-'));
  await chmod(servers.stateDir, 0o711);
  const write = async (name: string, text: string) => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    if (user !== undefined) await chown(path, user.uid, user.gid);
    return path;
  };
  const users = await write('users.txt', `"${server.username}" "${server.password}"\n`);
  const config = await write(
    'pgbouncer.ini',
    [
      '[databases]',
      `* = host=${server.hostname} port=${server.port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${users}`,
      `admin_users = ${server.username}`,
      ...Object.entries(settings).map(([name, value]) => `${name} = ${value}`),
    ].join('\n'),
  );
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  const service = await startService({
    name: 'PgBouncer',
    command: program.path,
    args: [config],
    env: { PATH: process.env.PATH, LD_LIBRARY_PATH: program.libraries },
    cwd: '/',
    user,
    logPath: join(servers.stateDir, `pgbouncer-${port}.log`),
    stopSignals: ['SIGINT', 'SIGTERM'],
    readyMs: READY_MS,
    isReady: () => accepts(port!),
  });
  const urlOf = (database: string) => {
    const url = new URL(servers.postgresUrl);
    url.port = String(port);
    url.pathname = `/${database}`;
    return url.toString();
  };
  return {
    urlOf,
    async admin(command) {
      const { default: pg } = await import('pg');
      const client = new pg.Client({ connectionString: urlOf('pgbouncer') });
      await client.connect();
      await client.query(command).finally(() => client.end());
    },
    async stop() {
      await service.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Program {
  path: string;
  /** The directory of the libraries that were extracted with it; empty if they are installed. */
  libraries: string;
}

let found: Promise<Program> | undefined;

function findPgBouncer(): Promise<Program> {
  found ??= installed().then((path) => (path === undefined ? unpacked() : { path, libraries: '' }));
  return found;
}

async function installed(): Promise<string | undefined> {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']) {
    const path = join(folder, 'pgbouncer');
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return undefined;
}

async function unpacked(): Promise<Program> {
  // The user that it runs as cannot read root's home directory.
  const folder = join(tmpdir(), `meterfold-pgbouncer-${process.getuid?.()}`);
  const path = join(folder, 'usr', 'sbin', 'pgbouncer');
  try {
    await mkdir(folder, { recursive: true });
    await runFile('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', ...PACKAGES], { cwd: folder });
    for (const name of (await readdir(folder)).filter((file) => file.endsWith('.deb'))) {
      await runFile('dpkg', ['-x', join(folder, name), folder]);
    }
    const { stdout } = await runFile('dpkg-architecture', ['-qDEB_HOST_MULTIARCH']).catch(() => ({
      stdout: `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`,
    }));
    return { path, libraries: join(folder, 'usr', 'lib', stdout.trim()) };
  } catch (cause) {
    throw new Error(
      'PgBouncer is not installed, and its Debian package is unavailable: install `pgbouncer` (apt-get install pgbouncer), then run the tests again',
      { cause },
    );
  }
}
