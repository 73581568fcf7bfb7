/**
 * Compares, on one log, meterfold, the alternatives that a user might run instead, and a lower bound (the floor). For
 * each contender several settings are tried, and the fastest is measured. The contenders alternate, in a rotating
 * order. Before each job its own tables are emptied, everything is vacuumed and analyzed, and a checkpoint is made.
 */
import { expect, test } from 'vitest';
import type { WorkerProcess } from '../test/support/processes.js';
import { say } from '../test/support/say.js';
import type { RunningServers } from '../test/support/servers.js';
import type { Stack } from '../test/support/stack.js';
import { postmasterOf, withServers, withWorkers } from './billing.js';
import { arrow } from './contenders/arrow.js';
import type { Contender, Entrant, Job } from './contenders/contender.js';
import { floor, ownLayout, sqlLayout } from './contenders/floor.js';
import { fillLog, settle } from './contenders/log.js';
import { meterfold } from './contenders/meterfold.js';
import { applySetting, SETTING_NAMES, type Setting } from './contenders/settings.js';
import { spark } from './contenders/spark.js';
import { statement, tuned } from './contenders/sql.js';
import { machineOf, medianParts, setting, settings, spread } from './figures.js';
import { highWaterMark, withPeaks } from './proc.js';
import { addSize, type ContenderFigures, type SizeReport, type Trial } from './report.js';
import { volumesOf } from './volumes.js';

const sizes = settings('BENCH_SIZES', [100_000, 1_000_000, 10_000_000]);
const WORKERS = { count: 2, role: 'all' } as const;
/** The average number of calls per user. */
const CALLS_PER_USER = 100;

interface BenchStack {
  stack: Stack;
  workers: readonly WorkerProcess[];
  calls: number;
}

/** The possible contenders, by name. A floor comes after the contender whose rows it writes. */
const ENTRANTS: Record<string, { enter(bench: BenchStack): Entrant | Promise<Entrant>; writesRowsOf?: string }> = {
  statement: { enter: ({ stack }) => statement(stack) },
  meterfold: { enter: ({ stack, workers }) => meterfold(stack, workers) },
  tuned: { enter: ({ stack }) => tuned(stack) },
  duckdb: { enter: ({ stack }) => arrow(stack, 'duckdb') },
  polars: { enter: ({ stack }) => arrow(stack, 'polars') },
  pyspark: { enter: ({ stack, calls }) => spark(stack, calls) },
  floor: { enter: ({ stack }) => floor(stack, sqlLayout), writesRowsOf: 'statement' },
  'own floor': { enter: ({ stack }) => floor(stack, ownLayout), writesRowsOf: 'meterfold' },
};
const chosen = chosenFrom(process.env.BENCH_ONLY?.split(',') ?? Object.keys(ENTRANTS));

for (const calls of sizes) {
  test(`${calls.toLocaleString('en')} calls, side by side`, () =>
    withServers((servers) => measure(servers, calls), { calls, chosen: SETTING_NAMES }));
}

function chosenFrom(names: readonly string[]): readonly string[] {
  for (const name of names) {
    const entrant = ENTRANTS[name];
    if (!entrant) throw new Error(`BENCH_ONLY: ${name} must be one of ${Object.keys(ENTRANTS).join(', ')}`);
    if (entrant.writesRowsOf !== undefined && !names.includes(entrant.writesRowsOf))
      throw new Error(`BENCH_ONLY: ${name} writes the rows of ${entrant.writesRowsOf}, which must be measured too`);
  }
  return Object.keys(ENTRANTS).filter((name) => names.includes(name));
}

/** The number of timed rounds. They follow a job of each contender that measures its memory. */
function roundsOf(calls: number): number {
  return setting('BENCH_ROUNDS', calls <= 100_000 ? 15 : calls <= 1_000_000 ? 9 : 5);
}

/** The number of jobs for each setting that is tried. */
function triesOf(calls: number): number {
  return setting('BENCH_TRIES', calls <= 100_000 ? 3 : calls <= 1_000_000 ? 2 : 1);
}

