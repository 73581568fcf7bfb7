import { describe, expect, test } from 'vitest';
import { SettingsError } from '../../../src/config.js';
import { RunNotFoundError } from '../../../src/operations/errors.js';
import { addressesOf, explain, failureOf } from '../../../src/operations/explain.js';
import { MigrationError } from '../../../src/schema/migrate.js';

const environment = {
  DATABASE_URL: 'postgres://billing:se%40cret@db.example:6432/billing',
  TEMPORAL_ADDRESS: 'temporal.example:7233',
  TEMPORAL_NAMESPACE: 'prod',
};
const addresses = addressesOf(environment);
const say = (error: unknown) => explain(error, addresses);
const exitCodeOf = (error: unknown) => failureOf(error)?.exitCode ?? 1;

/** An error with the fields that a library sets. */
function failure(message: string, rest: Record<string, unknown> = {}): Error {
  return Object.assign(new Error(message), rest);
}

/** An error of Temporal's client, which wraps that of gRPC. */
function grpcFailure(code: number, details: string): Error {
  const cause = failure(`${code} SOMETHING: ${details}`, { code, details });
  return Object.assign(new Error('Failed to describe schedule', { cause }), { name: 'ServiceError' });
}

describe('the address of PostgreSQL', () => {
  test.each([
    [environment.DATABASE_URL, 'db.example:6432'],
    ['postgresql://db.example/billing', 'db.example:5432'],
    ['postgres://u@/billing?host=/var/run/postgresql', '/var/run/postgresql (socket 5432)'],
    ['postgres:///billing?host=/var/run/postgresql&port=5433', '/var/run/postgresql (socket 5433)'],
    ['postgres://%2Fvar%2Frun/billing', '/var/run (socket 5432)'],
    ['postgres://[::1]:5433/billing', '[::1]:5433'],
    ['postgres://u@a,b:5433/billing', 'a:5432 or b:5433'],
    ['postgres://a%40b:x@db.example/billing', 'db.example:5432'],
    ['nonsense', 'DATABASE_URL'],
  ])('%s is shown as %s', (databaseUrl, database) => {
    expect(addressesOf({ DATABASE_URL: databaseUrl }).database).toBe(database);
  });

  test('the address of Temporal comes from the settings, else from the environment, else it is the default', () => {
    expect(addressesOf(environment)).toMatchObject({ temporal: 'temporal.example:7233', namespace: 'prod' });
    expect(addressesOf({})).toMatchObject({ temporal: 'localhost:7233', namespace: 'default' });
    const profile = { address: 'profile.example:7233', namespace: 'own' };
    expect(addressesOf(environment, profile)).toMatchObject({ temporal: 'profile.example:7233', namespace: 'own' });
  });
});

