/**
 * The user that the embedded PostgreSQL runs as if meterfold runs as root, because PostgreSQL refuses to run as root.
 */
import { DevStackError, runFile, type ServiceUser } from './child.js';

const rootUsers = ['postgres', 'meterfold-dev'] as const;

/** Returns the machine's PostgreSQL user, or creates one. */
export async function serverUser(): Promise<ServiceUser> {
  for (const name of rootUsers) {
    const user = await findUser(name);
    if (user !== undefined) return user;
  }
  const name = rootUsers[1];
  const commands: [string, string[]][] = [
    ['useradd', ['--system', '--no-create-home', '--user-group', '--shell', '/usr/sbin/nologin', name]],
    ['adduser', ['-S', '-D', '-H', name]],
  ];
  const failures: string[] = [];
  for (const [command, args] of commands) {
    try {
      await runFile(command, args);
      const user = await findUser(name);
      if (user !== undefined) return user;
    } catch (error) {
      failures.push(`${command}: ${(error as Error).message.trim()}`);
    }
  }
  throw new DevStackError(
    `PostgreSQL does not run as root, and no user for it could be created (${failures.join('; ')}): ` +
      'create a user named postgres, or run meterfold as an ordinary user',
  );
}

async function findUser(name: string): Promise<ServiceUser | undefined> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await runFile('id', [flag, name])).stdout.trim())),
    );
    return uid === undefined || gid === undefined ? undefined : { uid, gid };
  } catch {
    return undefined;
  }
}
