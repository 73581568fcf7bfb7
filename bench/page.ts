/** Renders the report as an HTML page. */
import type { Machine } from './figures.js';
import { measuredOf } from './plots.js';
import type { ContenderFigures, MeasuredContender, Report, SizeReport } from './report.js';

const MIB = 2 ** 20;

export function renderPage(report: Report, plots: { times: string; ratios: string }): string {
  const { machine } = report;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>meterfold: performance compared</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2rem auto; padding: 0 1rem; color: #222 }
  table { border-collapse: collapse; margin: 1rem 0; width: 100% }
  th, td { border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: right; vertical-align: top }
  th:first-child, td:first-child { text-align: left }
  svg { max-width: 100%; height: auto }
  small { color: #666 }
</style>
<h1>Performance compared</h1>
<p>${machine.cores} cores (${text(machine.processor)}), ${machine.memoryGiB} GiB; Node ${machine.node}, PostgreSQL ${machine.postgres}, ${machine.date}.
      Medians of jobs that alternated in one bench run. Compare the ratios rather than the seconds.</p>
${plots.ratios}
${plots.times}
${report.sizes.map(sizeSection).join('\n')}
${growthSection(report.sizes)}
${shapesSection(report)}
${fairness(machine)}
</html>
`;
}

function sizeSection(size: SizeReport & { date: string }): string {
  const own = measuredOf(size, 'meterfold');
  const measured = size.contenders.filter((each): each is MeasuredContender => !('missing' in each));
  const rows = size.contenders.map((each) => contenderRow(each, own, size.calls));
  const volumes = size.volumes.map(
    ({ phase, rows: count, bytes }) =>
      `<tr><td>${text(phase)}<td>${count.toLocaleString('en')}<td>${bytes === 0 ? '' : mib(bytes)}</tr>`,
  );
  const parts = Object.entries(own?.parts ?? {}).map(([name, seconds]) => `${text(name)} ${seconds.toFixed(3)} s`);
  return `<h2>${size.calls.toLocaleString('en')} calls of ${size.users.toLocaleString('en')} users</h2>
<table>
<tr><th>${size.rounds} rounds, ${size.date}<th>median<th>minimum to maximum<th>× meterfold<th>calls/s<th>WAL<th>peak memory</tr>
${rows.join('\n')}
</table>
<p>PostgreSQL’s cache: ${text(size.cache)}. meterfold, ${size.workers} workers, by timestamps of Temporal: ${parts.join(', ')}.</p>
<table>
<tr><th>Data volume of meterfold’s run<th>rows<th>size</tr>
${volumes.join('\n')}
</table>
<p><small>${measured.map(({ title, does }) => `${text(title)} ${text(does)}.`).join('<br>')}</small></p>
${settingsTable(measured)}`;
}

/** The settings that were tried for each contender before the measurement. */
function settingsTable(contenders: readonly MeasuredContender[]): string {
  const rows = contenders.flatMap(({ title, setting, trials = [] }) =>
    trials.map(
      (trial) =>
        `<tr><td>${text(title)}<td>${text(trial.setting)}${trial.setting === setting ? ' <b>(measured)</b>' : ''}<td>${trial.seconds.toFixed(3)} s</tr>`,
    ),
  );
  if (rows.length === 0) return '';
  return `<details><summary>Settings tried for each contender</summary>
<table><tr><th><th>setting<th>fastest job</tr>
${rows.join('\n')}
</table></details>`;
}

function contenderRow(figures: ContenderFigures, own: MeasuredContender | undefined, calls: number): string {
  if ('missing' in figures)
    return `<tr><td>${text(figures.title)}<td colspan="6">not measured: ${text(figures.missing)}</tr>`;
  const { title, setting, seconds, walBytes, peakBytes } = figures;
  const ratio = own === undefined ? '' : (seconds.median / own.seconds.median).toFixed(2);
  const memory = Object.entries(peakBytes).map(([part, bytes]) => `${text(part)}: ${mib(bytes)}`);
  const by = setting === undefined ? '' : `<br><small>${text(setting)}</small>`;
  return `<tr><td>${text(title)}${by}<td>${seconds.median.toFixed(3)} s<td>${seconds.min.toFixed(3)} to ${seconds.max.toFixed(3)}
<td>${ratio}<td>${Math.round(calls / seconds.median).toLocaleString('en')}<td>${mib(walBytes)}<td>${memory.join('<br>')}</tr>`;
}

function growthSection(sizes: readonly SizeReport[]): string {
  const measured = sizes.flatMap((size) => {
    const own = measuredOf(size, 'meterfold');
    return own === undefined ? [] : [{ size, own }];
  });
  const rows = measured.map(({ size, own }, number) => {
    const before = measured[number - 1]?.size;
    return `<tr><td>${size.calls.toLocaleString('en')}<td>${own.seconds.median.toFixed(2)} s
<td>${before === undefined ? '' : `× ${size.calls / before.calls}`}<td>${growth('meterfold', before, size)}<td>${growth('own floor', before, size)}
<td>${mib(own.peakBytes.worker ?? 0)}</tr>`;
  });
  return `<h2>How meterfold’s time grows</h2>
<table><tr><th>calls<th>median<th>growth of calls<th>growth of the time<th>growth of the floor with its layout<th>peak memory of a worker process</tr>${rows.join('\n')}</table>`;
}

/** The growth of a contender's time from one size to the next. */
function growth(name: string, before: SizeReport | undefined, size: SizeReport): string {
  const [from, to] = [before && measuredOf(before, name), measuredOf(size, name)];
  return from === undefined || to === undefined ? '' : `× ${(to.seconds.median / from.seconds.median).toFixed(2)}`;
}

function shapesSection({ shapes }: Report): string {
  if (shapes.length === 0) return '';
  const [first] = shapes;
  const rows = shapes.map(
    ({ name, calls, seconds }) =>
      `<tr><td>${text(name)}<td>${calls.toLocaleString('en')}<td>${seconds.median.toFixed(3)} s<td>${seconds.min.toFixed(3)} to ${seconds.max.toFixed(3)}<td>${(seconds.median / first!.seconds.median).toFixed(2)}</tr>`,
  );
  return `<h2>Other workloads</h2>
<table><tr><th><th>calls billed<th>median<th>minimum to maximum<th>× the first</tr>${rows.join('\n')}</table>`;
}

function fairness({ postgresSettings }: Machine): string {
  const settings = Object.entries(postgresSettings).map(([name, value]) => `${name} ${text(value)}`);
  return `<h2>Fairness of the comparison</h2>
<ul>
<li><b>Order.</b> The contenders alternate, and a different one is first in every round. A warm-up round is not counted.
<li><b>Cache.</b> Before each job everything is vacuumed and analyzed, and the log is in the cache. The state is the same for all.
<li><b>Checkpoint.</b> Each job is preceded by a checkpoint, which is not timed. After it, the first change of each page is logged in full, for all contenders alike.
<li><b>Durability.</b> PostgreSQL’s defaults: fsync, synchronous commit and full-page writes are on, and no result is UNLOGGED. Only meterfold’s segments are UNLOGGED: intermediate data between map and reduce, which is deleted when the run is published. The time of an SQL job ends when its transaction is durable.
<li><b>Columns.</b> The SQL jobs, PySpark and the plain floor read id, user and usage. meterfold, the Arrow jobs and the floor with its layout also read the time of the call, one more column, which is a disadvantage to them.
<li><b>Results.</b> SQL and the floor: one row per cycle with a primary key. PySpark: the same without a key. The Arrow jobs: closed cycles only, with first and last call and their times, and a primary key that is built at the end (“key” in their parts; subtract it if you need no key). meterfold: packed rows of up to 96 cycles, with first and last call and their times, open cycles, and the proof; users read a view of these rows.
   The floor with its layout shows which part of the difference is due to packing.
<li><b>Scope.</b> Only meterfold keeps open cycles, proves its results, and can be retried at any point; the others bill from scratch.
<li><b>Tasks.</b> meterfold has its default settings: up to 250,000 calls are one activity of one worker (“plan” here); more calls are distributed over both workers.
<li><b>Clocks.</b> meterfold: from the start to the end of its workflow by timestamps of Temporal, so all of Temporal’s overhead is included; its workers are already running. SQL: from sending the statement to its result. PySpark: its own time, without its start-up. The Arrow jobs: from the first query to the last commit, in a process that keeps running with open connections, as meterfold’s workers do. The floor: including the start of psql, about 20 ms.
<li><b>Settings.</b> All use one PostgreSQL server. Its cache is a quarter of the machine’s memory, as its manual advises, or larger if the log would not fit; each size states its cache. Settings of the latest bench: ${settings.join(', ')}. Settings that determine a job’s speed (work_mem, hash_mem_multiplier, maintenance_work_mem, jit, parallel workers; its own connections or partitions) are chosen for each contender: at each size several are tried, and the fastest, named in the table, is measured. PySpark has local[2] and 8 GB. meterfold’s workers have MALLOC_ARENA_MAX=2, as in the image, which reduces memory but not time.
<li><b>Versions.</b> See above and package.json. All figures of a size are from one machine and one day.
</ul>`;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0)} MiB`;
}

function text(plain: string): string {
  return plain.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
