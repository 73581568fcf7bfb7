import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig, SettingsError } from '../../src/config.js';

const DATABASE_URL = 'postgres://billing:secret@db.example:5432/billing';
/** A home directory without a Temporal profile. */
let home: string;
let env: Record<string, string>;

beforeAll(() => {
  home = mkdtempSync(path.join(tmpdir(), 'meterfold-config-'));
  env = { HOME: home, TEMPORAL_CONFIG_FILE: path.join(home, 'none.toml'), DATABASE_URL };
});
afterAll(() => rmSync(home, { recursive: true }));

/** The message about these settings; "nothing" if they are accepted. */
function faultsOf(settings: Record<string, string>): string {
  try {
    loadConfig({ ...env, ...settings });
  } catch (error) {
    expect(error).toBeInstanceOf(SettingsError);
    return (error as SettingsError).message;
  }
  return 'nothing';
}

describe('with only DATABASE_URL set', () => {
  test('everything else has a default', () => {
    const config = loadConfig(env);
    expect(config).toMatchObject({
      databaseUrl: DATABASE_URL,
      temporal: { address: 'localhost:7233', namespace: 'default' },
      terms: { callsPerCycle: 5, pricePerUnit: '0.0004', currency: 'USD' },
      explicitInput: {},
      logLevel: 'info',
    });
    expect(config.worker.slots).toBeGreaterThanOrEqual(1);
  });

  test('empty variables count as unset', () => {
    const empty = { PRICE_PER_UNIT: '', CURRENCY: '', WORKER_SLOTS: '', LOG_LEVEL: '', TEMPORAL_ADDRESS: '' };
    expect(loadConfig({ ...env, ...empty })).toEqual(loadConfig(env));
  });
});

describe('newlines at the end of a value, as in mounted files,', () => {
  test.each(['\n', '\r\n', '\n\n'])('are removed from each variable: %j', (end) => {
    const settings = {
      ...env,
      LOG_REPLICA_URL: 'postgres://u:p@replica/d',
      PRICE_PER_UNIT: '0.5',
      CURRENCY: 'EUR',
      CALLS_PER_CYCLE: '7',
      BAD_CALLS: 'quarantine',
      BACKUP_ATTEMPTS: 'off',
      WORKER_SLOTS: '3',
      HEALTH_PORT: '8080',
      METRICS_PORT: '9464',
      LOG_LEVEL: 'debug',
      OTEL_TRACES_EXPORTER: 'otlp',
      TEMPORAL_ADDRESS: 'temporal.example:7233',
      TEMPORAL_NAMESPACE: 'billing',
      TEMPORAL_API_KEY: 'key',
      TEMPORAL_TLS_SERVER_NAME: 'temporal.example',
      TEMPORAL_DEPLOYMENT_NAME: 'billing',
      TEMPORAL_WORKER_BUILD_ID: '7',
    };
    const ended = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, `${value}${end}`]));
    expect(loadConfig(ended)).toEqual(loadConfig(settings));
  });

  test('alone are an empty value, which counts as unset', () => {
    expect(loadConfig({ ...env, CURRENCY: '\n', TEMPORAL_ADDRESS: '\r\n' })).toEqual(loadConfig(env));
  });

  test('elsewhere in a value are a fault', () => {
    expect(faultsOf({ CURRENCY: '\nUSD' })).toContain('CURRENCY must be');
  });
});

describe('settings', () => {
  test('of price are exact decimals, and part of the explicit input', () => {
    const { terms, explicitInput } = loadConfig({ ...env, PRICE_PER_UNIT: '0.10', CURRENCY: 'JPY' });
    expect(terms).toEqual({ callsPerCycle: 5, pricePerUnit: '0.1', currency: 'JPY' });
    expect(explicitInput).toEqual({ pricePerUnit: '0.1', currency: 'JPY' });
  });

  test('of seconds become milliseconds', () => {
    const config = loadConfig({ ...env, SEAL_WAIT_SECONDS: '0', LEASE_SECONDS: '90', SHUTDOWN_GRACE_SECONDS: '5' });
    expect(config.worker).toMatchObject({ sealWaitMs: 0, leaseMs: 90_000, graceMs: 5_000 });
  });

  test('of Temporal are read from its own variables: address, namespace, API key with TLS', () => {
    const { temporal } = loadConfig({
      ...env,
      TEMPORAL_ADDRESS: 'temporal.example:7233',
      TEMPORAL_NAMESPACE: 'billing',
      TEMPORAL_API_KEY: 'key',
    });
    expect(temporal).toMatchObject({ address: 'temporal.example:7233', namespace: 'billing' });
    expect(temporal.connection).toMatchObject({ address: 'temporal.example:7233', apiKey: 'key', tls: true });
  });

  test('of Temporal are read from a profile, and variables take precedence', () => {
    const file = path.join(home, 'temporal.toml');
    writeFileSync(file, '[profile.default]\naddress = "profile.example:7233"\nnamespace = "from-profile"\n');
    const profile = { ...env, TEMPORAL_CONFIG_FILE: file };
    expect(loadConfig(profile).temporal).toMatchObject({ address: 'profile.example:7233', namespace: 'from-profile' });
    const both = loadConfig({ ...profile, TEMPORAL_ADDRESS: 'variable.example:7233' });
    expect(both.temporal).toMatchObject({ address: 'variable.example:7233', namespace: 'from-profile' });
  });
});

