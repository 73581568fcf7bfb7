/**
 * The stack of one episode: PostgreSQL and Temporal, which can be killed and restarted at the same address, and a proxy
 * between each of them and the workers. The harness itself connects directly, without the proxies.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import pg from 'pg';
import { freePorts } from '../../src/embedded/ports.js';
import { type PostgresServer, startPostgres } from '../../src/embedded/postgres.js';
import { removeCluster } from '../../src/embedded/postgres-cluster.js';
import { startTemporal, type TemporalServer } from '../../src/embedded/temporal.js';
import { scheduleDefinition } from '../../src/operations/schedule/definition.js';
import { migrate } from '../../src/schema/migrate.js';
import { eventually } from '../support/eventually.js';
import type { Replica } from '../support/replica.js';
import type { Stack } from '../support/stack.js';
import { TcpProxy } from './proxy.js';

const SCHEDULE_EVERY_MS = 2000;
const SCHEDULE_TIMEOUT_MS = 6 * 3600 * 1000;
/** The user's HTTP proxy does not apply to connections within this machine. */
const NO_PROXY = { 'grpc.enable_http_proxy': 0 };
const SCHEDULE_ID = 'meterfold-billing';
/** Without autovacuum, which would free the space of tables that have grown beyond the limit of the full-disk fault. */
const settings = { autovacuum: 'off', shared_buffers: '64MB', restart_after_crash: 'on' };

export class ChaosStack implements Stack {
  readonly databaseName = 'meterfold';
  readonly namespace = 'default';
  readonly home: string;
  readonly stateDir: string;
  readonly temporalCli: string;
  /** The state directories of this stack's Temporal servers; the last one is in use. */
  readonly temporalDirs: string[] = [];
  #postgres!: PostgresServer;
  /** The state directories of this stack's PostgreSQL servers; the last one is in use. */
  readonly #postgresDirs: string[] = [];
  #temporalServer: TemporalServer | undefined;
  #temporalPort = 0;
  #database!: TcpProxy;
  #workersTemporal!: TcpProxy;
  #pool!: pg.Pool;
  #temporal!: Client;
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #startedByHand: string[] = [];

  private constructor(stateDir: string, temporalCli: string) {
    this.stateDir = stateDir;
    this.#postgresDirs.push(stateDir);
    this.home = join(stateDir, 'home');
    this.temporalCli = temporalCli;
  }

  /** The directory's name makes the next test run remove it if this one is killed. */
  static async open(temporalCli: string): Promise<ChaosStack> {
    const stack = new ChaosStack(await mkdtemp(join(tmpdir(), `meterfold-test-${process.pid}-chaos-`)), temporalCli);
    try {
      await stack.#start();
      return stack;
    } catch (error) {
      await stack.close();
      throw error;
    }
  }

