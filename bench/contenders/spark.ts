/** PySpark's DataFrame job, by its own clock without its start-up: it gets a Python of its own in the project's cache, made once. */
import { spawn } from 'node:child_process';
import { mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { repositoryDir } from '../../test/support/repository.js';
import { say } from '../../test/support/say.js';
import type { Stack } from '../../test/support/stack.js';
import type { Entrant } from './contender.js';

const TITLE = "PySpark's DataFrame job";
const PYSPARK = '4.3.0';
const DRIVER = 'org.postgresql:postgresql:42.7.4';
const JAVA_MIN = 17;

const script = fileURLToPath(new URL('spark_dataframe.py', import.meta.url));
const cacheDir = join(repositoryDir, '.meterfold', 'cache', 'spark');

/** Its table is dropped each time, and made by Spark itself; it has no key. */
export async function spark(stack: Stack, rows: number): Promise<Entrant> {
  const found = await findSpark();
  if ('missing' in found) return { title: TITLE, missing: found.missing };
  const running = new Set<number>();
  return {
    title: TITLE,
    does: 'reads id, user_id, usage by eight JDBC connections; writes one row a cycle (user, cycle, calls, usage, cost) without a key',
    clear: async () => void (await stack.pool.query('drop table if exists public.baseline_spark')),
    async run() {
      const output = await program(found.python, [script, jdbcUrl(stack), String(rows)], {
        env: { ...process.env, PGJDBC: found.driver, PYSPARK_PYTHON: found.python },
        onStart: (pid) => running.add(pid),
      });
      running.clear();
      const seconds = /job_s=([\d.]+)/.exec(output)?.[1];
      if (seconds === undefined) throw new Error(`PySpark said nothing of its time: ${output}`);
      return { seconds: Number(seconds) };
    },
    processes: () => ({ 'python and java': [...running] }),
  };
}

/** A Python that can import PySpark, and PostgreSQL's JDBC driver. */
async function findSpark(): Promise<{ python: string; driver: string } | { missing: string }> {
  const version = await program('java', ['-version']).catch(() => '');
  const java = Number(/version "(\d+)/.exec(version)?.[1] ?? 0);
  if (java < JAVA_MIN) return { missing: `it needs Java ${JAVA_MIN} on PATH` };
  const python = join(cacheDir, `pyspark-${PYSPARK}`, 'bin', 'python');
  const driver = process.env.PGJDBC ?? join(cacheDir, `${DRIVER.split(':').slice(1).join('-')}.jar`);
  try {
    await mkdir(cacheDir, { recursive: true });
    if (!(await exists(python))) await installPySpark(join(cacheDir, `pyspark-${PYSPARK}`));
    if (!(await exists(driver)))
      await program('mvn', ['-q', 'dependency:copy', `-Dartifact=${DRIVER}`, `-DoutputDirectory=${cacheDir}`]);
    return { python, driver };
  } catch (error) {
    return {
      missing: `PySpark ${PYSPARK} could not be installed by python3 -m venv, pip and mvn (or PGJDBC, the path of ${DRIVER}): ${(error as Error).message}`,
    };
  }
}

async function installPySpark(folder: string): Promise<void> {
  say(`installing PySpark ${PYSPARK}, once`);
  const making = `${folder}.making`;
  await program('python3', ['-m', 'venv', making]);
  await program(join(making, 'bin', 'python'), ['-m', 'pip', 'install', '-q', `pyspark==${PYSPARK}`]);
  await rename(making, folder);
}

function jdbcUrl({ databaseUrl }: Stack): string {
  const { hostname, port, pathname, username, password } = new URL(databaseUrl);
  return `jdbc:postgresql://${hostname}:${port}${pathname}?currentSchema=public&user=${username}&password=${password}`;
}

interface ProgramOptions {
  env?: NodeJS.ProcessEnv;
  onStart?: (pid: number) => void;
}

/** Runs a program to its end; what it has printed. */
function program(command: string, args: string[], { env, onStart }: ProgramOptions = {}): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(env === undefined ? {} : { env }) });
  if (child.pid !== undefined) onStart?.(child.pid);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ended with ${code}: ${output.slice(-2000)}`));
    });
  });
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
