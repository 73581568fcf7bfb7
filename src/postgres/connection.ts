/**
 * From a libpq URL to what pg connects by. database-url.ts reads the URL, tls.ts the certificates, hosts.ts chooses among several hosts.
 *
 * sslmode=prefer and allow try the server once, when a pool is opened, and what it answers holds for the process: libpq asks again for each
 * connection. If no server answers then, the next connection that fails asks again.
 */
import pg from 'pg';
import { createReadSocket } from './copy/read-socket.js';
import { type Address, type DatabaseUrl, parseDatabaseUrl } from './database-url.js';
import { clientOf, type Hosts } from './hosts.js';
import { passwordFromFile } from './password-file.js';
import { tlsOptions } from './tls.js';
import { CONNECT_MS } from './watch/liveness.js';

/** Throws DatabaseUrlError. Connects only where a server must be asked whether it speaks TLS: sslmode=prefer, the default, and allow. */
export async function clientConfig(databaseUrl: string, environment = process.env): Promise<pg.PoolConfig> {
  const url = parseDatabaseUrl(databaseUrl, environment);
  const { addresses, attributes, connectTimeoutMs } = url;
  const first = addresses[0]!;
  const options = url.parameters.get('options');
  const passwordOf = async (address: Address) =>
    url.password ?? (await passwordFromFile(url.passfile, { ...address, ...url }));
  const password = await passwordOf(first);
  // Each host's turn, and then the connection itself.
  const turns = addresses.length > 1 || attributes !== 'any' ? addresses.length + 1 : 1;
  const timeoutMs = connectTimeoutMs ?? Math.floor(CONNECT_MS / turns);
  const plain: pg.PoolConfig = {
    ...first,
    user: url.user,
    database: url.database,
    ssl: false,
    ...(password === undefined ? {} : { password }),
    ...(options === undefined ? {} : { options }),
    ...(connectTimeoutMs === undefined ? {} : { connectionTimeoutMillis: connectTimeoutMs * turns }),
  };
  const hosts: Hosts = { addresses, attributes, timeoutMs, passwordOf };
  const Client = turns > 1 ? clientOf(hosts) : pg.Client;
  const config = await withTls(url, plain, environment, Client, timeoutMs);
  return turns > 1 && config.Client === undefined ? { ...config, Client } : config;
}

type ClientClass = new (config?: pg.ClientConfig) => pg.Client;

/** A client outside the pool that connects as those of the pool do. Its connection is not opened yet. */
export function newClient(config: pg.PoolConfig): pg.Client {
  return new ((config.Client as ClientClass | undefined) ?? pg.Client)(config);
}

async function withTls(
  url: DatabaseUrl,
  plain: pg.PoolConfig,
  environment: NodeJS.ProcessEnv,
  Client: ClientClass,
  timeoutMs: number,
): Promise<pg.PoolConfig> {
  const { sslmode, parameters } = url;
  // libpq never speaks TLS through a Unix socket, whatever is asked for.
  if (sslmode === 'disable' || url.addresses.every(({ host }) => host.startsWith('/'))) return plain;
  const encrypted: pg.PoolConfig = {
    ...plain,
    ssl: await tlsOptions(url, environment),
    enableChannelBinding: parameters.get('channel_binding') === 'prefer',
    ...(parameters.get('sslnegotiation') === 'direct' ? { sslnegotiation: 'direct' as const } : {}),
  };
  if (sslmode !== 'prefer' && sslmode !== 'allow') return encrypted;
  const inOrder = sslmode === 'prefer' ? [encrypted, plain] : [plain, encrypted];
  const ask = () => firstAccepted(inOrder, Client, timeoutMs);
  const accepted = await ask();
  return accepted ?? { ...plain, Client: askingClient(plain, Client, ask) };
}

/** The first of the ways by which a connection is made; undefined if none is. */
async function firstAccepted(
  ways: readonly pg.PoolConfig[],
  Client: ClientClass,
  timeoutMs: number,
): Promise<pg.PoolConfig | undefined> {
  for (const way of ways) {
    const probe = new Client({ ...way, connectionTimeoutMillis: timeoutMs });
    probe.on('error', () => {});
    try {
      await probe.connect();
      return way;
    } catch (error) {
      // Nobody is there to answer the other way either.
      if (isUnreachable(error)) return undefined;
    } finally {
      await probe.end().catch(() => {});
    }
  }
  return undefined;
}

const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);
const isUnreachable = (error: unknown) =>
  UNREACHABLE.has((error as { code?: string }).code ?? '') || (error as Error).message === 'timeout expired';

/** Until the server has answered once, a connection that fails asks it again, for those that come after. */
function askingClient(
  plain: pg.PoolConfig,
  Client: ClientClass,
  ask: () => Promise<pg.PoolConfig | undefined>,
): ClientClass {
  let way: pg.PoolConfig | undefined;
  const stream = (ssl: pg.PoolConfig['ssl']) =>
    ssl === undefined || ssl === false ? { stream: createReadSocket } : {};
  return class extends Client {
    constructor(config: pg.ClientConfig = {}) {
      const { stream: _, ...given } = config;
      // A pool hides its password from a copy of its options.
      const { ssl, enableChannelBinding, sslnegotiation, password } = way ?? plain;
      super({ ...given, ssl, enableChannelBinding, sslnegotiation, password: password as string, ...stream(ssl) });
    }

    override connect(): Promise<pg.Client>;
    override connect(callback: (error: Error) => void): void;
    override connect(callback?: (error: Error) => void): Promise<pg.Client> | undefined {
      const connecting = super.connect().catch(async (error: Error) => {
        way ??= await ask();
        throw error;
      });
      if (callback === undefined) return connecting;
      connecting.then(() => callback(null as never), callback);
      return undefined;
    }
  };
}
