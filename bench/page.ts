/** The report as a page. */
import type { Machine } from './figures.js';
import { measuredOf } from './plots.js';
import type { ContenderFigures, MeasuredContender, Report, SizeReport } from './report.js';

const MIB = 2 ** 20;

export function renderPage(report: Report, plots: { times: string; ratios: string }): string {
  const { machine } = report;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>meterfold: how fast, beside what</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2rem auto; padding: 0 1rem; color: #222 }
  table { border-collapse: collapse; margin: 1rem 0; width: 100% }
  th, td { border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: right; vertical-align: top }
  th:first-child, td:first-child { text-align: left }
  svg { max-width: 100%; height: auto }
  small { color: #666 }
</style>
<h1>How fast, beside what</h1>
<p>${machine.cores} cores (${text(machine.processor)}), ${machine.memoryGiB} GiB; Node ${machine.node}, PostgreSQL ${machine.postgres}, ${machine.date}.
   Medians of jobs that took turns in one run; read the ratios.</p>
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
<tr><th>${size.rounds} rounds, ${size.date}<th>median<th>least to most<th>× meterfold<th>calls/s<th>WAL<th>most memory</tr>
${rows.join('\n')}
</table>
<p>PostgreSQL’s cache: ${text(size.cache)}. meterfold, ${size.workers} workers, by Temporal’s times: ${parts.join(', ')}.</p>
<table>
<tr><th>What goes through it<th>rows<th>size</tr>
${volumes.join('\n')}
</table>
<p><small>${measured.map(({ title, does }) => `${text(title)} ${text(does)}.`).join('<br>')}</small></p>
${settingsTable(measured)}`;
}

/** What each was tried with before it was measured. */
function settingsTable(contenders: readonly MeasuredContender[]): string {
  const rows = contenders.flatMap(({ title, setting, trials = [] }) =>
    trials.map(
      (trial) =>
        `<tr><td>${text(title)}<td>${text(trial.setting)}${trial.setting === setting ? ' <b>(measured)</b>' : ''}<td>${trial.seconds.toFixed(3)} s</tr>`,
    ),
  );
  if (rows.length === 0) return '';
  return `<details><summary>Settings that each was tried with</summary>
<table><tr><th><th>setting<th>fastest job</tr>
${rows.join('\n')}
</table></details>`;
}

function contenderRow(figures: ContenderFigures, own: MeasuredContender | undefined, calls: number): string {
  if ('missing' in figures)
    return `<tr><td>${text(figures.title)}<td colspan="6">left out: ${text(figures.missing)}</tr>`;
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
<table><tr><th>calls<th>median<th>as many calls<th>its time<th>the time of the floor with its layout<th>most memory of a worker process</tr>${rows.join('\n')}</table>`;
}

/** Of a contender's time from one size to the next. */
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
  return `<h2>Other shapes of work</h2>
<table><tr><th><th>calls billed<th>median<th>least to most<th>× the first</tr>${rows.join('\n')}</table>`;
}

function fairness({ postgresSettings }: Machine): string {
  const settings = Object.entries(postgresSettings).map(([name, value]) => `${name} ${text(value)}`);
  return `<h2>Is it fair?</h2>
<ul>
<li><b>Order.</b> All take turns; who is first changes with every round. One round before the first is not counted.
<li><b>Cache.</b> Before each job everything is vacuumed and analyzed, so that the log lies in memory as the last reader left it, for all alike.
<li><b>Checkpoint.</b> One is made before each job, outside the time. The first change of a page after it is logged in full, for all alike.
<li><b>Durability.</b> PostgreSQL’s defaults: fsync, synchronous commit and full-page writes are on, no result is UNLOGGED. meterfold’s segments are: what map hands to reduce, which is gone once the run is published. The time of SQL ends when its transaction is durable.
<li><b>Columns.</b> The SQL jobs, PySpark and the plain floor read id, user and usage. meterfold, the Arrow jobs and the floor with its layout read also when a call was made, one column more: a disadvantage to them.
<li><b>What is left behind.</b> SQL and the floor: one row a cycle with a primary key. PySpark: the same without a key. The Arrow jobs: closed cycles only, with first and last call and their times, and a primary key that is built when they are there (“key” in their parts: who needs none may take it off). meterfold: packed rows of up to 96 cycles, with first and last call and their times, open cycles, and the proof; what people read is a view over it.
   The floor with its layout shows what of the difference is due to packing.
<li><b>What is not done.</b> Only meterfold keeps open cycles, proves what it has billed, and can be tried again at any point; the others bill from scratch.
<li><b>Tasks.</b> meterfold bills by its defaults: up to 250,000 calls are one activity of one worker, “plan” here; more are fanned out over both.
<li><b>Clocks.</b> meterfold: from the start of its workflow to its end by Temporal’s own times, so with all of Temporal, its workers already up. SQL: from sending the statement to its answer. PySpark: its own time, without its start-up. The Arrow jobs: from the first query to the last commit, in a process that stays up with its connections open, as meterfold’s workers do. The floor: with the start of psql, about 20 ms each time.
<li><b>Settings.</b> One PostgreSQL for all. Its cache is a quarter of the machine’s memory, as its manual advises, and larger where the log would not fit into it; which it was is said with each size. Of the bench that ran last: ${settings.join(', ')}. What a job’s speed depends on (work_mem, hash_mem_multiplier, maintenance_work_mem, jit, parallel workers; connections or partitions of its own) each contender has as it is fastest: at each size it is first tried with several, of which one is named in the table. PySpark has local[2] and 8 GB. meterfold’s workers have MALLOC_ARENA_MAX=2, as the image sets it: it takes memory off, not time.
<li><b>Versions.</b> Above, and in package.json; all of one machine, on one day.
</ul>`;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0)} MiB`;
}

function text(plain: string): string {
  return plain.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
