/**
 * Connections on which all data is lost without FIN or RST: a proxy acknowledges the data and drops it, so TCP does not
 * notice, with or without keepalive.
 */
import { expect, type TestContext, test } from 'vitest';
import { copyIn } from '../../src/postgres/copy/copy-in.js';
import { copyOut } from '../../src/postgres/copy/copy-out.js';
import { type Client, openPool, type Pool } from '../../src/postgres/pool.js';
import { LIVENESS_SETTINGS } from '../../src/postgres/watch/liveness.js';
import { TcpProxy } from '../chaos/proxy.js';
import { eventually } from '../support/eventually.js';
import { hold } from '../support/holds.js';
import { ownServers } from '../support/own-servers.js';
import { startCommand } from '../support/processes.js';
import { freshStack, type Stack } from '../support/stack.js';

const TIMEOUT_MS = 120_000;
/** More bytes than the buffers of the kernel and the proxy. */
const MANY_ROWS = `copy (select repeat('x', 1000) from generate_series(1, 100000)) to stdout (format binary)`;
/** Observations of a silent connection, each on a new connection to the server. They are repeated every 10 s. */
const OBSERVATIONS = 2;
/** The bytes of Sync and ReadyForQuery. */
const PING_BYTES = 5 + 6;

const servers = ownServers();

interface ProxiedPool {
  stack: Stack;
  proxy: TcpProxy;
  url: string;
  pool: Pool;
}

/** Opens a pool that connects to its database through a proxy. */
async function openProxied({ onTestFinished }: TestContext): Promise<ProxiedPool> {
  const stack = await freshStack({ servers: servers() });
  onTestFinished(() => stack.close());
  const url = new URL(stack.databaseUrl);
  const proxy = await TcpProxy.open(Number(url.port), { reads: false });
  onTestFinished(() => proxy.close());
  url.port = String(proxy.port);
  const pool = await openPool(url.toString(), { applicationName: 'silent', connectionsMax: 4, keepsConnections: true });
  return { stack, proxy, url: url.toString(), pool };
}

/** Describes how a promise ended. */
const ending = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'succeeded',
    (error: Error) => `${error.name}: ${error.message}`,
  );

const dead = (sign: string) =>
  expect.stringMatching(`^DeadConnectionError: the connection to PostgreSQL is dead: .*${sign}`);

interface InFlight {
  what: string;
  /** Begins the work; the returned function continues it. */
  begin(client: Client, proxied: ProxiedPool): Promise<() => Promise<unknown>>;
  strike(proxy: TcpProxy): void;
  sign: string;
}

const beginCopyIn = async (client: Client) => {
  await client.query('create temporary table taken (line text)');
  const copy = await copyIn(client, 'copy taken from stdin');
  const send = () => copy.write(Buffer.from(`${'x'.repeat(8000)}\n`));
  await send();
  return { copy, send };
};

const beginCopyOut = (client: Client): Promise<() => Promise<unknown>> =>
  new Promise((begun) => {
    const copy = copyOut(client, MANY_ROWS, 1, () => begun(() => copy));
    copy.catch(() => {});
  });

const swallow = (proxy: TcpProxy) => void proxy.swallowOpen();

const inFlight: InFlight[] = [
  {
    what: 'a statement that never arrives',
    begin: async (client) => () => client.query('select 1'),
    strike: swallow,
    sign: 'its session waits for a statement',
  },
  {
    what: 'a COPY out whose rows are dropped',
    begin: beginCopyOut,
    strike: swallow,
    sign: 'its session waits for a statement',
  },
  {
    what: 'a COPY out whose rows are delayed forever',
    begin: beginCopyOut,
    strike: (proxy) => {
      for (const link of proxy.links) link.hold();
    },
    // The server may notice first.
    sign: 'its session (waits for the client to read its rows|has ended)',
  },
  {
    what: 'a COPY in that continues to send',
    async begin(client, { stack }) {
      const { send } = await beginCopyIn(client);
      return async () => {
        // It sends only a little, so that no buffer fills up.
        for (;;) {
          await send();
          await stack.pool.query('select pg_sleep(0.2)');
        }
      };
    },
    strike: swallow,
    sign: 'its session waits for rows that were sent',
  },
  {
    what: 'the end of a COPY in',
    async begin(client) {
      const { copy } = await beginCopyIn(client);
      return () => copy.finish();
    },
    strike: swallow,
    sign: 'its session waits for more of the statement',
  },
  {
    what: 'a statement, while the server is unreachable',
    begin: async (client) => () => client.query('select 1'),
    strike: (proxy) => proxy.swallowAll(),
    sign: 'no other connection can be opened either',
  },
];

