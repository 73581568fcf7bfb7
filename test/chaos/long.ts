/**
 * `npm run chaos`: every fault in every phase, repeatedly.
 *
 *   CHAOS_FAULTS=300     the minimum number of observed faults, rounded up to whole rounds of the matrix
 *   CHAOS_SEED=1         the same seed injects the same faults in the same order
 *   CHAOS_PARALLEL=3     the number of parallel episodes; most of the time is waiting
 *   CHAOS_REPORT=<dir>   the directory for reliability.md and reliability.json; without it, the page is printed
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { say } from '../support/say.js';
import { drawEpisodes, runCampaign } from './campaign.js';
import { emptyCells, markdownOf, reportOf } from './report.js';

const env = process.env;
const seed = env.CHAOS_SEED ?? '1';
const faults = Number(env.CHAOS_FAULTS ?? 300);
const parallel = Number(env.CHAOS_PARALLEL ?? 3);
const CELLS_AN_EPISODE = 24;

test(`${faults} observed faults with seed ${seed}: nothing lost, nothing billed twice`, async () => {
  const campaign = { seed, episodes: drawEpisodes(seed, faults, CELLS_AN_EPISODE), parallel, say };
  const report = await reportOf(await runCampaign(campaign));
  const page = markdownOf(report, `CHAOS_SEED=${seed} CHAOS_FAULTS=${faults} CHAOS_PARALLEL=${parallel} npm run chaos`);
  const { CHAOS_REPORT: folder } = env;
  if (folder === undefined) say(`\n\n${page}`);
  else {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'reliability.md'), page);
    await writeFile(join(folder, 'reliability.json'), `${JSON.stringify(report, null, 2)}\n`);
  }
  expect(report).toMatchObject({ lost: 0, doubled: 0 });
  expect(report.faults).toBeGreaterThanOrEqual(faults);
  expect(emptyCells(report)).toEqual([]);
  expect(report.tasks.completionByTask).toBeGreaterThanOrEqual(0.99);
});
