import { describe, expect, test } from 'vitest';
import { type DatabaseUrl, DatabaseUrlError, parseDatabaseUrl } from '../../../src/postgres/database-url.js';
import { LIBPQ_PARAMETERS } from '../../../src/postgres/libpq-parameters.js';

const read = (url: string, environment: Record<string, string> = {}): DatabaseUrl => parseDatabaseUrl(url, environment);

/** Returns the faults of a URL as text. */
function faultsOf(url: string, environment: Record<string, string> = {}): string {
  try {
    read(url, environment);
  } catch (error) {
    expect(error).toBeInstanceOf(DatabaseUrlError);
    return (error as DatabaseUrlError).message;
  }
  return 'nothing';
}

describe('a URL is parsed as by libpq:', () => {
  test('all its parts', () => {
    expect(read('postgresql://billing:s%40cret@db.example:6432/calls?sslmode=require&connect_timeout=7')).toMatchObject(
      {
        addresses: [{ host: 'db.example', port: 6432 }],
        user: 'billing',
        password: 's@cret',
        database: 'calls',
        sslmode: 'require',
        attributes: 'any',
        connectTimeoutMs: 7000,
      },
    );
  });

  test.each([
    ['postgres://u@a,b:6432,[::1]:7/d', ['a:5432', 'b:6432', '::1:7']],
    ['postgres://u@/d?host=a,b&port=6432', ['a:6432', 'b:6432']],
    ['postgres://u@/d?host=/var/run/postgresql', ['/var/run/postgresql:5432']],
    ['postgres://u@%2Ftmp%2Fsockets:6432/d', ['/tmp/sockets:6432']],
    ['postgres://u@a/d?host=b', ['b:5432']],
    ['postgres://u@/d', ['localhost:5432']],
  ])('%s has the hosts %j', (url, hosts) => {
    expect(read(url).addresses.map(({ host, port }) => `${host}:${port}`)).toEqual(hosts);
  });

  test('the default database is named as the user, and a plus sign is not a space', () => {
    expect(read('postgres://a+b:c+d@host')).toMatchObject({ user: 'a+b', password: 'c+d', database: 'a+b' });
  });

  test('options keep their spaces', () => {
    expect(read('postgres://u@h/d?options=-c%20geqo%3Doff').parameters.get('options')).toBe('-c geqo=off');
  });

  test('ssl=true means sslmode=require, as in JDBC URLs', () => {
    expect(read('postgres://u@h/d?ssl=true').sslmode).toBe('require');
  });

  test('sslmode is prefer by default, and verify-full with sslrootcert=system', () => {
    expect(read('postgres://u@h/d').sslmode).toBe('prefer');
    expect(read('postgres://u@h/d?sslrootcert=system').sslmode).toBe('verify-full');
  });
});

describe("libpq's environment variables", () => {
  test('apply to parameters that the URL does not set', () => {
    const environment = {
      PGHOST: 'a',
      PGPORT: '1',
      PGUSER: 'u',
      PGDATABASE: 'd',
      PGPASSWORD: 'p',
      PGSSLMODE: 'require',
    };
    expect(read('postgres://', environment)).toMatchObject({
      addresses: [{ host: 'a', port: 1 }],
      user: 'u',
      password: 'p',
      database: 'd',
      sslmode: 'require',
    });
    expect(read('postgres://v:q@b:2/e?sslmode=disable', environment)).toMatchObject({
      addresses: [{ host: 'b', port: 2 }],
      user: 'v',
      password: 'q',
      database: 'e',
      sslmode: 'disable',
    });
  });

  test('have no effect for parameters that meterfold sets itself', () => {
    expect(faultsOf('postgres://u@h/d', { PGAPPNAME: 'x', PGCLIENTENCODING: 'LATIN1' })).toBe('nothing');
  });

  test.each([
    ['PGSERVICE', 'billing', 'PGSERVICE is not supported: meterfold reads no service file'],
    ['PGSSLMODE', 'verify', 'PGSSLMODE=verify is refused: it must be disable, allow, prefer, '],
    ['PGGSSENCMODE', 'require', 'PGGSSENCMODE=require is refused: meterfold has no GSSAPI'],
    ['PGHOSTADDR', '10.0.0.1', 'PGHOSTADDR is not supported: write the address as the host'],
  ])('%s=%s is refused by name', (name, value, fault) => {
    expect(faultsOf('postgres://u@h/d', { [name]: value })).toContain(fault);
  });
});

