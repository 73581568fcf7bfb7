/**
 * Side by side over one log: meterfold, what a user would run instead, and the floor beneath all of them. Each is first, second and so on
 * in turn; before each job its own tables are emptied, everything is vacuumed and analyzed, and a checkpoint is made.
 */
import { expect, test } from 'vitest';
import { say } from '../test/support/say.js';
import type { RunningServers } from '../test/support/servers.js';
import type { Stack } from '../test/support/stack.js';
import { postmasterOf, withServers, withWorkers } from './billing.js';
import type { Contender, Entrant, Job } from './contenders/contender.js';
import { floor, ownLayout, sqlLayout } from './contenders/floor.js';
import { fillLog, settle } from './contenders/log.js';
import { meterfold } from './contenders/meterfold.js';
import { spark } from './contenders/spark.js';
import { statement, tuned } from './contenders/sql.js';
import { machineOf, medianParts, setting, settings, spread } from './figures.js';
import { highWaterMark, withPeaks } from './proc.js';
import { addSize, type ContenderFigures, type SizeReport } from './report.js';
import { volumesOf } from './volumes.js';

const sizes = settings('BENCH_SIZES', [100_000, 1_000_000, 10_000_000]);
const only = process.env.BENCH_ONLY?.split(',');
const WORKERS = { count: 2, role: 'all' } as const;
/** Users among as many calls. */
const CALLS_PER_USER = 100;

/** After one to warm up, which also shows how much memory each takes. */
function roundsOf(calls: number): number {
  return setting('BENCH_ROUNDS', calls <= 100_000 ? 15 : calls <= 1_000_000 ? 9 : 5);
}

for (const calls of sizes) {
  test(`${calls.toLocaleString('en')} calls, side by side`, () =>
    withServers((servers) => measure(servers, calls), { calls }));
}

async function measure(servers: RunningServers, calls: number): Promise<void> {
  await withWorkers(servers, WORKERS, async (stack, workers) => {
    const users = Math.max(1, calls / CALLS_PER_USER);
    await fillLog(stack, calls, users);
    // The floors come after those whose rows they write.
    const entrants: Entrant[] = [
      await statement(stack),
      meterfold(stack, workers),
      tuned(stack),
      await spark(stack, calls),
      await floor(stack, sqlLayout),
      await floor(stack, ownLayout),
    ];
    const chosen = entrants.filter(({ name }) => only === undefined || only.includes(name));
    const contenders = chosen.filter((entrant): entrant is Contender => !('missing' in entrant));
    for (const entrant of chosen) if ('missing' in entrant) say(`${entrant.title} is left out: ${entrant.missing}`);

    const postmaster = await postmasterOf(stack);
    const measured = new Map<string, Measured>();
    for (const contender of contenders) {
      await makeReady(stack, contender);
      const { result: job, peaks } = await withPeaks({ postmaster, processes: () => contender.processes() }, () =>
        contender.run(),
      );
      say(`to warm up, ${contender.title}: ${job.seconds.toFixed(3)} s`);
      measured.set(contender.name, { jobs: [], peaks, walBytes: 0 });
    }
    const volumes = await volumesOf(stack);
    const rounds = roundsOf(calls);
    for (let round = 0; round < rounds; round++) {
      for (const place of contenders.keys()) {
        const contender = contenders[(place + round) % contenders.length]!;
        const own = measured.get(contender.name)!;
        await makeReady(stack, contender);
        const walBefore = await walPosition(stack);
        const job = await contender.run();
        own.walBytes = Number((await walPosition(stack)) - walBefore);
        own.jobs.push(job);
        say(`round ${round + 1} of ${rounds}, ${contender.title}: ${job.seconds.toFixed(3)} s`);
      }
    }
    for (const contender of contenders) await contender.close?.();

    const figures = await Promise.all(
      chosen.map(async (entrant): Promise<ContenderFigures> => {
        if ('missing' in entrant) return entrant;
        const { jobs, peaks, walBytes } = measured.get(entrant.name)!;
        const marks = await Promise.all((entrant.processes().worker ?? []).map(highWaterMark));
        const worker = marks.length === 0 ? {} : { worker: Math.max(...marks.map((mark) => mark ?? 0)) };
        return {
          name: entrant.name,
          title: entrant.title,
          does: entrant.does,
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
    const report: SizeReport = { calls, users, workers: WORKERS.count, cache, rounds, volumes, contenders: figures };
    await addSize(machine, report);
    expect(figures.length).toBeGreaterThan(0);
  });
}

interface Measured {
  jobs: Job[];
  peaks: Record<string, number>;
  walBytes: number;
}

/** As every contender finds it. */
async function makeReady(stack: Stack, contender: Contender): Promise<void> {
  await contender.clear();
  await settle(stack);
}

async function walPosition({ pool }: Stack): Promise<bigint> {
  const { rows } = await pool.query<{ bytes: string }>(`select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as bytes`);
  return BigInt(rows[0]!.bytes);
}
