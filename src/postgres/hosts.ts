/**
 * A client that chooses among several hosts as libpq does: it takes the first host, in the given order, that accepts a
 * connection and satisfies target_session_attrs. With prefer-standby it takes any host if none is a standby.
 *
 * pg's client can connect only once. Each host is therefore probed by a separate client, which is closed immediately;
 * this client then connects to the chosen host. If the server's role changes in between, the first statement that it
 * refuses fails, as it does if the role changes later.
 */
import pg from 'pg';
import type { Address, SessionAttributes } from './database-url.js';

/** No host is usable; the message gives the reason for each. */
export class NoHostError extends Error {
  override name = 'NoHostError';
}

export interface Hosts {
  addresses: readonly Address[];
  attributes: SessionAttributes;
  /** The limit for one host. */
  timeoutMs: number;
  passwordOf(address: Address): Promise<string | undefined>;
}

interface ServerState {
  standby: boolean;
  readOnly: boolean;
}

/** The servers that each value of target_session_attrs accepts. For prefer-standby this is the first round. */
const ACCEPTS: Readonly<Record<SessionAttributes, (state: ServerState) => boolean>> = {
  any: () => true,
  'read-write': ({ readOnly }) => !readOnly,
  'read-only': ({ readOnly }) => readOnly,
  primary: ({ standby }) => !standby,
  standby: ({ standby }) => standby,
  'prefer-standby': ({ standby }) => standby,
};

export function clientOf(hosts: Hosts): new (config?: pg.ClientConfig) => pg.Client {
  return class extends pg.Client {
    readonly #config: pg.ClientConfig;

    constructor(config: pg.ClientConfig = {}) {
      super(config);
      this.#config = config;
    }

    override connect(): Promise<pg.Client>;
    override connect(callback: (error: Error) => void): void;
    override connect(callback?: (error: Error) => void): Promise<pg.Client> | undefined {
      const connecting = chooseHost(this.#config, hosts).then(async (address) => {
        const password = await hosts.passwordOf(address);
        Object.assign(this, address, password === undefined ? {} : { password });
        await super.connect();
        return this as pg.Client;
      });
      if (callback === undefined) return connecting;
      connecting.then(() => callback(null as never), callback);
      return undefined;
    }
  };
}

async function chooseHost(config: pg.ClientConfig, hosts: Hosts): Promise<Address> {
  const reasons: string[] = [];
  let second: Address | undefined;
  for (const address of hosts.addresses) {
    try {
      const state = await stateOf(config, address, hosts);
      if (ACCEPTS[hosts.attributes](state)) return address;
      second ??= address;
      const found = `it is ${state.standby ? 'a standby' : state.readOnly ? 'read-only' : 'a primary that takes writes'}`;
      reasons.push(`${nameOf(address)}: ${found}, and target_session_attrs is ${hosts.attributes}`);
    } catch (error) {
      reasons.push(`${nameOf(address)}: ${(error as Error).message || (error as { code?: string }).code}`);
    }
  }
  if (hosts.attributes === 'prefer-standby' && second !== undefined) return second;
  throw new NoHostError(`PostgreSQL is reachable at none of its hosts. ${reasons.join('. ')}.`);
}

async function stateOf(config: pg.ClientConfig, address: Address, hosts: Hosts): Promise<ServerState> {
  const password = await hosts.passwordOf(address);
  const probe = new pg.Client({
    ...config,
    ...address,
    ...(password === undefined ? {} : { password }),
    connectionTimeoutMillis: hosts.timeoutMs,
    query_timeout: hosts.timeoutMs,
  });
  probe.on('error', () => {});
  try {
    await probe.connect();
    if (hosts.attributes === 'any') return { standby: false, readOnly: false };
    const { rows } = await probe.query<ServerState>(
      `select pg_catalog.pg_is_in_recovery() as standby,
              pg_catalog.pg_is_in_recovery()
                or pg_catalog.current_setting('default_transaction_read_only')::pg_catalog.bool as "readOnly"`,
    );
    return rows[0]!;
  } finally {
    await probe.end().catch(() => {});
  }
}

const nameOf = ({ host, port }: Address) => `${host}:${port}`;