  async #start(): Promise<void> {
    await mkdir(this.home);
    const [postgresPort, temporalPort] = await freePorts(2);
    this.#temporalPort = temporalPort!;
    this.#postgres = await startPostgres({ stateDir: this.stateDir, port: postgresPort!, settings });
    this.onClose(() => this.#postgres.stop('immediate'));
    this.onClose(async () => this.#temporalServer?.stop());
    await this.startTemporal({ empty: true });
    this.#database = await TcpProxy.open(postgresPort!, { reads: true });
    this.onClose(() => this.#database.close());
    this.#workersTemporal = await TcpProxy.open(temporalPort!, { reads: false });
    this.onClose(() => this.#workersTemporal.close());

    this.#pool = new pg.Pool({
      connectionString: this.databaseUrl,
      application_name: 'chaos',
      options: '-c timezone=UTC -c datestyle=ISO',
      max: 10,
      connectionTimeoutMillis: 10_000,
    });
    this.#pool.on('error', () => {});
    this.#pool.on('connect', (client) => client.on('error', () => {}));
    this.onClose(() => this.#pool.end());
    await migrate(this.#pool);
    const connection = await Connection.connect({ address: this.temporalAddress, channelArgs: NO_PROXY });
    this.onClose(() => connection.close());
    this.#temporal = new Client({ connection, namespace: this.namespace });
    await this.setSchedule();
  }

  get databaseUrl(): string {
    return this.#postgres.url;
  }

  get temporalAddress(): string {
    return `127.0.0.1:${this.#temporalPort}`;
  }

  get pool(): pg.Pool {
    return this.#pool;
  }

  get temporal(): Client {
    return this.#temporal;
  }

  /** The proxy between the workers and PostgreSQL. */
  get database(): TcpProxy {
    return this.#database;
  }

  /** The proxy between the workers and Temporal. */
  get workersTemporal(): TcpProxy {
    return this.#workersTemporal;
  }

  get postgresPid(): number {
    return this.#postgres.pid;
  }

  get postgresLog(): string {
    return join(this.#postgresDirs.at(-1)!, 'postgres.log');
  }

  /** The environment of the workers, which reach both servers through the proxies. */
  get env(): Record<string, string> {
    const database = new URL(this.databaseUrl);
    database.port = String(this.#database.port);
    return {
      PATH: process.env.PATH ?? '',
      HOME: this.home,
      DATABASE_URL: database.toString(),
      TEMPORAL_ADDRESS: `127.0.0.1:${this.#workersTemporal.port}`,
      TEMPORAL_NAMESPACE: this.namespace,
    };
  }

  async stopPostgres(): Promise<void> {
    await this.#postgres.stop('immediate');
  }

  async startPostgres(): Promise<void> {
    this.#postgres = await startPostgres({
      stateDir: this.#postgresDirs.at(-1)!,
      port: this.#postgres.port,
      settings,
    });
  }

  /** Waits until a replica has replayed everything that the primary has written so far. */
  async caughtUp(replica: Replica): Promise<void> {
    // Uses the end of a record that is flushed with its transaction. The insert position may be past the header of a
    // page that is not written yet, and the flush position may be in the middle of a record.
    const [row] = await this.ask<{ lsn: string }>(`select pg_logical_emit_message(true, 'chaos', '')::text as lsn`);
    await eventually('the replica has caught up', () => replica.hasReplayed(row!.lsn));
  }

  /** Crashes the primary, and starts a halted standby as the new primary at the same address. */
  async failOverTo(standby: Replica): Promise<void> {
    await this.stopPostgres();
    this.#postgresDirs.push(standby.stateDir);
    await this.startPostgres();
    await this.ask('select pg_promote()');
  }

  async killTemporal(): Promise<void> {
    const server = this.#temporalServer;
    if (server === undefined) return;
    process.kill(server.pid, 'SIGKILL');
    await server.stop();
    this.#temporalServer = undefined;
  }

  /** Starts Temporal at the same address, with its previous database or with an empty one. */
  async startTemporal({ empty }: { empty: boolean }): Promise<void> {
    if (empty) this.temporalDirs.push(join(this.stateDir, `temporal-${this.temporalDirs.length + 1}`));
    this.#temporalServer = await startTemporal({
      stateDir: this.temporalDirs.at(-1)!,
      port: this.#temporalPort,
      uiPort: 'none',
      cliPath: this.temporalCli,
    });
  }

  /** Starts a lost Temporal again, to read its histories. */
  async withLostTemporal<T>(stateDir: string, read: (temporal: Client) => Promise<T>): Promise<T> {
    const server = await startTemporal({ stateDir, uiPort: 'none', cliPath: this.temporalCli });
    const connection = await Connection.connect({ address: server.address, channelArgs: NO_PROXY });
    try {
      return await read(new Client({ connection, namespace: this.namespace }));
    } finally {
      await connection.close();
      await server.stop();
    }
  }

  /** Sets the schedule of `meterfold schedule set --every 2s`. */
  async setSchedule(): Promise<void> {
    await this.#temporal.schedule.create(
      scheduleDefinition({ everyMs: SCHEDULE_EVERY_MS, timeoutMs: SCHEDULE_TIMEOUT_MS }),
    );
  }

  /** Pauses the schedule, and waits until the last workflow has ended. */
  async rest(): Promise<void> {
    const schedule = this.#temporal.schedule.getHandle(SCHEDULE_ID);
    await schedule.pause();
    await eventually('all workflows have ended', async () => {
      const running = await this.#temporal.workflow.count(
        `WorkflowType = 'billingRun' and ExecutionStatus = 'Running'`,
      );
      return running.count === 0;
    });
    // Under load the list of workflows lags behind.
    const { info } = await schedule.describe();
    const scheduled = info.recentActions.map(({ action }) => action.workflow.workflowId);
    for (const workflowId of [...scheduled, ...this.#startedByHand.splice(0)]) await this.#ended(workflowId);
  }

  /** Registers a workflow for which `rest` must wait. */
  startedByHand(workflowId: string): void {
    this.#startedByHand.push(workflowId);
  }

  async #ended(workflowId: string): Promise<void> {
    await eventually(`workflow ${workflowId} has ended`, async () => {
      try {
        return (await this.#temporal.workflow.getHandle(workflowId).describe()).status.name !== 'RUNNING';
      } catch (error) {
        // Its Temporal was lost.
        if (error instanceof WorkflowNotFoundError) return true;
        throw error;
      }
    });
  }

  async resumeSchedule(): Promise<void> {
    await this.#temporal.schedule.getHandle(SCHEDULE_ID).unpause();
  }

  /** Returns the rows of a query. Retries while PostgreSQL is unavailable. */
  async ask<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    for (let tries = 1; ; tries++) {
      try {
        return (await this.#pool.query<Row>(sql, values)).rows;
      } catch (error) {
        if (!isAway(error) || tries === ASK_TRIES_MAX) throw error;
        await delay(ASK_AGAIN_MS);
      }
    }
  }

  onClose(work: () => Promise<void>): void {
    this.#closers.push(work);
  }

  async close(): Promise<void> {
    for (const work of this.#closers.splice(0).reverse()) await work();
    for (const dir of this.#postgresDirs) await removeCluster(dir);
    await rm(this.stateDir, { recursive: true, force: true });
  }
}

const ASK_TRIES_MAX = 300;
const ASK_AGAIN_MS = 100;

/**
 * Returns whether the error means that the server or the connection is unavailable, rather than that the statement is
 * wrong.
 */
export function isAway(error: unknown): boolean {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  return /^(57P0\d|08\w{3}|ECONN|EPIPE)/.test(code) || /terminat|timeout|ECONN|closed/i.test(message);
}
