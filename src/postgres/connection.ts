/**
 * Converts a libpq URL to a configuration for pg. database-url.ts parses the URL, tls.ts reads the certificates, and
 * hosts.ts chooses among several hosts.
 *
 * With sslmode=prefer or allow, the server is probed once, when a pool is opened, and the result applies to the whole
 * process. (libpq probes for each connection.) If no server answers the probe, the next connection that fails repeats
 * it.
 */
import pg from 'pg';
import { createReadSocket } from './copy/read-socket.js';
import { type Address, type DatabaseUrl, parseDatabaseUrl } from './database-url.js';
import { clientOf, type Hosts } from './hosts.js';
import { passwordFromFile } from './password-file.js';
import { tlsOptions } from './tls.js';
import { CONNECT_MS } from './watch/liveness.js';

/**
 * Throws DatabaseUrlError. Connects only to find out whether the server supports TLS, with sslmode=prefer (the default)
 * or allow.
 */
export async function clientConfig(databaseUrl: string, environment = process.env): Promise<pg.PoolConfig> {
  const url = parseDatabaseUrl(databaseUrl, environment);
  const { addresses, attributes, connectTimeoutMs } = url;
  const first = addresses[0]!;
  const options = url.parameters.get('options');
  const passwordOf = async (address: Address) =>
    url.password ?? (await passwordFromFile(url.passfile, { ...address, ...url }));
  const password = await passwordOf(first);
  // One attempt for each host, and one for the connection itself.
  const attempts = addresses.length > 1 || attributes !== 'any' ? addresses.length + 1 : 1;
  const timeoutMs = connectTimeoutMs ?? Math.floor(CONNECT_MS / attempts);
  const plain: pg.PoolConfig = {
    ...first,
    user: url.user,
    database: url.database,
    ssl: false,
    ...(password === undefined ? {} : { password }),
    ...(options === undefined ? {} : { options }),
    ...(connectTimeoutMs === undefined ? {} : { connectionTimeoutMillis: connectTimeoutMs * attempts }),
  };
  const hosts: Hosts = { addresses, attributes, timeoutMs, passwordOf };
  const Client = attempts > 1 ? clientOf(hosts) : pg.Client;
  const config = await withTls(url, plain, environment, Client, timeoutMs);
  return attempts > 1 && config.Client === undefined ? { ...config, Client } : config;
}

type ClientClass = new (config?: pg.ClientConfig) => pg.Client;

/** Returns a client outside the pool, configured like the clients of the pool and not connected yet. */
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
  // libpq never uses TLS on a Unix socket, regardless of sslmode.
  if (sslmode === 'disable' || url.addresses.every(({ host }) => host.startsWith('/'))) return plain;
  const encrypted: pg.PoolConfig = {
    ...plain,
    ssl: await tlsOptions(url, environment),
    enableChannelBinding: parameters.get('channel_binding') === 'prefer',
    ...(parameters.get('sslnegotiation') === 'direct' ? { sslnegotiation: 'direct' as const } : {}),
  };
  if (sslmode !== 'prefer' && sslmode !== 'allow') return encrypted;
  const inOrder = sslmode === 'prefer' ? [encrypted, plain] : [plain, encrypted];
  const probe = () => firstAccepted(inOrder, Client, timeoutMs);
  const accepted = await probe();
  return accepted ?? { ...plain, Client: probingClient(plain, Client, probe) };
}

/** Returns the first configuration with which a connection succeeds; undefined if none does. */
async function firstAccepted(
  configs: readonly pg.PoolConfig[],
  Client: ClientClass,
  timeoutMs: number,
): Promise<pg.PoolConfig | undefined> {
  for (const config of configs) {
    const probe = new Client({ ...config, connectionTimeoutMillis: timeoutMs });
    probe.on('error', () => {});
    try {
      await probe.connect();
      return config;
    } catch (error) {
      // An unreachable server would not accept the other configuration either.
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

/**
 * A client that repeats the probe when its connection fails, until the server has answered once. Later connections use
 * the result.
 */
function probingClient(
  plain: pg.PoolConfig,
  Client: ClientClass,
  probe: () => Promise<pg.PoolConfig | undefined>,
): ClientClass {
  let accepted: pg.PoolConfig | undefined;
  const stream = (ssl: pg.PoolConfig['ssl']) =>
    ssl === undefined || ssl === false ? { stream: createReadSocket } : {};
  return class extends Client {
    constructor(config: pg.ClientConfig = {}) {
      const { stream: _, ...given } = config;
      // The password is not enumerable in a pool's options, so a copy of the options lacks it.
      const { ssl, enableChannelBinding, sslnegotiation, password } = accepted ?? plain;
      super({ ...given, ssl, enableChannelBinding, sslnegotiation, password: password as string, ...stream(ssl) });
    }

    override connect(): Promise<pg.Client>;
    override connect(callback: (error: Error) => void): void;
    override connect(callback?: (error: Error) => void): Promise<pg.Client> | undefined {
      const connecting = super.connect().catch(async (error: Error) => {
        accepted ??= await probe();
        throw error;
      });
      if (callback === undefined) return connecting;
      connecting.then(() => callback(null as never), callback);
      return undefined;
    }
  };
}