test.concurrent.for(inFlight)(
  '$what fails on its own, and the error gives the reason',
  { timeout: TIMEOUT_MS },
  async (flight, context) => {
    const proxied = await openProxied(context);
    const client = await proxied.pool.connect();
    const resume = await flight.begin(client, proxied);
    flight.strike(proxied.proxy);
    expect(await ending(resume())).toEqual(dead(flight.sign));
    client.release(true);
    proxied.proxy.heal();
    expect((await proxied.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await proxied.pool.end();
  },
);

test.concurrent('the end of a session on the server is noticed although its message is lost', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const { pool, proxy, stack } = await openProxied(context);
  const held = await hold(stack, 'lock table meterfold.runs in access exclusive mode');
  const waiting = ending(pool.query('select from meterfold.runs'));
  const [session] = await held.waiting({ application: 'silent' });
  proxy.swallowOpen();
  await stack.pool.query('select pg_terminate_backend($1)', [session!.pid]);
  expect(await waiting).toEqual(dead('its session has ended on the server'));
  await pool.end();
});

test.concurrent('the server detects dead clients by settings of each session', async (context) => {
  const { pool } = await openProxied(context);
  const { rows } = await pool.query<{ name: string; setting: string }>(
    'select name, setting from pg_settings where name = any ($1)',
    [Object.keys(LIVENESS_SETTINGS)],
  );
  expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual(LIVENESS_SETTINGS);
  await pool.end();
});

test.concurrent('all dead idle connections of a pool are closed, and the pool continues with new ones', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const { pool, proxy } = await openProxied(context);
  const clients = await Promise.all([1, 2, 3, 4].map(() => pool.connect()));
  for (const client of clients) client.release();
  expect(proxy.swallowOpen()).toBe(4);
  await eventually('none of them remains', () => pool.totalCount === 0);
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  await pool.end();
});

test.concurrent('live idle connections are kept', { timeout: TIMEOUT_MS }, async (context) => {
  const { pool, proxy, stack } = await openProxied(context);
  const pidOf = async () => (await pool.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid;
  const pid = await pidOf();
  const bytes = () => [...proxy.links][0]!.bytesPassed;
  const before = bytes();
  await eventually('the connection is pinged, and answers', () => bytes() > before);
  await eventually('it is pinged again', () => bytes() >= before + 2 * PING_BYTES);
  expect(await pidOf()).toBe(pid);
  expect((await stack.pool.query('select from pg_stat_activity where pid = $1', [pid])).rowCount).toBe(1);
  await pool.end();
});

test.concurrent('a session that waits for a lock is never closed', { timeout: TIMEOUT_MS }, async (context) => {
  const { pool, proxy, stack } = await openProxied(context);
  const held = await hold(stack, 'lock table meterfold.runs in access exclusive mode');
  const waiting = ending(pool.query('select from meterfold.runs'));
  await held.waiting({ application: 'silent' });
  const before = proxy.accepted;
  await eventually('the connection was observed', () => proxy.accepted >= before + OBSERVATIONS);
  await held.waiting({ application: 'silent' });
  await held.release();
  expect(await waiting).toBe('succeeded');
  await pool.end();
});

test.concurrent('a COPY in whose sender computes for long is never closed', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const { pool, proxy } = await openProxied(context);
  const client = await pool.connect();
  const { copy, send } = await beginCopyIn(client);
  const before = proxy.accepted;
  await eventually('the connection was observed', () => proxy.accepted >= before + OBSERVATIONS);
  await send();
  expect(await copy.finish()).toBe(2);
  client.release();
  await pool.end();
});

test.concurrent('a command that waits for a vanished database ends with one sentence', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const { stack, proxy, url, pool } = await openProxied(context);
  await pool.end();
  const held = await hold(stack, 'lock table meterfold.runs in access exclusive mode');
  const command = startCommand(stack, ['verify'], { env: { DATABASE_URL: url } });
  await held.waiting({ application: 'meterfold cli' });
  proxy.swallowAll();
  const { code, stderr } = await command.result;
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(
      /^meterfold: The connection to PostgreSQL is dead: .* no other connection can be opened/,
    ),
  });
});
