/**
 * A Linux network namespace for the processes of a test, in which packets can be dropped without FIN, RST or ICMP, as
 * when a machine loses power. Root can create one; other users can if the kernel permits user namespaces.
 *
 *   in the namespace                                          outside
 *   worker ── TCP ── namespace-relay.js ── Unix socket ── relay in the test process ── TCP ── PostgreSQL, Temporal
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { promisify } from 'node:util';
import { repositoryDir } from './repository.js';
import type { Stack } from './stack.js';

const asRoot = process.getuid?.() === 0;
const UNSHARE = ['--net', ...(asRoot ? [] : ['--user', '--map-root-user'])];
const PROGRAMS = 'the programs unshare and nsenter (Debian: util-linux), ip (iproute2) and nft (nftables)';

/** Returns why a namespace cannot be created here; undefined if it can. */
export async function namespaceFault(): Promise<string | undefined> {
  const script = 'ip link set lo up && nft add table inet meterfold && command -v nsenter';
  try {
    await promisify(execFile)('unshare', [...UNSHARE, 'sh', '-c', script]);
    return undefined;
  } catch (error) {
    const reason = (error as { stderr?: string }).stderr?.trim() || (error as Error).message;
    return `packets can't be dropped in a network namespace here (${reason}): it requires ${PROGRAMS}, and a kernel and container that permit ${asRoot ? 'root' : 'this user'} to create network namespaces`;
  }
}

export class NetworkNamespace {
  /** The environment of a process that reaches both servers through the relays. */
  readonly env: Record<string, string>;
  readonly #relay: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(relay: ChildProcess, lines: AsyncIterator<string>, env: Record<string, string>) {
    this.#relay = relay;
    this.#lines = lines;
    this.env = env;
  }

  static async open(stack: Stack): Promise<NetworkNamespace> {
    const home = await mkdtemp(join(tmpdir(), 'meterfold-net-'));
    stack.onClose(() => rm(home, { recursive: true, force: true }));
    const database = new URL(stack.databaseUrl);
    const [temporalHost, temporalPort] = stack.temporalAddress.split(':');
    const paths = [join(home, 'database'), join(home, 'temporal')] as const;
    await listen(stack, paths[0], database.hostname, Number(database.port));
    await listen(stack, paths[1], temporalHost!, Number(temporalPort));
    const script = join(repositoryDir, 'test', 'support', 'namespace-relay.js');
    const relay = spawn('unshare', [...UNSHARE, process.execPath, script, ...paths], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    stack.onClose(async () => {
      relay.stdin.end();
      if (relay.exitCode === null) await once(relay, 'exit');
    });
    const lines = (createInterface({ input: relay.stdout }) as Interface)[Symbol.asyncIterator]();
    const { value } = await lines.next();
    const [databasePort, temporal] = JSON.parse(value as string) as [number, number];
    database.port = String(databasePort);
    return new NetworkNamespace(relay, lines, {
      DATABASE_URL: database.toString(),
      TEMPORAL_ADDRESS: `127.0.0.1:${temporal}`,
    });
  }

  /** The command, with its first arguments, that runs a program in the namespace. */
  get enter(): string[] {
    const user = asRoot ? [] : ['--user', '--preserve-credentials'];
    return ['nsenter', '--target', String(this.#relay.pid), '--net', ...user, '--'];
  }

  /** Drops the packets between the namespace's processes and the database. */
  async drop(): Promise<void> {
    this.#tell('drop');
    await this.dropped();
  }

  /**
   * Drops all packets once `bytes` bytes were sent down to a client of the database, or up from it, on one connection.
   */
  dropAfter(direction: 'down' | 'up', bytes: number): void {
    this.#tell(`drop-${direction} ${bytes}`);
  }

  /** Waits until packets are dropped. */
  async dropped(): Promise<void> {
    await this.#lines.next();
  }

  #tell(line: string): void {
    this.#relay.stdin!.write(`${line}\n`);
  }
}

async function listen(stack: Stack, path: string, host: string, port: number): Promise<void> {
  const server: Server = createServer((inside) => {
    const target = connect(port, host);
    inside.pipe(target).pipe(inside);
    for (const [one, other] of [
      [inside, target],
      [target, inside],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
    stack.onClose(async () => void inside.destroy());
  });
  server.listen(path);
  await once(server, 'listening');
  stack.onClose(async () => void server.close());
}
