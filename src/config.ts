/**
 * The settings: the environment is parsed and validated once, at the start of the process, and all faults are reported
 * together. docs/settings.md documents each variable.
 *
 * Temporal's own variables and profiles (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TLS, …) are read by
 * its environment configuration library. All other variables are in the schema below.
 */
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';
import { z } from 'zod';
import { isCurrency } from './billing/currency.js';
import { DecimalError, parsePrice } from './billing/money.js';
import type { BadCalls, BillingTerms } from './billing/terms.js';
import { ARENA_BYTES } from './engine/cuts.js';
import { cleanEnvironment } from './environment.js';
import { DatabaseUrlError, parseDatabaseUrl } from './postgres/database-url.js';

/** One or more settings are wrong; the message names each variable and the fix. */
export class SettingsError extends Error {
  override name = 'SettingsError';
}

export interface WorkerSettings {
  /** Activities that one process executes at a time. */
  slots: number;
  /** How long sealing waits for transactions that are writing to the log. */
  sealWaitMs: number;
  /** A run whose lease is older is discarded by the next run, if Temporal cannot say whether its owner is running. */
  leaseMs: number;
  /** How long running activities may continue after the worker begins to stop. */
  graceMs: number;
  /** Calls that one map activity holds in memory. */
  spillCalls: number;
  /** What a run does with calls that violate the invariants of the log. The run's input takes precedence. */
  badCalls: BadCalls;
  /** Whether slow tasks get a backup attempt. The run's input takes precedence. */
  backups: boolean;
  /** Bytes of segments that one reduce activity holds in memory. */
  passBytes: number;
}

export interface TemporalSettings {
  address: string;
  namespace: string;
  /** The task queue of this installation. Installations that share a namespace have different ones. */
  taskQueue: string;
  connection: NativeConnectionOptions;
}

/** The version of a worker, in Temporal's terms. */
export interface WorkerVersion {
  deploymentName: string;
  buildId: string;
}

/** The address at which a server of this process listens. */
export interface Listener {
  /** An IP address of this machine; 0.0.0.0 or :: is all of them. */
  host: string;
  port: number;
}

export interface Config {
  databaseUrl: string;
  /** The URL of a streaming replica of the database, from which map reads the log. Absent: map reads the database. */
  logReplicaUrl?: string;
  temporal: TemporalSettings;
  terms: BillingTerms;
  /** The terms that the environment sets explicitly: the input of a run that this process starts. */
  explicitInput: Partial<BillingTerms> & { badCalls?: BadCalls; backups?: boolean };
  worker: WorkerSettings;
  /** Servers for probes and for metrics. Absent: none. */
  ports: { health?: Listener; metrics?: Listener };
  /** Absent: the worker is unversioned. */
  version?: WorkerVersion;
  /** Whether workers and commands send traces. OpenTelemetry's own variables say where to. */
  traces: boolean;
  logLevel: string;
}

/** The default of TEMPORAL_TASK_QUEUE. */
export const TASK_QUEUE = 'billing';

const OTLP_PROTOCOL = 'http/protobuf';
const DEFAULT_TERMS: BillingTerms = { callsPerCycle: 5, pricePerUnit: '0.0004', currency: 'USD' };

