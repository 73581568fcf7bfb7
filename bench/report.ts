/**
 * The report of `npm run bench`: a JSON file to which each bench adds its results, and a page that is rendered from it.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Machine, Spread } from './figures.js';
import { renderPage } from './page.js';
import { plotRatios, plotTimes } from './plots.js';
import type { Volume } from './volumes.js';

const folder = process.env.BENCH_REPORT ?? fileURLToPath(new URL('report', import.meta.url));

/** A setting that was tried for a contender, and the seconds of its fastest job. */
export interface Trial {
  setting: string;
  seconds: number;
}

export interface MeasuredContender {
  name: string;
  title: string;
  does: string;
  /** The fastest setting, with which the contender was measured. Absent in old reports. */
  setting?: string;
  trials?: Trial[];
  seconds: Spread;
  samples: number[];
  /** Medians of the parts that the contender reports, in seconds. */
  parts: Record<string, number>;
  walBytes: number;
  /** By role of the process. */
  peakBytes: Record<string, number>;
}

export type ContenderFigures = MeasuredContender | { name: string; title: string; missing: string };

export interface SizeReport {
  calls: number;
  users: number;
  workers: number;
  /** The size of the server's cache, and whether it uses huge pages. */
  cache: string;
  rounds: number;
  /** The data volume of each phase of meterfold's run. */
  volumes: Volume[];
  contenders: ContenderFigures[];
}

/** A workload of meterfold, compared with another one with the same number of calls. */
export interface ShapeReport {
  name: string;
  calls: number;
  seconds: Spread;
  parts: Record<string, number>;
}

export interface Report {
  /** The machine of the latest bench. */
  machine: Machine;
  sizes: (SizeReport & { date: string })[];
  shapes: ShapeReport[];
}

export async function addSize(machine: Machine, size: SizeReport): Promise<void> {
  await change(machine, (report) => {
    const others = report.sizes.filter(({ calls }) => calls !== size.calls);
    report.sizes = [...others, { ...size, date: machine.date }].toSorted((a, b) => a.calls - b.calls);
  });
}

export async function addShapes(machine: Machine, shapes: ShapeReport[]): Promise<void> {
  await change(machine, (report) => {
    report.shapes = shapes;
  });
}

async function change(machine: Machine, by: (report: Report) => void): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'performance.json');
  const found = await readFile(path, 'utf8').catch(() => undefined);
  const report: Report = found === undefined ? { machine, sizes: [], shapes: [] } : JSON.parse(found);
  report.machine = machine;
  by(report);
  const plots = { times: plotTimes(report.sizes), ratios: plotRatios(report.sizes) };
  await writeFile(path, `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(join(folder, 'times.svg'), plots.times);
  await writeFile(join(folder, 'ratios.svg'), plots.ratios);
  await writeFile(join(folder, 'index.html'), renderPage(report, plots));
  process.stdout.write(`\nThe report: ${join(folder, 'index.html')}\n`);
}
