/**
 * Conformance of COPY in both directions, on PostgreSQL 18 and 15, over TCP, a Unix socket and TLS. TLS uses other code
 * to read and write, and another code path again if Node does not support our read buffer.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startPostgres } from '../../src/embedded/postgres.js';
import { removeCluster } from '../../src/embedded/postgres-cluster.js';
import { BINARY_HEADER, BINARY_TRAILER, type CopyIn, copyIn } from '../../src/postgres/copy/copy-in.js';
import { copyOut, copyRowsOut, type RowsReader } from '../../src/postgres/copy/copy-out.js';
import { readBufferOf } from '../../src/postgres/copy/read-socket.js';
import { type Client, openPool, type Pool, withClient } from '../../src/postgres/pool.js';
import { AUTHORITY, type Certificate, provideCertificate } from '../support/certificate.js';
import { debianPostgresFault, startDebianPostgres } from '../support/debian-postgres.js';
import { eventually } from '../support/eventually.js';
import { say } from '../support/say.js';

const MIB = 2 ** 20;

interface Running {
  url: string;
  stop(): Promise<void>;
}

const servers: Record<string, (settings: Record<string, string>) => Promise<Running>> = {
  async 'PostgreSQL 18'(settings) {
    const stateDir = await mkdtemp(join(tmpdir(), 'meterfold-copy-'));
    const server = await startPostgres({ stateDir, settings: { fsync: 'off', ...settings } });
    return {
      url: server.url,
      async stop() {
        await server.stop('immediate');
        await removeCluster(stateDir);
        await rm(stateDir, { recursive: true, force: true });
      },
    };
  },
  'PostgreSQL 15': startDebianPostgres,
};

const fault15 = await debianPostgresFault();
test('PostgreSQL 15 is available; otherwise the reason is printed, and CI fails', () => {
  if (fault15 !== undefined) say(fault15);
  expect(process.env.CI === 'true' ? fault15 : undefined).toBeUndefined();
});
if (fault15 !== undefined) delete servers['PostgreSQL 15'];

const WITHOUT_BUFFER = 'TLS without our read buffer';
type Transport = (url: URL, socketDir: string) => void;
const transports: Record<string, Transport> = {
  TCP: () => {},
  'a Unix socket': (url, socketDir) => {
    url.searchParams.set('host', socketDir);
    url.searchParams.set('port', url.port);
  },
  TLS: overTls,
  [WITHOUT_BUFFER]: overTls,
};

function overTls(url: URL): void {
  url.searchParams.set('sslmode', 'verify-full');
  url.searchParams.set('sslrootcert', AUTHORITY);
}

/** A field of pg's client that its types lack. */
const streamOf = (client: object) => (client as { connection: { stream: Socket } }).connection.stream;

/** Simulates a version of Node without this method. */
function takeBufferAway(client: object): void {
  const { _handle } = streamOf(client) as unknown as { _handle: { useUserBuffer: unknown } };
  _handle.useUserBuffer = undefined;
}

