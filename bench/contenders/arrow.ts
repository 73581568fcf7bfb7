/**
 * The job as a data engineer would write it (arrow.py): ADBC's binary COPY into Arrow, DuckDB or Polars on all cores,
 * and COPY back.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Stack } from '../../test/support/stack.js';
import type { Entrant, Job } from './contender.js';
import { cacheDir, pythonWith } from './python.js';
import { COPY_SETTINGS, crossed } from './settings.js';

const VERSIONS = { duckdb: '2.0.1', polars: '2.1.0', pyarrow: '26.0.1', 'adbc-driver-postgresql': '1.13.0' };
const TITLES = { duckdb: 'Arrow and DuckDB', polars: 'Arrow and Polars' };
type Engine = keyof typeof TITLES;

const script = fileURLToPath(new URL('arrow.py', import.meta.url));

/**
 * For each job its table is dropped, and created by ADBC. The primary key is built after the rows are inserted, which
 * is faster.
 */
export async function arrow(stack: Stack, engine: Engine): Promise<Entrant> {
  const title = TITLES[engine];
  const table = `baseline_${engine}`;
  let service: Service;
  try {
    const packages = Object.entries(VERSIONS).map(([name, version]) => `${name}==${version}`);
    const python = await pythonWith(join(cacheDir, `arrow-${Object.values(VERSIONS).join('-')}`), packages);
    service = await Service.start(python, [script, engine, stack.databaseUrl, table]);
  } catch (error) {
    return { title, missing: `it needs python3 with venv, and packages from PyPI: ${(error as Error).message}` };
  }
  const cycles = await closedCycles(stack);
  return {
    title,
    does:
      `(${engine} ${VERSIONS[engine]}, ADBC ${VERSIONS['adbc-driver-postgresql']}) reads id, user_id, usage, called_at; ` +
      'writes one row per closed cycle (user, cycle, calls, usage, amount, first and last call with their times), and builds the primary key at the end',
    settings: crossed(COPY_SETTINGS, [
      { name: 'one connection', own: { connections: 1 } },
      { name: 'two connections', own: { connections: 2 } },
    ]),
    clear: async () => void (await stack.pool.query(`drop table if exists public.${table}`)),
    async run({ own }): Promise<Job> {
      const { rows, seconds, read, compute, write, key } = await service.ask(String(own?.connections ?? 1));
      if (rows !== cycles) throw new Error(`${title} wrote ${rows} cycles of ${cycles}`);
      return { seconds: seconds!, parts: { read: read!, compute: compute!, write: write!, key: key! } };
    },
    processes: () => ({ python: [service.pid] }),
    close: () => service.stop(),
  };
}

async function closedCycles({ pool }: Stack): Promise<number> {
  const { rows } = await pool.query<{ cycles: number }>(
    'select sum(calls / 5)::float8 as cycles from (select count(*) as calls from public.api_logs group by user_id) own',
  );
  return rows[0]!.cycles;
}

type Answer = Record<string, number | undefined>;

/** A process that answers each line with a line of JSON. */
class Service {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  private constructor(command: string, args: string[]) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stderr!.on('data', (chunk) => {
      this.#errors += chunk;
    });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** Resolves when the process reports that it is ready. */
  static async start(command: string, args: string[]): Promise<Service> {
    const service = new Service(command, args);
    await service.#answer();
    return service;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  ask(line: string): Promise<Answer> {
    this.#child.stdin!.write(`${line}\n`);
    return this.#answer();
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin!.end();
    await ended;
  }

  async #answer(): Promise<Answer> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#child.spawnargs.join(' ')} ended: ${this.#errors.slice(-2000)}`);
    return JSON.parse(value);
  }
}