describe('an error of the connection to PostgreSQL names the address and the fix', () => {
  const refused = failure('connect ECONNREFUSED 127.0.0.1:6432', { code: 'ECONNREFUSED', syscall: 'connect' });
  const noSocket = failure('connect ENOENT /run/.s.PGSQL.5432', { code: 'ENOENT', syscall: 'connect' });

  test.each([
    ['refused', refused, /^PostgreSQL is not reachable at db\.example:6432: nothing listens there: start the server/],
    [
      'refused at both addresses of a name',
      new AggregateError([refused, refused], ''),
      /db\.example:6432: nothing listens there/,
    ],
    ['a socket that is not there', noSocket, /nothing listens there/],
    ['an unknown host', failure('getaddrinfo ENOTFOUND db', { code: 'ENOTFOUND' }), /the host name is unknown/],
    ['a resolver that is out', failure('getaddrinfo EAI_AGAIN db', { code: 'EAI_AGAIN' }), /the host name is unknown/],
    ['no answer', failure('connect ETIMEDOUT', { code: 'ETIMEDOUT' }), /does not answer: check the network/],
    ['no route', failure('connect EHOSTUNREACH', { code: 'EHOSTUNREACH' }), /does not answer/],
    ['the pool gave up', failure('timeout exceeded when trying to connect'), /does not answer/],
    ['the client gave up', failure('Connection terminated due to connection timeout'), /does not answer/],
    ['reset', failure('read ECONNRESET', { code: 'ECONNRESET' }), /connection broke: .*try again/],
    ['closed in the middle', failure('Connection terminated unexpectedly'), /connection broke: .*try again/],
    ['no TLS there', failure('The server does not support SSL connections'), /does not use TLS: add sslmode=disable/],
    [
      'a strange certificate',
      failure('self-signed certificate', { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
      /set sslrootcert/,
    ],
    [
      'no password given',
      failure('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'),
      /asks for a password: set it in DATABASE_URL/,
    ],
  ])('%s', (_what, error, sentence) => {
    expect(say(error)).toMatch(sentence);
    expect(exitCodeOf(error)).toBe(1);
  });

  test('a missing file is not such an error', () => {
    const error = failure("ENOENT: no such file or directory, open 'x'", { code: 'ENOENT', syscall: 'open' });
    expect(say(error)).toMatch(/^ENOENT: no such file or directory, open 'x' \(run it again with LOG_LEVEL=debug/);
  });
});

describe('an error that PostgreSQL sends is shown with the fix', () => {
  test.each([
    [
      '3D000',
      'database "billing" does not exist',
      /"billing" does not exist\. The database does not exist: create it with `createdb`/,
    ],
    [
      '28P01',
      'password authentication failed for user "billing"',
      /for user "billing"\. The role or its password is wrong/,
    ],
    ['28000', 'no pg_hba.conf entry for host "10.0.0.1"', /The role is not allowed to connect: .*pg_hba\.conf/],
    [
      '42501',
      'permission denied for table api_logs',
      /permission denied for table api_logs\. The role lacks a privilege: `meterfold doctor`/,
    ],
    ['42P01', 'relation "meterfold.runs" does not exist', /run `meterfold migrate`/],
    ['3F000', 'schema "meterfold" does not exist', /run `meterfold migrate`/],
    ['42703', 'column "proof" does not exist', /run `meterfold migrate`/],
    ['53300', 'sorry, too many clients already', /No connection is left/],
    ['53100', 'could not extend file', /The disk is full/],
    ['57P03', 'the database system is starting up', /starting or stopping.*try again in a moment/],
    [
      '57P01',
      'terminating connection due to administrator command',
      /The server is shutting down, or the session was terminated/,
    ],
    ['57014', 'canceling statement due to statement timeout', /statement_timeout/],
    ['25006', 'cannot execute INSERT in a read-only transaction', /set DATABASE_URL to the primary/],
    ['XX000', 'something odd', /^PostgreSQL at db\.example:6432: something odd \(code XX000\)\.$/],
  ])('%s', (code, message, sentence) => {
    const error = failure(message, { code, severity: 'FATAL' });
    expect(say(error)).toMatch(sentence);
    expect(say(error)).toContain('db.example:6432');
    expect(exitCodeOf(error)).toBe(1);
  });
});

describe('an error of Temporal names the address and the fix', () => {
  test.each([
    [4, 'Deadline exceeded', /^Temporal is not reachable at temporal\.example:7233: start it/],
    [14, 'No connection established', /^Temporal is not reachable at temporal\.example:7233/],
    [
      5,
      'Namespace prod is not found.',
      /has no namespace "prod": create it with `temporal operator namespace create --namespace prod`/,
    ],
    [5, 'workflow execution already completed', /did not find it: workflow execution already completed/],
    [7, 'Request unauthorized.', /does not allow this in namespace "prod"/],
    [16, 'invalid key', /does not accept the credentials \(invalid key\): set TEMPORAL_API_KEY/],
    [3, 'Duration is invalid', /refused a request: Duration is invalid/],
  ])('code %i, %s', (code, details, sentence) => {
    expect(say(grpcFailure(code, details))).toMatch(sentence);
    expect(exitCodeOf(grpcFailure(code, details))).toBe(1);
  });

  test.each([
    ['NamespaceNotFoundError', /has no namespace "prod"/],
    ['WorkflowNotFoundError', /has no such workflow in namespace "prod"/],
  ])('%s', (name, sentence) => {
    expect(say(failure('not found', { name }))).toMatch(sentence);
  });
});

describe("meterfold's own error", () => {
  test('is shown as a sentence, however deeply it is wrapped', () => {
    const error = new RunNotFoundError('7');
    expect(say(error)).toBe(error.message);
    expect(say(new Error('around it', { cause: error }))).toBe(error.message);
    expect(say(new MigrationError('too old', { cause: failure('x', { code: '42501' }) }))).toBe('Too old.');
  });

  test('about a setting or a frozen term has exit code 2', () => {
    expect(say(new SettingsError('Wrong setting: X'))).toBe('Wrong setting: X.');
    expect(exitCodeOf(new SettingsError('Wrong setting: X'))).toBe(2);
    expect(exitCodeOf(failure('CALLS_PER_CYCLE is 6', { name: 'FrozenTermError' }))).toBe(2);
    expect(exitCodeOf(new RunNotFoundError('no'))).toBe(1);
  });
});

describe('anything that is thrown', () => {
  test.each([
    [new Error('first line\n    at second')],
    [new Error('')],
    ['a text'],
    [undefined],
    [null],
    [42],
    [new AggregateError([])],
    [failure('x', { cause: 'a text', errors: [null, 'text'] })],
  ])('%o becomes one line', (error) => {
    const sentence = say(error);
    expect(sentence).not.toBe('');
    expect(sentence).not.toContain('\n');
    expect(exitCodeOf(error)).toBe(1);
  });

  test('a cycle of causes ends', () => {
    const error = new Error('round');
    error.cause = error;
    expect(say(error)).toMatch(/^round/);
  });

  test('never shows the password', () => {
    const codes = ['ECONNREFUSED', '28P01', '28000', '3D000', '42501', 'ENOTFOUND'];
    for (const code of codes) expect(say(failure('refused', { code }))).not.toMatch(/se(@|%40)cret/);
  });
});