describe.each(Object.keys(servers))('%s', (name) => {
  let certificate: Certificate;
  let socketDir: string;
  let server: Running;
  beforeAll(async () => {
    certificate = await provideCertificate();
    socketDir = await mkdtemp(join(tmpdir(), 'meterfold-socket-'));
    await chmod(socketDir, 0o777);
    server = await servers[name]!({ ...certificate.settings, unix_socket_directories: socketDir });
  });
  afterAll(async () => {
    await server.stop();
    await certificate.remove();
    await rm(socketDir, { recursive: true, force: true });
  });

  describe.each(Object.keys(transports))('over %s', (transport) => {
    let pool: Pool;
    beforeAll(async () => {
      const url = new URL(server.url);
      transports[transport]!(url, socketDir);
      pool = await openPool(url.toString(), { applicationName: 'copy', connectionsMax: 3 });
      if (transport === WITHOUT_BUFFER) pool.on('connect', takeBufferAway);
    });
    afterAll(() => pool.end());

    const connect = async (): Promise<Client> => {
      const client = await pool.connect();
      onTestFinished(() => client.release());
      return client;
    };
    /** Expects that the connection answers further statements. */
    const expectUsable = async (client: Client) =>
      expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);

    test('the connection uses this transport', async () => {
      const { rows } = await pool.query<{ transport: string }>(
        `select case when ssl.ssl then 'TLS' when session.client_addr is null then 'a Unix socket' else 'TCP' end as transport
           from pg_stat_ssl ssl join pg_stat_activity session using (pid) where pid = pg_backend_pid()`,
      );
      expect(rows).toEqual([{ transport: transport === WITHOUT_BUFFER ? 'TLS' : transport }]);
    });

    describe('COPY out', () => {
      const read = (client: Client, select: string): Promise<{ count: number; rows: number; bytes: number }> => {
        let [rows, bytes] = [0, 0];
        const reader: RowsReader = {
          done: false,
          // Reads all complete rows, as the reader of the log does.
          read(buffer, view, at, end) {
            while (end - at >= 7 && buffer[at] === 0x64 && view.getInt16(at + 5) === 1) {
              const next = at + 1 + view.getInt32(at + 1);
              if (next > end) break;
              rows++;
              bytes += view.getInt32(at + 7);
              at = next;
            }
            return at;
          },
        };
        return copyRowsOut(client, `copy (${select}) to stdout (format binary)`, reader).then((count) => ({
          count,
          rows,
          bytes,
        }));
      };

      test('of many tiny rows reads each once', async () => {
        const client = await connect();
        let sum = 0n;
        const count = await copyOut(
          client,
          'copy (select n from generate_series(1, 300000::bigint) n) to stdout (format binary)',
          1,
          (view, at) => {
            sum += view.getBigInt64(at + 4);
          },
        );
        expect({ count, sum }).toEqual({ count: 300_000, sum: (300_000n * 300_001n) / 2n });
        await expectUsable(client);
      });

      test.each([
        ['no row', `select 'x' where false`, 0, 0],
        ['one row', `select 'one'`, 1, 3],
        ['large rows', `select repeat('x', 3000000) from generate_series(1, 8)`, 8, 24_000_000],
        ['rows of any size', `select repeat('x', n % 100000) from generate_series(1, 1500, 7) n`, 215, 0],
      ])('of %s reads each complete', async (_, select, rows, bytes) => {
        const client = await connect();
        const { rows: expected } = await pool.query<{ bytes: string }>(
          `select coalesce(sum(octet_length(c::text)), 0) as bytes from (${select}) as t (c)`,
        );
        const seen = await read(client, select);
        expect(seen).toEqual({ count: rows, rows, bytes: bytes === 0 ? Number(expected[0]!.bytes) : bytes });
        await expectUsable(client);
      });

      test('fails with an error that the server reports in the middle, and the connection remains usable', async () => {
        const client = await connect();
        const work = read(client, `select (100000 / (50000 - n))::text from generate_series(1, 100000) n`);
        await expect(work).rejects.toMatchObject({ code: '22012' });
        await expectUsable(client);
      });

      test('passes on notices in the middle of rows', async () => {
        const client = await connect();
        const notices: (string | undefined)[] = [];
        client.on('notice', ({ message }) => notices.push(message));
        await client.query(`create function pg_temp.remark(n integer) returns text language plpgsql as
          $$ begin if n % 1000 = 0 then raise notice 'row %', n; end if; return n::text; end $$`);
        const { rows } = await read(client, 'select pg_temp.remark(n) from generate_series(1, 5000) n');
        expect({ rows, notices }).toEqual({ rows: 5000, notices: [1, 2, 3, 4, 5].map((n) => `row ${n}000`) });
        await expectUsable(client);
      });

      test(transport === WITHOUT_BUFFER ? 'reads into buffers of Node' : 'reads into one buffer', async () => {
        const client = await connect();
        const landing = () => readBufferOf(streamOf(client))?.room().buffer;
        await read(client, `select 'row'`);
        const before = landing();
        await read(client, `select repeat('x', 100) from generate_series(1, 20000)`);
        expect(landing()).toBe(before);
        expect(before === undefined).toBe(transport === WITHOUT_BUFFER);
      });

      test('fails with the error that the server sends before it closes the connection', async () => {
        const client = await pool.connect();
        const select = `select case when n = 30000 then pg_terminate_backend(pg_backend_pid())::text else n::text end`;
        await expect(read(client, `${select} from generate_series(1, 40000) n`)).rejects.toMatchObject({
          code: '57P01',
        });
        client.release(true);
      });

      test('works repeatedly on one connection', async () => {
        const client = await connect();
        for (const rows of [3, 0, 40_000, 1]) {
          const select = `select 'row' from generate_series(1, ${rows})`;
          expect(await read(client, select)).toEqual({ count: rows, rows, bytes: 3 * rows });
        }
        await expectUsable(client);
      });

      test.each([
        ['a reader that refuses a row', 1, 'the third row', 'no more'],
        ['other columns than asked for', 2, 'none', 'PostgreSQL sent 1 columns, which are not those asked for'],
      ])('with %s fails with its error and closes the connection', async (_, columns, refused, message) => {
        let rows = 0;
        const work = withClient(pool, { signal: new AbortController().signal }, async (client) => {
          const sql = 'copy (select n from generate_series(1, 5000000) n) to stdout (format binary)';
          await copyOut(client, sql, columns, () => {
            if (++rows === 3 && refused !== 'none') throw new Error('no more');
          });
        });
        await expect(work).rejects.toThrow(message);
        await expectGone(pool, 'generate_series(1, 5000000)');
      });

      test('fails when its connection is aborted', async () => {
        const controller = new AbortController();
        const work = withClient(pool, { signal: controller.signal }, (client) =>
          copyOut(client, 'copy (select n from generate_series(1, 6000000) n) to stdout (format binary)', 1, () => {
            controller.abort(new Error('stopped'));
          }),
        );
        await expect(work).rejects.toThrow('stopped');
        await expectGone(pool, 'generate_series(1, 6000000)');
      });
    });

    describe('COPY in', () => {
      const begin = async (): Promise<{ client: Client; copy: CopyIn }> => {
        const client = await connect();
        await client.query('drop table if exists pg_temp.taken; create temporary table taken (n bigint, data bytea)');
        const copy = await copyIn(client, 'copy taken from stdin (format binary)');
        await copy.write(BINARY_HEADER);
        return { client, copy };
      };
      const row = (n: number, data: Buffer): Buffer => {
        const head = Buffer.alloc(18);
        head.writeInt16BE(2, 0);
        head.writeInt32BE(8, 2);
        head.writeBigInt64BE(BigInt(n), 6);
        head.writeInt32BE(data.length, 14);
        return Buffer.concat([head, data]);
      };
      const stored = async (client: Client) =>
        (
          await client.query(
            `select count(*)::int as rows, count(distinct n)::int as numbers, coalesce(sum(length(data)), 0)::int as bytes from taken`,
          )
        ).rows[0];

      test('of no rows stores none', async () => {
        const { client, copy } = await begin();
        await copy.write(BINARY_TRAILER);
        expect(await copy.finish()).toBe(0);
        expect(await stored(client)).toEqual({ rows: 0, numbers: 0, bytes: 0 });
      });

      test('of one row a chunk stores all', async () => {
        const { client, copy } = await begin();
        for (let n = 0; n < 3000; n++) await copy.write(row(n, Buffer.alloc(5, n)));
        await copy.write(BINARY_TRAILER);
        expect(await copy.finish()).toBe(3000);
        expect(await stored(client)).toEqual({ rows: 3000, numbers: 3000, bytes: 15_000 });
      });

      test('of rows larger than all buffers on the way stores them', async () => {
        const { client, copy } = await begin();
        for (let n = 0; n < 4; n++) await copy.write(row(n, Buffer.alloc(12 * MIB, n)));
        await copy.write(BINARY_TRAILER);
        expect(await copy.finish()).toBe(4);
        expect(await stored(client)).toEqual({ rows: 4, numbers: 4, bytes: 48 * MIB });
      });

      test('sends a chunk before write() resolves, so that its memory can be reused', async () => {
        const { client, copy } = await begin();
        const chunk = row(0, Buffer.alloc(MIB));
        for (let n = 1; n <= 30; n++) {
          row(n, Buffer.alloc(MIB, n)).copy(chunk);
          await copy.write(chunk);
        }
        await copy.write(BINARY_TRAILER);
        expect(await copy.finish()).toBe(30);
        const { rows } = await client.query(
          `select count(*)::int as whole from taken where data = decode(repeat(lpad(to_hex(n), 2, '0'), ${MIB}), 'hex')`,
        );
        expect(rows).toEqual([{ whole: 30 }]);
      });

      test('makes the writer wait while the server does not read', async () => {
        const { client, copy } = await begin();
        await copy.fail('another table is meant');
        await client.query(`
          create function pg_temp.late() returns trigger language plpgsql as
            $$ begin perform pg_advisory_xact_lock(4711); return new; end $$;
          create trigger late before insert on taken for each row execute function pg_temp.late()`);
        const holder = await connect();
        await holder.query('select pg_advisory_lock(4711)');
        const late = await copyIn(client, 'copy taken from stdin (format binary)');
        await late.write(BINARY_HEADER);
        const stream = streamOf(client);
        let written = 0;
        const writing = (async () => {
          for (; written < 64; written++) await late.write(row(written, Buffer.alloc(MIB)));
          await late.write(BINARY_TRAILER);
        })();
        await eventually('the writer waits', () => stream.writableNeedDrain && written > 0);
        expect(written).toBeLessThan(64);
        await holder.query('select pg_advisory_unlock(4711)');
        await writing;
        expect(await late.finish()).toBe(64);
        await expectUsable(client);
      });

      test("fails with the server's error for a wrong row, and the connection remains usable", async () => {
        const { client, copy } = await begin();
        const work = (async () => {
          await copy.write(Buffer.from([0, 7, 1, 2, 3]));
          for (let n = 0; n < 200; n++) await copy.write(row(n, Buffer.alloc(MIB / 8)));
          await copy.finish();
        })();
        await expect(work).rejects.toMatchObject({ code: '22P04' });
        await expectUsable(client);
      });

      test('that is refused reports the reason, and the connection remains usable', async () => {
        const client = await connect();
        await expect(copyIn(client, 'copy nowhere from stdin')).rejects.toMatchObject({ code: '42P01' });
        await expectUsable(client);
      });

      test('that is aborted stores nothing, and the connection remains usable', async () => {
        const { client, copy } = await begin();
        await copy.write(row(1, Buffer.alloc(100_000)));
        await copy.fail('no more');
        expect(await stored(client)).toEqual({ rows: 0, numbers: 0, bytes: 0 });
      });

      test('fails when its connection is aborted', async () => {
        await pool.query('create table if not exists public.taken_away (n bigint, data bytea)');
        const controller = new AbortController();
        const work = withClient(pool, { signal: controller.signal }, async (client) => {
          const copy = await copyIn(client, 'copy public.taken_away from stdin (format binary)');
          await copy.write(BINARY_HEADER);
          await copy.write(row(1, Buffer.alloc(MIB)));
          controller.abort(new Error('stopped'));
          await copy.write(row(2, Buffer.alloc(MIB)));
          await copy.finish();
        });
        await expect(work).rejects.toThrow('stopped');
        await expectGone(pool, 'copy public.taken_away');
        expect((await pool.query('select from public.taken_away')).rowCount).toBe(0);
      });
    });
  });
});

/** Waits until no session executes a statement with this text. */
function expectGone(pool: Pool, query: string): Promise<unknown> {
  return eventually(`the session is gone: ${query}`, async () => {
    const { rowCount } = await pool.query(
      'select from pg_stat_activity where strpos(query, $1) > 0 and pid <> pg_backend_pid()',
      [query],
    );
    return rowCount === 0;
  });
}
