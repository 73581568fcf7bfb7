/**
 * PySpark's DataFrame job, timed by its own clock without its start-up. Its Python environment is created once, in the
 * project's cache.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Stack } from '../../test/support/stack.js';
import type { Entrant } from './contender.js';
import { cacheDir as cache, exists, program, pythonWith } from './python.js';
import { COPY_SETTINGS, crossed } from './settings.js';

const TITLE = "PySpark's DataFrame job";
const PYSPARK = '4.3.0';
const DRIVER = 'org.postgresql:postgresql:42.7.4';
const JAVA_MIN = 17;

const script = fileURLToPath(new URL('spark_dataframe.py', import.meta.url));
const cacheDir = join(cache, 'spark');

/** For each job its table is dropped, and created by Spark without a key. */
export async function spark(stack: Stack, rows: number): Promise<Entrant> {
  const found = await findSpark();
  if ('missing' in found) return { title: TITLE, missing: found.missing };
  const running = new Set<number>();
  return {
    title: TITLE,
    does: 'reads id, user_id, usage by several JDBC connections; writes one row per cycle (user, cycle, calls, usage, cost) without a key',
    settings: crossed(COPY_SETTINGS, [
      { name: 'eight partitions', own: { partitions: 8 } },
      { name: 'two partitions', own: { partitions: 2 } },
    ]),
    clear: async () => void (await stack.pool.query('drop table if exists public.baseline_spark')),
    async run({ own }) {
      const output = await program(found.python, [script, jdbcUrl(stack), String(rows), String(own?.partitions ?? 8)], {
        env: { ...process.env, PGJDBC: found.driver, PYSPARK_PYTHON: found.python },
        onStart: (pid) => running.add(pid),
      });
      running.clear();
      const seconds = /job_s=([\d.]+)/.exec(output)?.[1];
      if (seconds === undefined) throw new Error(`PySpark did not report its time: ${output}`);
      return { seconds: Number(seconds) };
    },
    processes: () => ({ 'python and java': [...running] }),
  };
}

/** Finds a Python that can import PySpark, and PostgreSQL's JDBC driver. */
async function findSpark(): Promise<{ python: string; driver: string } | { missing: string }> {
  const version = await program('java', ['-version']).catch(() => '');
  const java = Number(/version "(\d+)/.exec(version)?.[1] ?? 0);
  if (java < JAVA_MIN) return { missing: `it needs Java ${JAVA_MIN} on PATH` };
  const driver = process.env.PGJDBC ?? join(cacheDir, `${DRIVER.split(':').slice(1).join('-')}.jar`);
  try {
    await mkdir(cacheDir, { recursive: true });
    const python = await pythonWith(join(cacheDir, `pyspark-${PYSPARK}`), [`pyspark==${PYSPARK}`]);
    if (!(await exists(driver)))
      await program('mvn', ['-q', 'dependency:copy', `-Dartifact=${DRIVER}`, `-DoutputDirectory=${cacheDir}`]);
    return { python, driver };
  } catch (error) {
    return {
      missing: `PySpark ${PYSPARK} could not be installed by python3 -m venv, pip and mvn (or PGJDBC, the path of ${DRIVER}): ${(error as Error).message}`,
    };
  }
}

function jdbcUrl({ databaseUrl }: Stack): string {
  const { hostname, port, pathname, username, password } = new URL(databaseUrl);
  return `jdbc:postgresql://${hostname}:${port}${pathname}?currentSchema=public&user=${username}&password=${password}`;
}
