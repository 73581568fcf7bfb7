/** Parameters of database URLs on real servers: TLS, several hosts, and target_session_attrs. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { clientConfig } from '../../src/postgres/connection.js';
import { openPool } from '../../src/postgres/pool.js';
import { AUTHORITY } from '../support/certificate.js';
import { meterfold } from '../support/processes.js';
import { type Replica, startReplica } from '../support/replica.js';
import { freshStack, type Stack } from '../support/stack.js';
import { startTlsPostgres, type TlsPostgres } from '../support/tls-postgres.js';

const options = { applicationName: 'test', connectionsMax: 1 };

/** Connects once, and returns whether it used TLS, and the port. */
async function connect(url: string): Promise<{ tls: boolean; port: number }> {
  const pool = await openPool(url, options);
  try {
    const { rows } = await pool.query(`
      select ssl as tls, current_setting('port')::int as port from pg_stat_ssl where pid = pg_backend_pid()`);
    return rows[0];
  } finally {
    await pool.end();
  }
}

/** Returns a port on which nothing listens. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('TLS', () => {
  let server: TlsPostgres;
  const port = () => Number(new URL(server.url).port);
  const at = (query: string) => `${server.url}?${query}`;
  beforeAll(async () => {
    // The certificate covers only the first address.
    server = await startTlsPostgres({ listen_addresses: '127.0.0.1,127.0.0.2' });
    return () => server.stop();
  });

  test.each([
    ['sslmode=disable', false],
    ['sslmode=allow', false],
    ['sslmode=prefer', true],
    ['sslmode=', true],
    ['sslmode=require', true],
    [`sslmode=verify-ca&sslrootcert=${AUTHORITY}`, true],
    [`sslmode=verify-full&sslrootcert=${AUTHORITY}`, true],
    [`sslmode=verify-full&sslrootcert=${AUTHORITY}&sslnegotiation=direct`, true],
    ['sslmode=require&ssl_min_protocol_version=TLSv1.3', true],
    ['sslmode=require&channel_binding=prefer', true],
  ])('with %s, its use is %s', async (query, tls) => {
    expect(await connect(at(query))).toEqual({ tls, port: port() });
  });

  test.each([
    ['prefer', 'hostnossl all all all scram-sha-256', false],
    ['allow', 'hostssl all all all scram-sha-256', true],
  ])('sslmode=%s uses its second choice if the server has "%s"', async (mode, line, tls) => {
    await server.admit(line);
    try {
      expect(await connect(at(`sslmode=${mode}`))).toEqual({ tls, port: port() });
    } finally {
      await server.admit();
    }
  });

  test('sslrootcert=system trusts only the authorities of the system', async () => {
    const config = (SSL_CERT_FILE?: string) =>
      clientConfig(at('sslrootcert=system'), {
        HOME: '/nowhere',
        ...(SSL_CERT_FILE === undefined ? {} : { SSL_CERT_FILE }),
      });
    const { default: pg } = await import('pg');
    const trusting = new pg.Client(await config(AUTHORITY));
    await trusting.connect();
    await trusting.end();
    const doubting = new pg.Client(await config());
    await expect(doubting.connect()).rejects.toThrow(/certificate/);
  });

  test('a known authority verifies the chain with every sslmode, and its default location is ~/.postgresql', async () => {
    const home = await mkdtemp(join(tmpdir(), 'meterfold-tls-'));
    try {
      await expect(clientConfig(at('sslmode=verify-full'), { HOME: home })).rejects.toThrow(
        `sslmode=verify-full needs the authority of the server's certificate: name its file in sslrootcert, use sslrootcert=system, ` +
          `or put it into ${home}/.postgresql/root.crt`,
      );
      await expect(connect(at(`sslmode=verify-full&sslrootcert=${home}/none`))).rejects.toThrow(
        `sslrootcert=${home}/none cannot be read`,
      );
      const own = join(home, 'own.crt');
      await writeFile(own, 'no certificate');
      await expect(connect(at(`sslmode=require&sslrootcert=${own}`))).rejects.toThrow();
    } finally {
      await rm(home, { recursive: true });
    }
  });

  test('verify-full verifies the host name, and verify-ca does not', async () => {
    const elsewhere = server.url.replace('127.0.0.1', '127.0.0.2');
    expect(await connect(`${elsewhere}?sslmode=verify-ca&sslrootcert=${AUTHORITY}`)).toMatchObject({ tls: true });
    await expect(connect(`${elsewhere}?sslmode=verify-full&sslrootcert=${AUTHORITY}`)).rejects.toThrow(
      "does not match certificate's altnames",
    );
  });

  test('is probed again by each pool whose server was unreachable when the pool was opened', async () => {
    const own = await deadPort();
    const url = server.url.replace(`:${port()}/`, `:${own}/`);
    const pool = await openPool(url, options);
    await expect(pool.query('select 1')).rejects.toThrow('ECONNREFUSED');
    const { connect: dial } = await import('node:net');
    // The proxy, which now listens there, leads to the server.
    const proxy = createServer((socket) => {
      const to = dial(port(), '127.0.0.1');
      socket.pipe(to).pipe(socket);
      for (const end of [socket, to]) end.on('error', () => socket.destroy());
    }).listen(own, '127.0.0.1');
    try {
      await server.admit('hostssl all all all scram-sha-256');
      await expect(pool.query('select 1')).rejects.toThrow('no pg_hba.conf entry');
      const { rows } = await pool.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
      expect(rows).toEqual([{ ssl: true }]);
    } finally {
      await pool.end();
      proxy.close();
      await server.admit();
    }
  });
});

describe('a password', () => {
  test('comes from the password file if the URL has none', async () => {
    const { postgresUrl } = inject('servers');
    const url = new URL(postgresUrl);
    const dir = await mkdtemp(join(tmpdir(), 'meterfold-pgpass-'));
    const passfile = join(dir, 'pgpass');
    try {
      await writeFile(passfile, `*:${url.port}:*:${url.username}:${url.password}\n`, { mode: 0o600 });
      const open = `postgres://${url.username}@127.0.0.1:${url.port}/postgres?sslmode=disable&passfile=${passfile}`;
      expect(await connect(open)).toMatchObject({ port: Number(url.port) });
      await chmod(passfile, 0o644);
      await expect(connect(open)).rejects.toThrow('password must be a string');
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe('several hosts', () => {
  let stack: Stack;
  let replica: Replica;
  let primary: string;
  let standby: string;
  let dead: string;
  const list = (hosts: string[], query = '') => {
    const { username, password } = new URL(stack.databaseUrl);
    return `postgres://${username}:${password}@${hosts.join(',')}/postgres?sslmode=disable${query}`;
  };
  const portOf = (host: string) => Number(host.split(':')[1]);

  beforeAll(async () => {
    [stack, replica] = await Promise.all([freshStack(), startReplica(inject('servers'))]);
    primary = new URL(stack.databaseUrl).host;
    standby = new URL(replica.urlOf('postgres')).host;
    dead = `127.0.0.1:${await deadPort()}`;
  });
  afterAll(async () => {
    await replica.stop();
    await stack.close();
  });

  test('are tried in the given order', async () => {
    expect(await connect(list([dead, primary, standby]))).toMatchObject({ port: portOf(primary) });
    expect(await connect(list([standby, primary]))).toMatchObject({ port: portOf(standby) });
  });

  test.each([
    ['read-write', () => primary],
    ['primary', () => primary],
    ['read-only', () => standby],
    ['standby', () => standby],
    ['prefer-standby', () => standby],
  ])('with target_session_attrs=%s, a server of that kind is used', async (attributes, expected) => {
    for (const hosts of [
      [dead, standby, primary],
      [primary, standby, dead],
    ]) {
      const found = await connect(list(hosts, `&target_session_attrs=${attributes}`));
      expect(found.port).toBe(portOf(expected()));
    }
  });

  test('with prefer-standby, a primary is used if there is no standby', async () => {
    expect(await connect(list([dead, primary], '&target_session_attrs=prefer-standby'))).toMatchObject({
      port: portOf(primary),
    });
  });

  test('are each named with the reason if none is suitable', async () => {
    await expect(connect(list([dead, standby], '&target_session_attrs=read-write'))).rejects.toThrow(
      `PostgreSQL is reachable at none of its hosts. ${dead}: connect ECONNREFUSED ${dead}. ` +
        `${standby}: it is a standby, and target_session_attrs is read-write.`,
    );
    await expect(connect(list([standby], '&target_session_attrs=primary'))).rejects.toThrow(
      `${standby}: it is a standby`,
    );
  });

  test('are used by a command, and a misspelt parameter stops it before it connects', async () => {
    const url = stack.databaseUrl.replace(primary, [dead, standby, primary].join(','));
    const env = { DATABASE_URL: `${url}&target_session_attrs=read-write` };
    expect(await meterfold(stack, ['runs'], { env })).toMatchObject({ code: 0, stderr: '' });
    const misspelt = await meterfold(stack, ['runs'], { env: { DATABASE_URL: `${url}&sslmod=verify-full` } });
    expect(misspelt).toEqual({
      code: 2,
      stdout: '',
      stderr: 'meterfold: Wrong setting: DATABASE_URL: sslmod is no parameter of libpq: did you mean sslmode?\n',
    });
  });

  test('and other parameters are not affected by a newline at the end of each variable', async () => {
    const env = Object.fromEntries(Object.entries(stack.env).map(([name, value]) => [name, `${value}\n`]));
    const { PATH = '', HOME = '' } = stack.env;
    expect(await meterfold(stack, ['doctor', '--json'], { env: { ...env, PATH, HOME } })).toMatchObject({ stderr: '' });
    expect(await meterfold(stack, ['runs'], { env: { ...env, PATH, HOME } })).toMatchObject({ code: 0, stderr: '' });
  });
});