const wholeNumber = (low: number, high: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${low} to ${high}`)
    .transform(Number)
    .refine((value) => value >= low && value <= high, `must be a whole number from ${low} to ${high}`);

const price = z.string().transform((text, context) => {
  try {
    return parsePrice(text).text;
  } catch (error) {
    if (!(error instanceof DecimalError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
    return z.NEVER;
  }
});

const currency = z
  .string()
  .regex(/^[A-Z]{3}$/, { error: 'must be a three-letter ISO 4217 code in capitals, like USD', abort: true })
  .refine(isCurrency, {
    error: ({ input }) => `must be a currency of ISO 4217 with a minor unit, like USD; ${input} is none`,
  });

/**
 * Metrics show figures of billing, so they are served to this machine only, unless an operator sets another address.
 */
const LOOPBACK = '127.0.0.1';
const ipAddress = z
  .string()
  .refine((text) => isIP(text) !== 0, `must be an IP address of this machine, like ${LOOPBACK}, 0.0.0.0 or ::`);

/** The terms, whether they come from the environment or from the input of a workflow. */
export const termsSchema = z.object({ callsPerCycle: z.int().min(1).max(1000), pricePerUnit: price, currency });

const environmentSchema = z.object({
  // Parsed below, together with libpq's variables.
  DATABASE_URL: z.string({
    error: 'is not set; give a PostgreSQL URL like postgres://user:password@host:5432/database',
  }),
  LOG_REPLICA_URL: z.string().optional(),
  PRICE_PER_UNIT: price.optional(),
  CURRENCY: currency.optional(),
  CALLS_PER_CYCLE: wholeNumber(1, 1000).optional(),
  WORKER_SLOTS: wholeNumber(1, 64).default(Math.min(64, availableParallelism())),
  SEAL_WAIT_SECONDS: wholeNumber(0, 3600).default(10),
  LEASE_SECONDS: wholeNumber(5, 86400).default(60),
  SHUTDOWN_GRACE_SECONDS: wholeNumber(0, 3600).default(20),
  BAD_CALLS: z.enum(['stop', 'quarantine'], 'must be stop or quarantine').optional(),
  BACKUP_ATTEMPTS: z.enum(['on', 'off'], 'must be on or off').optional(),
  SPILL_CALLS: wholeNumber(1, 2_000_000).default(1_250_000),
  REDUCE_PASS_BYTES: wholeNumber(1, ARENA_BYTES).default(16_777_216),
  HEALTH_HOST: ipAddress.default(LOOPBACK),
  HEALTH_PORT: wholeNumber(1, 65535).optional(),
  METRICS_HOST: ipAddress.default(LOOPBACK),
  METRICS_PORT: wholeNumber(1, 65535).optional(),
  TEMPORAL_TASK_QUEUE: z
    .string()
    .regex(
      /^(?!\/_sys\/)[!-~]{1,200}$/,
      'must be a name of up to 200 visible ASCII characters, not beginning with /_sys/',
    )
    .default(TASK_QUEUE),
  OTEL_TRACES_EXPORTER: z.enum(['otlp', 'none'], 'must be otlp or none').optional(),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace'], 'must be one of fatal, error, warn, info, debug, trace')
    .default('info'),
});

/** Throws SettingsError, whose message names every fault. */
export function loadConfig(environment: NodeJS.ProcessEnv): Config {
  const set = cleanEnvironment(environment);
  const parsed = environmentSchema.safeParse(set);
  const faults = ['DATABASE_URL', 'LOG_REPLICA_URL'].flatMap((name) => databaseUrlFaults(name, set));
  for (const issue of parsed.error?.issues ?? []) faults.push(`${issue.path.join('.')} ${issue.message}`);
  const { TEMPORAL_DEPLOYMENT_NAME: deploymentName, TEMPORAL_WORKER_BUILD_ID: buildId } = set;
  if ((deploymentName === undefined) !== (buildId === undefined)) {
    faults.push('TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID belong together: set both, or neither');
  }
  const traces = set.OTEL_TRACES_EXPORTER === 'otlp' && set.OTEL_SDK_DISABLED?.toLowerCase() !== 'true';
  const protocol = set.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? set.OTEL_EXPORTER_OTLP_PROTOCOL ?? OTLP_PROTOCOL;
  if (traces && protocol !== OTLP_PROTOCOL) faults.push(`OTEL_EXPORTER_OTLP_PROTOCOL must be ${OTLP_PROTOCOL}`);
  let temporal: Omit<TemporalSettings, 'taskQueue'> | undefined;
  try {
    temporal = loadTemporal(set as Record<string, string>);
  } catch (error) {
    faults.push(`Temporal's settings (TEMPORAL_*): ${(error as Error).message}`);
  }
  if (!parsed.success || temporal === undefined || faults.length > 0) throw new SettingsError(settingsMessage(faults));
  return {
    ...configOf(parsed.data),
    temporal: { ...temporal, taskQueue: parsed.data.TEMPORAL_TASK_QUEUE },
    ...(deploymentName === undefined || buildId === undefined ? {} : { version: { deploymentName, buildId } }),
    traces,
  };
}

function configOf(env: z.infer<typeof environmentSchema>): Omit<Config, 'temporal' | 'version' | 'traces'> {
  const explicitTerms: Partial<BillingTerms> = {
    ...(env.CALLS_PER_CYCLE === undefined ? {} : { callsPerCycle: env.CALLS_PER_CYCLE }),
    ...(env.PRICE_PER_UNIT === undefined ? {} : { pricePerUnit: env.PRICE_PER_UNIT }),
    ...(env.CURRENCY === undefined ? {} : { currency: env.CURRENCY }),
  };
  return {
    databaseUrl: env.DATABASE_URL,
    ...(env.LOG_REPLICA_URL === undefined ? {} : { logReplicaUrl: env.LOG_REPLICA_URL }),
    terms: { ...DEFAULT_TERMS, ...explicitTerms },
    explicitInput: {
      ...explicitTerms,
      ...(env.BAD_CALLS === undefined ? {} : { badCalls: env.BAD_CALLS }),
      ...(env.BACKUP_ATTEMPTS === undefined ? {} : { backups: env.BACKUP_ATTEMPTS === 'on' }),
    },
    worker: {
      slots: env.WORKER_SLOTS,
      sealWaitMs: env.SEAL_WAIT_SECONDS * 1000,
      leaseMs: env.LEASE_SECONDS * 1000,
      graceMs: env.SHUTDOWN_GRACE_SECONDS * 1000,
      badCalls: env.BAD_CALLS ?? 'stop',
      backups: env.BACKUP_ATTEMPTS !== 'off',
      spillCalls: env.SPILL_CALLS,
      passBytes: env.REDUCE_PASS_BYTES,
    },
    ports: {
      ...(env.HEALTH_PORT === undefined ? {} : { health: { host: env.HEALTH_HOST, port: env.HEALTH_PORT } }),
      ...(env.METRICS_PORT === undefined ? {} : { metrics: { host: env.METRICS_HOST, port: env.METRICS_PORT } }),
    },
    logLevel: env.LOG_LEVEL,
  };
}

function databaseUrlFaults(name: string, set: NodeJS.ProcessEnv): string[] {
  const url = set[name];
  if (url === undefined) return [];
  try {
    parseDatabaseUrl(url, set);
    return [];
  } catch (error) {
    if (error instanceof DatabaseUrlError) return error.faults.map((fault) => `${name}: ${fault}`);
    throw error;
  }
}

function loadTemporal(env: Record<string, string>): Omit<TemporalSettings, 'taskQueue'> {
  const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: env });
  const address = connectionOptions.address ?? 'localhost:7233';
  return { address, namespace: namespace ?? 'default', connection: { ...connectionOptions, address } };
}

function settingsMessage(faults: string[]): string {
  return faults.length === 1
    ? `Wrong setting: ${faults[0]}`
    : `Wrong settings:\n${faults.map((fault) => `  ${fault}`).join('\n')}`;
}