test('probes and metrics are served to this machine only, unless a variable names another address', () => {
  const ports = { HEALTH_PORT: '8080', METRICS_PORT: '9464' };
  expect(loadConfig({ ...env, ...ports }).ports).toEqual({
    health: { host: '127.0.0.1', port: 8080 },
    metrics: { host: '127.0.0.1', port: 9464 },
  });
  expect(loadConfig({ ...env, ...ports, HEALTH_HOST: '::', METRICS_HOST: '10.0.0.7' }).ports).toEqual({
    health: { host: '::', port: 8080 },
    metrics: { host: '10.0.0.7', port: 9464 },
  });
  expect(loadConfig({ ...env, METRICS_HOST: '0.0.0.0' }).ports).toEqual({});
});

test('a worker version has a deployment and a build, or is absent', () => {
  expect(loadConfig(env).version).toBeUndefined();
  const { version } = loadConfig({ ...env, TEMPORAL_DEPLOYMENT_NAME: 'billing', TEMPORAL_WORKER_BUILD_ID: '7' });
  expect(version).toEqual({ deploymentName: 'billing', buildId: '7' });
});

describe('a wrong setting is named with what it must be', () => {
  test.each([
    ['DATABASE_URL', 'mysql://db', 'must be a PostgreSQL URL'],
    ['DATABASE_URL', 'postgres://db/x?sslmod=verify-full', 'sslmod is no parameter of libpq: did you mean sslmode?'],
    ['LOG_REPLICA_URL', 'postgres://db/x?service=y', 'service is not supported'],
    ['PRICE_PER_UNIT', '-1', 'must be a decimal like 0.0004'],
    ['PRICE_PER_UNIT', '0.0000000000001', 'at most 12 decimal places'],
    ['PRICE_PER_UNIT', '1e-4', 'must be a decimal like 0.0004'],
    ['CURRENCY', 'usd', 'must be a three-letter ISO 4217 code in capitals'],
    ['CALLS_PER_CYCLE', '0', 'must be a whole number from 1 to 1000'],
    ['CALLS_PER_CYCLE', '5.0', 'must be a whole number from 1 to 1000'],
    ['WORKER_SLOTS', 'many', 'must be a whole number from 1 to 64'],
    ['LEASE_SECONDS', '4', 'must be a whole number from 5 to 86400'],
    ['HEALTH_HOST', 'localhost', 'must be an IP address of this machine, like 127.0.0.1, 0.0.0.0 or ::'],
    ['METRICS_HOST', '0.0.0.0:9464', 'must be an IP address of this machine, like 127.0.0.1, 0.0.0.0 or ::'],
    ['HEALTH_PORT', '0', 'must be a whole number from 1 to 65535'],
    ['OTEL_TRACES_EXPORTER', 'zipkin', 'must be otlp or none'],
    ['LOG_LEVEL', 'loud', 'must be one of fatal, error, warn, info, debug, trace'],
  ])('%s=%s', (name, value, fault) => {
    const said = faultsOf({ [name]: value });
    expect(said).toMatch(/^Wrong setting: /);
    expect(said).toContain(name);
    expect(said).toContain(fault);
  });

  test('DATABASE_URL that is missing', () => {
    expect(faultsOf({ DATABASE_URL: '' })).toMatch(
      /^Wrong setting: DATABASE_URL is not set; give a PostgreSQL URL like postgres:/,
    );
  });

  test.each(['TEMPORAL_DEPLOYMENT_NAME', 'TEMPORAL_WORKER_BUILD_ID'])('%s alone', (name) => {
    expect(faultsOf({ [name]: 'x' })).toMatch(
      /^Wrong setting: TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID belong/,
    );
  });

  test('an unsupported trace protocol, if traces are on', () => {
    const grpc = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
    expect(faultsOf(grpc)).toBe('nothing');
    expect(faultsOf({ ...grpc, OTEL_TRACES_EXPORTER: 'otlp' })).toBe(
      'Wrong setting: OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf',
    );
  });

  test('all faults at once, on one line each', () => {
    const said = faultsOf({ DATABASE_URL: 'x', CURRENCY: 'x', LOG_LEVEL: 'x' }).split('\n');
    expect(said[0]).toBe('Wrong settings:');
    expect(said.slice(1).map((line) => line.trim().split(/:? /)[0])).toEqual(['DATABASE_URL', 'CURRENCY', 'LOG_LEVEL']);
  });
});

describe('the task queue', () => {
  test('is billing, unless TEMPORAL_TASK_QUEUE names another', () => {
    expect(loadConfig(env).temporal.taskQueue).toBe('billing');
    expect(loadConfig({ ...env, TEMPORAL_TASK_QUEUE: 'billing-eu' }).temporal.taskQueue).toBe('billing-eu');
  });

  test.each(['two words', '/_sys/x', 'größe', 'x'.repeat(201)])('cannot be named %s', (name) => {
    expect(faultsOf({ TEMPORAL_TASK_QUEUE: name })).toContain(
      'TEMPORAL_TASK_QUEUE must be a name of up to 200 visible',
    );
  });
});
