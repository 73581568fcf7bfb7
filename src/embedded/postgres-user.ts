/** Whom the embedded PostgreSQL runs as where meterfold runs as root, which PostgreSQL refuses. */
import { DevStackError, runFile, type ServiceUser } from './child.js';

const rootUsers = ['postgres', 'meterfold-dev'] as const;

/** The machine's own user for PostgreSQL, or one made for it. */
export async function serverUser(): Promise<ServiceUser> {
  for (const name of rootUsers) {
    const user = await findUser(name);
    if (user !== undefined) return user;
  }
  const name = rootUsers[1];
  const ways: [string, string[]][] = [
    ['useradd', ['--system', '--no-create-home', '--user-group', '--shell', '/usr/sbin/nologin', name]],
    ['adduser', ['-S', '-D', '-H', name]],
  ];
  const failures: string[] = [];
  for (const [command, args] of ways) {
    try {
      await runFile(command, args);
      const user = await findUser(name);
      if (user !== undefined) return user;
    } catch (error) {
      failures.push(`${command}: ${(error as Error).message.trim()}`);
    }
  }
  throw new DevStackError(
    `PostgreSQL does not run as root, and no user for it could be made (${failures.join('; ')}): ` +
      'create a user named postgres, or run meterfold as a plain user',
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