describe('a parameter is refused by name', () => {
  test.each([
    ['sslmod=verify-full', 'sslmod is no parameter of libpq: did you mean sslmode?'],
    ['sslMode=verify-full', 'sslMode is no parameter of libpq: did you mean sslmode?'],
    ['ssl_rootcert=/x', 'ssl_rootcert is no parameter of libpq: did you mean sslrootcert?'],
    ['target_sesion_attrs=any', 'target_sesion_attrs is no parameter of libpq: did you mean target_session_attrs?'],
    ['pgbouncer_pool_mode=x', 'pgbouncer_pool_mode is no parameter of libpq: leave it out'],
    ['constructor=x', 'constructor is no parameter of libpq: '],
    ['uselibpqcompat=true', 'uselibpqcompat is no parameter of libpq'],
    [
      'sslmode=verify',
      'sslmode=verify is refused: it must be disable, allow, prefer, require, verify-ca or verify-full',
    ],
    [
      'sslmode=require&sslrootcert=system',
      'sslmode=require is too weak for sslrootcert=system: use sslmode=verify-full',
    ],
    ['sslnegotiation=direct', 'sslmode=prefer is too weak for sslnegotiation=direct: use sslmode=require or stronger'],
    ['service=billing', 'service is not supported: meterfold reads no service file'],
    ['channel_binding=require', 'channel_binding=require is refused: channel binding cannot be enforced'],
    ['target_session_attrs=writable', 'target_session_attrs=writable is refused: it must be any, read-write'],
    ['application_name=x', 'application_name is not supported: meterfold sets it'],
    ['keepalives=0', 'keepalives=0 is refused: '],
    ['keepalives_idle=5', 'keepalives_idle is not supported: '],
    ['gssencmode=require', 'gssencmode=require is refused: '],
    ['connect_timeout=soon', 'connect_timeout=soon must be a whole number of seconds'],
    ['client_encoding=LATIN1', 'client_encoding=LATIN1 is refused: meterfold reads UTF8'],
    ['host=a,b&port=1,2,3', '3 ports do not match 2 hosts: give one port, or one for each host'],
    ['port=x', 'port x must be a whole number from 1 to 65535'],
    ['host=@socket', 'host @socket: sockets in the abstract namespace are not supported'],
    ['options', 'options has no value: write options=…'],
    ['options=%zz', 'options has an invalid percent-encoding'],
  ])('%s', (query, fault) => {
    expect(faultsOf(`postgres://u:secret@h/d?${query}`)).toContain(fault);
    expect(faultsOf(`postgres://u:secret@h/d?${query}`)).not.toContain('secret');
  });

  test('together with all other faults', () => {
    expect(() => read('postgres://u@h:0/d?service=x&sslmod=y')).toThrow(
      expect.objectContaining({
        faults: [
          expect.stringContaining('service is not supported'),
          'sslmod is no parameter of libpq: did you mean sslmode?',
          'port 0 must be a whole number from 1 to 65535',
        ],
      }),
    );
  });
});

test('each parameter of libpq is accepted, or refused with a reason', () => {
  for (const [name, { values, refused }] of Object.entries(LIBPQ_PARAMETERS)) {
    const said = faultsOf(`postgres://u@h/d?${name}=no-such-value`);
    if (refused === undefined) expect(said).not.toContain('is not supported');
    else expect(said).toContain(refused);
    for (const value of values ?? [])
      expect(faultsOf(`postgres://u@h/d?sslmode=require&${name}=${value}`)).toBe('nothing');
  }
});
