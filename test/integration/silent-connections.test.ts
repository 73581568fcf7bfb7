/**
 * A connection on which everything is lost, and no FIN or RST tells: a proxy in between acknowledges what it swallows, so that TCP sees
 * nothing, keepalive or not.
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
/** More bytes than the kernel and the proxy keep. */
const MANY_ROWS = `copy (select repeat('x', 1000) from generate_series(1, 100000)) to stdout (format binary)`;
/** Each a fresh connection: of what was silent for 10 s the server is asked again and again. */
const LOOKS = 2;
/** A Sync, and ReadyForQuery. */
const PING_BYTES = 5 + 6;

const servers = ownServers();

interface Way {
  stack: Stack;
  proxy: TcpProxy;
  url: string;
  pool: Pool;
}

/** A pool that reaches its database through a proxy. */
async function openWay({ onTestFinished }: TestContext): Promise<Way> {
  const stack = await freshStack({ servers: servers() });
  onTestFinished(() => stack.close());
  const url = new URL(stack.databaseUrl);
  const proxy = await TcpProxy.open(Number(url.port), { reads: false });
  onTestFinished(() => proxy.close());
  url.port = String(proxy.port);
  const pool = await openPool(url.toString(), { applicationName: 'silent', connectionsMax: 4, keepsConnections: true });
  return { stack, proxy, url: url.toString(), pool };
}

/** How a promise ended, as text. */
const ending = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'succeeded',
    (error: Error) => `${error.name}: ${error.message}`,
  );

const dead = (sign: string) =>
  expect.stringMatching(`^DeadConnectionError: the connection to PostgreSQL is dead: .*${sign}`);

interface InFlight {
  what: string;
  /** Begins it; the function returned goes on with it. */
  begin(client: Client, way: Way): Promise<() => Promise<unknown>>;
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
    what: 'a COPY out whose rows are swallowed',
    begin: beginCopyOut,
    strike: swallow,
    sign: 'its session waits for a statement',
  },
  {
    what: 'a COPY out whose rows are held up for ever',
    begin: beginCopyOut,
    strike: (proxy) => {
      for (const link of proxy.links) link.hold();
    },
    // The server may be the first to notice.
    sign: 'its session (waits for the client to read its rows|has ended)',
  },
  {
    what: 'a COPY in that goes on sending',
    async begin(client, { stack }) {
      const { send } = await beginCopyIn(client);
      return async () => {
        // It sends little: nothing that could fill a buffer and be noticed there.
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
    what: 'a statement, with no way to the server left',
    begin: async (client) => () => client.query('select 1'),
    strike: (proxy) => proxy.swallowAll(),
    sign: 'no other connection can be opened either',
  },
];

test.concurrent.for(inFlight)(
  '$what fails by itself, and says why',
  { timeout: TIMEOUT_MS },
  async (flight, context) => {
    const way = await openWay(context);
    const client = await way.pool.connect();
    const goOn = await flight.begin(client, way);
    flight.strike(way.proxy);
    expect(await ending(goOn())).toEqual(dead(flight.sign));
    client.release(true);
    way.proxy.heal();
    expect((await way.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await way.pool.end();
  },
);

test.concurrent('a session that the server has ended is noticed, though word of it is lost', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const { pool, proxy, stack } = await openWay(context);
  const held = await hold(stack, 'lock table meterfold.runs in access exclusive mode');
  const waiting = ending(pool.query('select from meterfold.runs'));
  const [session] = await held.waiting({ application: 'silent' });
  proxy.swallowOpen();
  await stack.pool.query('select pg_terminate_backend($1)', [session!.pid]);
  expect(await waiting).toEqual(dead('its session has ended on the server'));
  await pool.end();
});

test.concurrent('the server watches over its clients, too, by settings of each session', async (context) => {
  const { pool } = await openWay(context);
  const { rows } = await pool.query<{ name: string; setting: string }>(
    'select name, setting from pg_settings where name = any ($1)',
    [Object.keys(LIVENESS_SETTINGS)],
  );
  expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual(LIVENESS_SETTINGS);
  await pool.end();
});

test.concurrent('idle connections of a pool are closed when they are dead, all of them, and it goes on with others', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const { pool, proxy } = await openWay(context);
  const clients = await Promise.all([1, 2, 3, 4].map(() => pool.connect()));
  for (const client of clients) client.release();
  expect(proxy.swallowOpen()).toBe(4);
  await eventually('none of them is left', () => pool.totalCount === 0);
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  await pool.end();
});

test.concurrent('idle connections that live are kept', { timeout: TIMEOUT_MS }, async (context) => {
  const { pool, proxy, stack } = await openWay(context);
  const pidOf = async () => (await pool.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid;
  const pid = await pidOf();
  const bytes = () => [...proxy.links][0]!.bytesPassed;
  const before = bytes();
  await eventually('it is asked for a sign of life, and gives one', () => bytes() > before);
  await eventually('it is asked again', () => bytes() >= before + 2 * PING_BYTES);
  expect(await pidOf()).toBe(pid);
  expect((await stack.pool.query('select from pg_stat_activity where pid = $1', [pid])).rowCount).toBe(1);
  await pool.end();
});

test.concurrent('who waits for a lock is left alone, however long', { timeout: TIMEOUT_MS }, async (context) => {
  const { pool, proxy, stack } = await openWay(context);
  const held = await hold(stack, 'lock table meterfold.runs in access exclusive mode');
  const waiting = ending(pool.query('select from meterfold.runs'));
  await held.waiting({ application: 'silent' });
  const before = proxy.accepted;
  await eventually('the server was asked of it', () => proxy.accepted >= before + LOOKS);
  await held.waiting({ application: 'silent' });
  await held.release();
  expect(await waiting).toBe('succeeded');
  await pool.end();
});

test.concurrent('a COPY in whose sender computes for long is left alone', { timeout: TIMEOUT_MS }, async (context) => {
  const { pool, proxy } = await openWay(context);
  const client = await pool.connect();
  const { copy, send } = await beginCopyIn(client);
  const before = proxy.accepted;
  await eventually('the server was asked of it', () => proxy.accepted >= before + LOOKS);
  await send();
  expect(await copy.finish()).toBe(2);
  client.release();
  await pool.end();
});

test.concurrent('a command that waits for a database that has vanished ends, and says so in one sentence', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const { stack, proxy, url, pool } = await openWay(context);
  await pool.end();
  const held = await hold(stack, 'lock table meterfold.runs in access exclusive mode');
  const command = startCommand(stack, ['verify'], { env: { DATABASE_URL: url } });
  await held.waiting({ application: 'meterfold cli' });
  proxy.swallowAll();
  const { code, stderr } = await command.result;
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(
      /^meterfold: the connection to PostgreSQL is dead: .* no other connection can be made/,
    ),
  });
});