async function measure(servers: RunningServers, calls: number): Promise<void> {
  await withWorkers(servers, WORKERS, async (stack, workers) => {
    const users = Math.max(1, calls / CALLS_PER_USER);
    await fillLog(stack, calls, users);
    const postmaster = await postmasterOf(stack);
    const measured: Measured[] = [];
    const leftOut: ContenderFigures[] = [];
    for (const name of chosen) {
      const entrant = await ENTRANTS[name]!.enter({ stack, workers, calls });
      if ('missing' in entrant) {
        say(`${entrant.title} is not measured: ${entrant.missing}`);
        leftOut.push({ name, ...entrant });
        continue;
      }
      const { best, trials } = await tryAll(stack, entrant, triesOf(calls));
      await makeReady(stack, entrant, best);
      const { peaks } = await withPeaks({ postmaster, processes: () => entrant.processes() }, () => entrant.run(best));
      measured.push({ name, contender: entrant, best, trials, jobs: [], peaks, walBytes: 0 });
    }
    const volumes = await volumesOf(stack);
    const rounds = roundsOf(calls);
    for (let round = 0; round < rounds; round++) {
      for (const index of measured.keys()) {
        const own = measured[(index + round) % measured.length]!;
        await makeReady(stack, own.contender, own.best);
        const walBefore = await walPosition(stack);
        const job = await own.contender.run(own.best);
        own.walBytes = Number((await walPosition(stack)) - walBefore);
        own.jobs.push(job);
        say(`round ${round + 1} of ${rounds}, ${own.contender.title}: ${job.seconds.toFixed(3)} s`);
      }
    }
    for (const { contender } of measured) await contender.close?.();
    await applySetting(stack, { server: {} });

    const figures = await Promise.all(
      measured.map(async ({ name, contender, best, trials, jobs, peaks, walBytes }): Promise<ContenderFigures> => {
        const marks = await Promise.all((contender.processes().worker ?? []).map(highWaterMark));
        const worker = marks.length === 0 ? {} : { worker: Math.max(...marks.map((mark) => mark ?? 0)) };
        return {
          name,
          title: contender.title,
          does: contender.does,
          setting: best.name,
          trials,
          seconds: spread(jobs.map((job) => job.seconds)),
          samples: jobs.map((job) => job.seconds),
          parts: medianParts(jobs),
          walBytes,
          peakBytes: { ...peaks, ...worker },
        };
      }),
    );
    const machine = await machineOf(stack.pool);
    const { shared_buffers, huge_pages_status } = machine.postgresSettings;
    const cache = `${shared_buffers}, huge pages ${huge_pages_status}`;
    const report: SizeReport = {
      calls,
      users,
      workers: WORKERS.count,
      cache,
      rounds,
      volumes,
      contenders: [...figures, ...leftOut],
    };
    await addSize(machine, report);
    expect(figures.length).toBeGreaterThan(0);
  });
}

interface Measured {
  readonly name: string;
  readonly contender: Contender;
  readonly best: Setting;
  readonly trials: Trial[];
  jobs: Job[];
  peaks: Record<string, number>;
  walBytes: number;
}

/**
 * Returns the fastest of the contender's settings. Each setting runs `tries` jobs, of which the fastest counts. The
 * first job is a warm-up.
 */
async function tryAll(stack: Stack, contender: Contender, tries: number): Promise<{ best: Setting; trials: Trial[] }> {
  const trials: Trial[] = [];
  await makeReady(stack, contender, contender.settings[0]!);
  await contender.run(contender.settings[0]!);
  for (const setting of contender.settings) {
    let seconds = Number.POSITIVE_INFINITY;
    for (let number = 0; number < tries; number++) {
      await makeReady(stack, contender, setting);
      seconds = Math.min(seconds, (await contender.run(setting)).seconds);
    }
    trials.push({ setting: setting.name, seconds });
    say(`${contender.title}, ${setting.name}: ${seconds.toFixed(3)} s`);
  }
  const fastest = Math.min(...trials.map(({ seconds }) => seconds));
  return { best: contender.settings[trials.findIndex(({ seconds }) => seconds === fastest)]!, trials };
}

/** Brings the database into the state that every job starts with. */
async function makeReady(stack: Stack, contender: Contender, setting: Setting): Promise<void> {
  await applySetting(stack, setting);
  await contender.clear();
  await settle(stack);
}

async function walPosition({ pool }: Stack): Promise<bigint> {
  const { rows } = await pool.query<{ bytes: string }>(`select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as bytes`);
  return BigInt(rows[0]!.bytes);
}
